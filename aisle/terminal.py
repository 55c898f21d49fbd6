"""What a person at a terminal sees: aligned tables, a progress bar for what takes long.

Pipes get none of it; who prints decides. Chinese characters take two columns, which plain padding would get wrong.
"""

import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def table(header: Sequence[str], rows: Iterable[Sequence[object]], columns: int | None = None) -> str:
    """Aligned lines, numbers to the right; the last column is cut where `columns` (the terminal's) end."""
    columns = columns or shutil.get_terminal_size().columns
    cells = [[_cell(value) for value in row] for row in rows]
    every = [list(header), *cells]
    right = [all(_is_number(row[i]) for row in cells) for i in range(len(header))]
    widths = [max(width(row[i]) for row in every) for i in range(len(header))]
    widths[-1] = max(min(widths[-1], columns - sum(widths[:-1]) - 2 * (len(widths) - 1)), 8)
    lines = ("  ".join(_padded(*item) for item in zip(row, widths, right, strict=True)) for row in every)
    return "\n".join(line.rstrip() for line in lines)


def width(text: str) -> int:
    """Columns that a terminal gives to `text`."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def progress(items: Iterable[T]) -> Iterable[T]:
    """`items`, with a bar on stderr once they take over two seconds; none where no person looks or tqdm is missing."""
    try:
        from tqdm import tqdm
    except ImportError:
        return items
    # `disable=None`: tqdm itself asks whether stderr is a terminal.
    bar: Iterable[T] = tqdm(items, delay=2, disable=None, leave=False, file=sys.stderr)
    return bar


@contextmanager
def counted(total: int) -> Iterator[Callable[[], None]]:
    """What to call whenever one of `total` is done, for a bar as of `progress`."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda: None
        return
    with tqdm(total=total, delay=2, disable=None, leave=False, file=sys.stderr) as bar:

        def done() -> None:
            bar.update()

        yield done


def _cell(value: object) -> str:
    # A title could carry the terminal's own escape sequences.
    return "".join(c if c.isprintable() else " " for c in str(value))


def _is_number(text: str) -> bool:
    """Also with a unit behind it, such as a currency; an absent value does not decide."""
    return not text or text[0].isdigit()


def _padded(text: str, columns: int, right: bool) -> str:
    while width(text) > columns:
        text = text[:-2] + "…"
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks
