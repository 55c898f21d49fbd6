"""Which ids that are said to be products' may be kept as they came: those that cannot say who somebody is.

Whatever a browser sends as a product id is stored in clear, so what can be told to be an e-mail address, a postal one,
a telephone number, an IP address or the shopper's own id has to be turned away at the edge.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from aisle.errors import BadInput
from aisle.events import MAX_ID_CHARS

_IPV4 = re.compile(r"(?<![\d.])(\d{1,3}\.){3}\d{1,3}(?![\d.])")
_SEPARATOR = re.compile(r"[^0-9A-Za-z:.%]+")  # between IPv6 addresses and what is not
_TELEPHONE = re.compile(r"\+\d[\d ()/.-]{6,}")
_LONG = 6  # characters of a raw id that do not stand there by chance: 42 is a shopper, and the size of a shoe
_REMEDY = "send the product's id as the catalogue has it"


def checked_product_id(told: str | int, raw_ids: Iterable[str | None], field: str) -> str:
    """The id as text, blanks round it removed. `raw_ids`: of whoever tells it.

    Raises BadInput, which names the field and repeats nothing of the value.
    """
    product_id = told.strip() if isinstance(told, str) else str(told) if abs(told) < 2**63 else ""
    if not product_id or len(product_id) > MAX_ID_CHARS or not product_id.isprintable():
        raise BadInput(f"{field} is empty, too long or not printable", _REMEDY)
    plain = _plain(product_id)
    if "@" in plain or "," in plain or plain.count(" ") > 2:
        raise BadInput(f"{field} looks like an address", _REMEDY)
    if _IPV4.search(plain) or _has_ipv6(plain) or _TELEPHONE.search(plain):
        raise BadInput(f"{field} looks like an IP address or a telephone number", _REMEDY)
    for raw in (_plain(raw_id).strip() for raw_id in raw_ids if raw_id):
        if plain == raw or (len(raw) >= _LONG and raw in plain):
            raise BadInput(f"{field} holds the id of whom the event is about", _REMEDY)
    return product_id


def _plain(text: str) -> str:
    """As it reads: without the percent signs of an URL, however often it was written so, wide forms and capitals."""
    while "%" in text and (read := unquote(text)) != text:
        text = read
    return unicodedata.normalize("NFKC", text).casefold()


def _has_ipv6(text: str) -> bool:
    if text.count(":") < 2:
        return False
    from ipaddress import AddressValueError, IPv6Address  # hardly any id has two colons

    for part in _SEPARATOR.split(text):
        try:
            IPv6Address(part)
        except AddressValueError:
            continue
        return True
    return False
