import pytest

from aisle.report import in_words
from aisle.terminal import counted, progress, table


def test_numbers_stand_to_the_right_and_texts_to_the_left() -> None:
    assert table(("n", "title"), [(9, "hat"), (10, "shoe")]) == " n  title\n 9  hat\n10  shoe"


def test_chinese_characters_take_two_columns() -> None:
    assert table(("title", "x"), [("运动鞋", "a"), ("shoe", "b")]) == "title   x\n运动鞋  a\nshoe    b"


def test_the_last_column_is_cut_at_the_terminal_s_width() -> None:
    assert table(("n", "title"), [(1, "a long title of a shoe")], columns=13).splitlines()[1] == "1  a long ti…"


def test_control_characters_of_a_title_do_not_reach_the_terminal() -> None:
    assert table(("title",), [("\x1b[31mred\n",)]) == "title\n [31mred"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"color": "red", "price": {"lte": 50}}, "color red, price lte 50"),
        (["rerank", "overlay"], "rerank, overlay"),
        (0.123456, "0.1235"),
        ({}, ""),
    ],
)
def test_values_are_told_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_progress_gives_every_item_and_shows_nothing_to_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(["a", "b"])) == ["a", "b"]
    assert capsys.readouterr() == ("", "")


def test_what_is_counted_shows_nothing_to_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with counted(3) as done:
        done()
    assert capsys.readouterr() == ("", "")
