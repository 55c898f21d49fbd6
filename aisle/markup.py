"""Shop texts as a browser would show them: no tags, no scripts, no control characters, single blanks.

Catalogues come out of content systems, and their descriptions are HTML. This module knows no product.
"""

import re
from html.parser import HTMLParser

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # surrogates too: they cannot be written as UTF-8


def clean_text(text: str) -> str:
    """The text with control characters as blanks, and blanks trimmed and collapsed."""
    return " ".join(_CONTROL.sub(" ", text).split())


def plain_text(text: str) -> str:
    """`clean_text` of what a browser would show of an HTML text: no tags, no scripts, entities resolved."""
    if "<" not in text and "&" not in text:
        return clean_text(text)
    parser = _VisibleText()
    parser.feed(text.replace("<![", "<!"))  # html.parser asserts on marked sections that it does not know
    parser.close()
    return clean_text("".join(parser.pieces))


class _VisibleText(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag if tag in ("script", "style") else self._hidden
        self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = "" if tag == self._hidden else self._hidden
        self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)
