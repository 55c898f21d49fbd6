"""Items of a log and a catalogue: what left keeps its number, what is new gets one."""

from pathlib import Path

from aisle.item_ids import ItemIds


def test_items_are_found_by_id_and_know_their_row() -> None:
    ids = ItemIds.of(["gone", "b", "a"], ["a", "b", "new"])
    assert ids.find(["a", "b", "gone", "new", "never"]).tolist() == [2, 1, 0, 3, -1]
    assert ids.row.tolist() == [-1, 1, 0, 2]
    assert ids.items(3).tolist() == [2, 1, 3]


def test_another_catalogue_keeps_the_numbers() -> None:
    ids = ItemIds.of(["gone", "b", "a"], ["a", "b", "new"]).over(["fresh", "gone", "b"])
    assert ids.find(["a", "b", "gone", "new", "fresh"]).tolist() == [2, 1, 0, 3, 4]
    assert ids.row.tolist() == [1, 2, -1, -1, 0]


def test_saved_ids_are_the_same(tmp_path: Path) -> None:
    ItemIds.of(["a"], ["b", "a"]).save(tmp_path / "ids")
    assert ItemIds.load(tmp_path / "ids").find(["b", "a", "c"]).tolist() == [1, 0, -1]


def test_no_items_find_nothing() -> None:
    assert ItemIds.of([], []).find(["a"]).tolist() == [-1]
