import re
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aisle.errors import BadInput, MissingExtra
from aisle.report import MeasureRow, Report, WorstQuery, write_report

FULL = Report(
    title="Demo store <b>&</b> friends",
    manifest={"bundle_id": "0123456789abcdef", "languages": ["en", "zh"], "models": {"encoder": {"layers": 2}}},
    curves={"teacher": [(0, 0.9), (10, 0.4), (20, 0.3)], "student": [(0, 1.2), (10, float("nan"))]},
    measures=[
        MeasureRow("lexical", "nDCG@10", 0.412, 0.39, 0.43),
        MeasureRow("hybrid", "nDCG@10", 0.533, 0.51, 0.55),
        MeasureRow("hybrid", "R@100", 0.9),
    ],
    by_kind={"exact <name>": {"lexical": 0.8, "hybrid": 0.7}, "中文 $5": {"hybrid": 0.4}},
    scores={"relevant": [0.9, 0.8, 0.7], "irrelevant": [0.1, 0.2, 0.2, float("nan")]},
    latency_ms={"lexical": [1.0, 1.2, 3.0], "rerank": [20.0, 22.0, 40.0]},
    worst=[WorstQuery("跑鞋 <i>", 0.0, ["<script>alert(1)</script>"], [])],
    notes=["12 queries have no relevant product."],
)


class Page(HTMLParser):
    """What a browser would make of the page: its elements, its text, what it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())

    def headings(self, html: str) -> list[str]:
        return re.findall(r"<h2>(.*?)</h2>", html)


def written(report: Report, folder: Path) -> str:
    write_report(folder / "report.html", report)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_a_full_report_has_every_section(tmp_path: Path) -> None:
    html = written(FULL, tmp_path)

    headings = ["Notes", "Measures", "nDCG@10 by kind of query", "Scores", "Training", "Latency", "Where it does worst"]
    assert Page(html).headings(html) == [*headings, "Bundle"]
    assert Page(html).tags.count("svg") == 4


def test_numbers_stand_beside_their_systems_and_the_best_is_bold(tmp_path: Path) -> None:
    html = written(FULL, tmp_path)

    text = " ".join(Page(html).text)
    assert "System nDCG@10 R@100 lexical 0.412 0.390 to 0.430 hybrid 0.533 0.510 to 0.550 0.900" in text
    assert re.findall(r'class="number best"[^>]*>(\S+)', html) == ["0.533", "0.900"]
    assert "models encoder layers 2" in text


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    assert {link[:1] for link in Page(written(FULL, tmp_path)).loaded} <= {"#"}


def test_what_a_shop_wrote_is_shown_as_text(tmp_path: Path) -> None:
    page = Page(written(FULL, tmp_path))

    assert not {"script", "b", "i", "name"} & set(page.tags)
    assert {"Demo store <b>&</b> friends", "<script>alert(1)</script>", "跑鞋 <i>"} <= set(page.text)
    assert {"exact <name>", "中文 $5"} <= set(page.text)


def test_plots_are_well_formed_and_take_the_page_s_colour(tmp_path: Path) -> None:
    plots = re.findall(r"<svg.*?</svg>", written(FULL, tmp_path), flags=re.DOTALL)

    assert [ET.fromstring(plot).tag for plot in plots] == ["{http://www.w3.org/2000/svg}svg"] * 4
    assert all("currentColor" in plot and "#010203" not in plot for plot in plots)


@pytest.mark.slow
def test_the_same_report_is_the_same_page(tmp_path: Path) -> None:
    assert written(FULL, tmp_path) == written(FULL, tmp_path)


@pytest.mark.parametrize(
    "report", [Report("Bare"), Report("Bare", curves={"a": []}, scores={"b": []}, by_kind={"c": {}})]
)
def test_empty_parts_are_left_out(tmp_path: Path, report: Report) -> None:
    page = Page(written(report, tmp_path))

    assert (page.text[-1], page.tags.count("section"), page.tags.count("svg")) == ("Bare", 0, 0)


def test_single_values_can_be_drawn(tmp_path: Path) -> None:
    lone = Report("Lone", curves={"a": [(0, 1.0)]}, scores={"relevant": [0.5]}, latency_ms={"total": [3.0]})

    assert Page(written(lone, tmp_path)).tags.count("svg") == 3


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"report.html cannot be written .*: choose another --report file"):
        write_report(tmp_path / "nowhere" / "report.html", Report("Bare"))


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtra, match=rf"{package} is not installed: pip install 'aisle\[offline\]'"):
        write_report(tmp_path / "report.html", FULL)
    assert list(tmp_path.iterdir()) == []
