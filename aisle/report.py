"""The report: one self-contained HTML page on how good a bundle is, plots included, for a light or a dark screen.

A `Report` holds plain values and any part of it may be empty, which leaves that part out of the page. Titles and
queries come from a shop and its shoppers, so everything is escaped. No measure is computed here, only shown.
"""

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aisle.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = ["#3b7dd8", "#e07b39", "#3fa66b", "#a05fc7", "#c94f5d", "#8c7a5c"]  # legible on white and on near-black
_INK = "#010203"  # stands for the page's own text colour until the plot is part of the page


class MeasureRow(NamedTuple):
    """One system's mean of one measure, 0..1, with the interval where one was computed."""

    system: str
    measure: str
    mean: float
    low: float | None = None
    high: float | None = None


class WorstQuery(NamedTuple):
    """A query that went wrong: its value of the measure, the titles of what was wanted and of what came."""

    query: str
    value: float
    wanted: Sequence[str]
    returned: Sequence[str]


@dataclass(frozen=True)
class Report:
    """What a report can show. Sections appear for what is not empty."""

    title: str
    manifest: Mapping[str, object] = field(default_factory=dict)  # facts by name, as they are to be read
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)  # name -> (step, loss)
    measures: Sequence[MeasureRow] = ()
    by_kind: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # kind of query -> system -> value
    kind_measure: str = "nDCG@10"  # what by_kind's values are
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)  # "relevant", "irrelevant" -> scores
    latency_ms: Mapping[str, Sequence[float]] = field(default_factory=dict)  # stage -> one value a query
    worst: Sequence[WorstQuery] = ()
    notes: Sequence[str] = ()


class Plot(NamedTuple):
    heading: str
    caption: str
    svg: str  # markup that is safe to stand in the page as it is


def check_report(path: Path | None) -> None:
    """Raises BadInput where no report could be written: better before the work than after it."""
    if path and not path.parent.is_dir():
        raise BadInput(f"{path.parent} is not a folder", "choose another --report file")


def write_report(path: Path, report: Report) -> None:
    """One HTML file at `path`. BadInput: it cannot be written. MissingExtra: jinja2 or matplotlib is not installed."""
    page = _render(report)
    try:
        path.write_text(page, encoding="utf-8", errors="replace")
    except OSError as exc:
        raise BadInput(f"{path} cannot be written ({exc.strerror})", "choose another --report file") from exc


def _render(report: Report) -> str:
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError as exc:
        raise MissingExtra("jinja2", "offline") from exc
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["shown"] = in_words
    systems: dict[str, dict[str, MeasureRow]] = {}
    for row in report.measures:
        systems.setdefault(row.system, {})[row.measure] = row
    names = list(dict.fromkeys(row.measure for row in report.measures))
    return pages.get_template("report.html").render(
        report=report,
        systems=systems,
        measure_names=names,
        best={name: max(row.mean for row in report.measures if row.measure == name) for name in names},
        plots=[plot._replace(svg=Markup(plot.svg)) for plot in _plots(report)],
    )


def in_words(value: object) -> str:
    """A value in one line: `{"color": "red", "price": {"lte": 50}}` is "color red, price lte 50"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(in_words(inner) for inner in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plots(report: Report) -> list[Plot]:
    curves = {name: points for name, points in report.curves.items() if len(points) > 0}
    scores = {name: kept for name, values in report.scores.items() if (kept := _finite(values))}
    latency_ms = {name: kept for name, values in report.latency_ms.items() if (kept := _finite(values))}
    by_kind = {kind: values for kind, values in report.by_kind.items() if values}
    plots = []
    if by_kind:
        heading, caption = f"{report.kind_measure} by kind of query", "Mean over the queries of each kind."
        plots.append(Plot(heading, caption, _svg(lambda axes: _draw_kinds(axes, by_kind))))
    if scores:
        caption = (
            "Share of the products of each group. The less the two overlap, the better a threshold can tell them apart."
        )
        plots.append(Plot("Scores", caption, _svg(lambda axes: _draw_scores(axes, scores))))
    if curves:
        plots.append(Plot("Training", "Loss by step.", _svg(lambda axes: _draw_curves(axes, curves))))
    if latency_ms:
        caption = "Milliseconds a query: median, middle half, and 5th to 95th percentile."
        plots.append(
            Plot("Latency", caption, _svg(lambda axes: _draw_latency(axes, latency_ms), 0.9 + 0.4 * len(latency_ms)))
        )
    return plots


def _finite(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values if math.isfinite(value)]


def _svg(draw: Callable[["Axes"], None], height: float = 3.2) -> str:
    """What `draw` puts on the axes as inline SVG, in the page's font and text colour. `height` in inches, of 9 wide."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra("matplotlib", "offline") from exc
    style: dict[Any, Any] = {"svg.fonttype": "none", "font.family": "DejaVu Sans", "svg.hashsalt": "aisle"}
    style |= dict.fromkeys(["text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"], _INK)
    style["text.parse_math"] = False  # a kind of query may be called "$5"
    # The browser sets the text in a font that has Chinese; matplotlib measures it in one that has not, and warns.
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure = Figure(figsize=(9, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_prop_cycle(color=_COLORS)
        axes.spines[["top", "right"]].set_visible(False)
        axes.patch.set_visible(False)
        draw(axes)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor").replace("'DejaVu Sans'", "system-ui, sans-serif")
    return re.sub(r'<g id="[^"]*"', "<g", svg)  # several plots on one page would repeat them


def _draw_kinds(axes: "Axes", by_kind: Mapping[str, Mapping[str, float]]) -> None:
    systems = list(dict.fromkeys(system for values in by_kind.values() for system in values))
    width = 0.8 / len(systems)
    for place, system in enumerate(systems):
        left = np.arange(len(by_kind)) + (place - (len(systems) - 1) / 2) * width  # (kinds,)
        axes.bar(left, [values.get(system, math.nan) for values in by_kind.values()], width * 0.92, label=system)
    axes.set_xticks(range(len(by_kind)), list(by_kind))
    axes.set_ylim(0, 1)
    _legend(axes)


def _draw_scores(axes: "Axes", scores: Mapping[str, Sequence[float]]) -> None:
    everything = [score for values in scores.values() for score in values]
    edges = np.histogram_bin_edges(everything, bins=30).tolist()
    for name, values in scores.items():
        axes.hist(values, edges, weights=np.full(len(values), 1 / len(values)), alpha=0.6, label=name)
    axes.set_xlabel("score")
    _legend(axes)


def _draw_curves(axes: "Axes", curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for name, points in curves.items():
        steps, losses = zip(*points, strict=True)
        axes.plot(steps, losses, label=name, linewidth=1.6, marker="o" if len(points) == 1 else "")
    axes.set_xlabel("step")
    _legend(axes)


def _draw_latency(axes: "Axes", latency_ms: Mapping[str, Sequence[float]]) -> None:
    stages = list(latency_ms)[::-1]  # the first stage on top
    boxes = axes.boxplot(
        [list(latency_ms[stage]) for stage in stages],
        orientation="horizontal", widths=0.55, whis=(5, 95), showfliers=False, patch_artist=True, tick_labels=stages,
    )  # fmt: skip
    for line in [*boxes["whiskers"], *boxes["caps"], *boxes["medians"]]:
        line.set_color(_INK)
    for box in boxes["boxes"]:
        box.set(facecolor=_COLORS[0], edgecolor=_INK, alpha=0.7)
    axes.set_xlim(left=0)
    axes.set_xlabel("ms")


def _legend(axes: "Axes") -> None:
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
