"""Answers as a person reads them at a terminal: the hits of a search, what a bundle is made of, the measures of one."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from aisle.bundle import Manifest
from aisle.report import MeasureRow, in_words
from aisle.terminal import table
from aisle.types import Hit, SearchResponse

_LONGER = ("files", "steps", "evaluation", "models")  # fields of a manifest that take more than a line


def search_listing(response: SearchResponse) -> str:
    """What was understood, given up and skipped, above the hits."""
    notes = {"understood": response.understood, "relaxed": response.relaxed, "degraded": response.degraded}
    words = {name: in_words(msgspec.to_builtins(value)) for name, value in notes.items()}
    lines = [f"{name}: {text}" for name, text in words.items() if text]
    lines += [f"{len(response.hits)} of {response.total} articles, {response.timings_ms['total']:.0f} ms"]
    rows = [
        (rank, f"{hit.score:.3f}", _price(hit), hit.product_id, hit.title) for rank, hit in enumerate(response.hits, 1)
    ]
    return "\n".join(lines + [table(("rank", "score", "price", "product_id", "title"), rows)] * bool(rows))


def measures_listing(measures: Sequence[MeasureRow]) -> str:
    """Means with their intervals."""
    rows = [(row.measure, f"{row.mean:.4f}", f"{row.low:.4f} to {row.high:.4f}") for row in measures]
    return table(("measure", "mean", "95 % interval"), rows)


def bundle_facts(manifest: Manifest) -> dict[str, object]:
    """The manifest's one-line facts, those that are not empty."""
    names = ("bundle_id", "format", *(name for name in type(manifest).__struct_fields__ if name not in _LONGER))
    return {name: value for name in names if (value := getattr(manifest, name))}


def bundle_listing(manifest: Manifest) -> str:
    """Facts, models, sizes by folder, steps with their seconds, figures; a blank line between two."""
    sizes: dict[str, int] = defaultdict(int)
    for file in manifest.files:
        sizes[file.path.partition("/")[0]] += file.bytes
    parts: dict[tuple[str, ...], list[tuple[str, ...]]] = {
        ("bundle", ""): [(name, in_words(value)) for name, value in bundle_facts(manifest).items()],
        ("model", "facts"): [(role, in_words(facts)) for role, facts in manifest.models.items()],
        ("megabytes", "file or folder"): [(f"{sizes[name] / 1e6:.2f}", name) for name in sorted(sizes)],
        ("seconds", "step", "figures"): [(f"{s.seconds:.1f}", s.name, in_words(s.figures)) for s in manifest.steps],
        ("figures", ""): [(name, in_words(value)) for name, value in manifest.evaluation.items()],
    }
    return "\n\n".join(table(header, rows) for header, rows in parts.items() if rows)


def _price(hit: Hit) -> str:
    return "" if hit.price is None else f"{hit.price:.2f} {hit.currency}".strip()
