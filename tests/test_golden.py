from pathlib import Path

import pytest

from aisle.errors import BadInput, BundleError
from aisle.golden import Golden, GoldenQuery, Replay, Search, record, replay

TWENTY = [(f"p{n}", 1 - n / 100) for n in range(20)]  # each 0.01 ahead of the next


def answers(**hits: list[tuple[str, float]]) -> Search:
    return lambda query: hits[query]


def test_record_keeps_ten_hits_with_their_scores() -> None:
    golden = record(answers(shoe=TWENTY, hat=[("h", 0.5)]), ["shoe", "hat"])

    assert golden == Golden([GoldenQuery("shoe", TWENTY[:10]), GoldenQuery("hat", [("h", 0.5)])])


def test_golden_queries_survive_the_disk(tmp_path: Path) -> None:
    golden = record(answers(**{"红色 shoe": [("a", 0.1 + 0.2)]}), ["红色 shoe"])

    golden.save(tmp_path / "golden.json")

    assert Golden.load(tmp_path / "golden.json") == golden


def test_the_same_answers_are_ok() -> None:
    search = answers(shoe=TWENTY, nothing=[])

    report = replay(record(search, ["shoe", "nothing"]), search)

    assert report == Replay(1.0, [])
    assert (report.ok, report.reason) == (True, "mean overlap@10 with the exporter's hits is 1.000, not under 0.95.")


def test_a_first_hit_that_was_clearly_ahead_must_stay_first() -> None:
    golden = record(answers(shoe=[("a", 0.90), ("b", 0.87)]), ["shoe"])

    report = replay(golden, answers(shoe=[("b", 0.9), ("a", 0.9)]))

    assert report == Replay(1.0, ["shoe"])
    assert (report.ok, report.reason) == (
        False,
        "another first hit, where the first was ahead by more than 0.02, for 'shoe'.",
    )


def test_the_reason_names_three_queries_and_counts_the_rest() -> None:
    assert Replay(1.0, ["a", "b", "c", "d", "e"]).reason.endswith("for 'a', 'b', 'c' and 2 more.")


def test_two_first_hits_that_were_close_may_change_places() -> None:
    golden = record(answers(shoe=[("a", 0.50), ("b", 0.49)]), ["shoe"])

    assert replay(golden, answers(shoe=[("b", 0.9), ("a", 0.1)])) == Replay(1.0, [])


def test_an_only_hit_is_ahead_by_its_whole_score() -> None:
    golden = record(answers(shoe=[("a", 0.5)]), ["shoe"])

    assert replay(golden, answers(shoe=[])) == Replay(0.0, ["shoe"])


@pytest.mark.parametrize(("lost", "overlap", "ok"), [(1, 0.95, True), (2, 0.9, False)])
def test_one_of_twenty_hits_may_be_lost_but_not_two(lost: int, overlap: float, ok: bool) -> None:
    close = [(product, 0.5) for product, _ in TWENTY]
    golden = record(answers(shoe=close, hat=close), ["shoe", "hat"])

    report = replay(golden, answers(shoe=close, hat=close[lost:10] + [("other", 0.1)] * lost))

    assert (report, report.ok) == (Replay(overlap, []), ok)
    assert report.reason.endswith("not under 0.95." if ok else "is 0.900, under 0.95.")


def test_hits_where_the_exporter_saw_none_are_a_difference() -> None:
    golden = record(answers(shoe=[("a", 0.5)], xyz=[]), ["shoe", "xyz"])

    assert replay(golden, answers(shoe=[("a", 0.5)], xyz=[("a", 0.1)])) == Replay(0.5, [])


def test_queries_that_find_nothing_prove_nothing() -> None:
    with pytest.raises(BadInput, match="none of 1 golden queries finds a product: choose queries"):
        record(answers(xyz=[]), ["xyz"])


@pytest.mark.parametrize("written", [None, "", '{"queries": 3}'])
def test_a_broken_golden_file_is_named(tmp_path: Path, written: str | None) -> None:
    if written is not None:
        (tmp_path / "golden.json").write_text(written)

    with pytest.raises(BundleError, match=r"golden.json cannot be read"):
        Golden.load(tmp_path / "golden.json")
