"""Gates and figures, on numbers that can be checked by eye."""

from pathlib import Path

import pytest
from world import search_world

from aisle.errors import BadInput
from model_export.assess import GateFailed, Judged, Systems, bundle_run, by_kind, check, gate_figures, judged, latency
from model_export.datasets import LabelledQueries
from model_export.recipe import Gates

MEANS = {
    "bundle": 0.8,
    "BM25": 0.7,
    **{f"encoder {n}": v for n, v in {"teacher": 0.75, "fp32": 0.74, "int8": 0.73}.items()},
    **{f"reranker {n}": v for n, v in {"teacher": 0.5, "fp32": 0.49, "int8": 0.45}.items()},
}


def test_the_gates_look_at_shares_and_at_the_gain_over_bm25() -> None:
    assert gate_figures(MEANS) == {
        "encoder, int8 of teacher": 0.9733,
        "encoder, int8 of fp32": 0.9865,
        "reranker, int8 of teacher": 0.9,
        "reranker, int8 of fp32": 0.9184,
        "bundle above BM25": 0.1,
    }


def test_the_first_gate_that_fails_is_named_with_its_figure() -> None:
    with pytest.raises(GateFailed, match=r"reranker, int8 of teacher: 0.900 of nDCG@10, at least 0.97"):
        check(gate_figures(MEANS), Gates())
    check(gate_figures(MEANS), Gates(student_of_teacher=0.9, int8_of_fp32=0.9, above_bm25=0.1))


def test_judged_queries_are_spread_over_the_split_and_need_a_relevant_product() -> None:
    queries = {f"q{i}": f"query {i}" for i in range(10)}
    splits = {q: "dev" if i < 8 else "train" for i, q in enumerate(queries)}
    labelled = LabelledQueries(queries, splits, {q: {"a": 0 if q == "q0" else 2} for q in queries})
    assert list(judged(labelled, ["dev"], 100).queries) == [f"q{i}" for i in range(1, 8)]
    assert list(judged(labelled, ["dev"], 3).queries) == ["q1", "q4", "q7"]
    with pytest.raises(BadInput, match="no test query has a relevant product"):
        judged(labelled, ["test"], 3)


def test_measures_by_kind_leave_out_queries_without_one() -> None:
    systems = Systems(Judged({"q1": "a", "q2": "b"}, {"q1": {"x": 3}, "q2": {"y": 3}}, {"q1": "plain"}))
    systems.runs = {"bundle": {"q1": {"x": 1.0}, "q2": {}}, "BM25": {"q1": {"y": 2.0, "x": 1.0}, "q2": {"y": 1.0}}}
    assert by_kind(systems, "RR@10") == {"plain": {"bundle": 1.0, "BM25": 0.5}}


def test_a_bundle_is_run_for_its_order_and_timed_stage_by_stage(tmp_path: Path) -> None:
    search = search_world(tmp_path)  # its clock stands still
    queries = Judged({"q1": "blue square", "q2": "green star"}, {"q1": {"s2": 3}, "q2": {"t1": 3}})
    assert {q: next(iter(found)) for q, found in bundle_run(search, queries).items()} == {"q1": "s2", "q2": "t1"}
    stages = ["understand", "lexical", "dense", "rank", "rerank", "total"]
    assert latency(search, queries) == {stage: [0.0, 0.0] for stage in stages}
