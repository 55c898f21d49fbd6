"""Price phrases of a query, in English and Chinese: "under $50", "between 20 and 30", "200元以下", "100-200元".

A number alone is never a price. It becomes one beside a comparison ("under 50") or a currency ("50 usd"), and
even then not when a unit follows ("under 50 inch") or it is somebody's age ("toys for kids under 5"). An
amount in another currency than the catalogue's is recognised and set aside, never converted. It reads folded
text (`aisle.text.fold`) and knows no product.
"""

import re
from typing import NamedTuple

from aisle.types import Range

_DOLLARS = "USD CAD AUD NZD HKD SGD TWD MXN"
_MEANT = {  # what is written -> the ISO codes that it may mean
    "$": _DOLLARS, "dollar": _DOLLARS, "dollars": _DOLLARS, "bucks": _DOLLARS,
    "us$": "USD", "ca$": "CAD", "c$": "CAD", "au$": "AUD", "a$": "AUD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD",
    "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "pound": "GBP", "pounds": "GBP", "quid": "GBP",
    "¥": "CNY JPY", "yuan": "CNY", "rmb": "CNY", "yen": "JPY", "₹": "INR", "rupees": "INR", "₩": "KRW",
    "人民币": "CNY", "元": "CNY", "块": "CNY", "块钱": "CNY", "美元": "USD", "美金": "USD", "欧元": "EUR",
    "英镑": "GBP", "日元": "JPY", "港币": "HKD", "港元": "HKD",
}  # fmt: skip
_ISO = "usd eur gbp cny jpy cad aud nzd hkd sgd twd mxn chf sek nok dkk pln czk inr krw brl zar"
_CURRENCIES = {word: frozenset(codes.split()) for word, codes in _MEANT.items()}
_CURRENCIES |= {code: frozenset({code.upper()}) for code in _ISO.split()}
_WEIGHTS_TOO = ("pound", "pounds")

_UNITS = (
    "inch inches cm mm m meter meters metre metres km mile miles ft feet foot yard yards kg kgs g gram grams "
    "mg lb lbs oz ounce ounces stone ton tons ml cl l liter liters litre litres gal gallon gallons gb tb mb "
    "mp megapixel megapixels hz khz mhz ghz w watt watts kw kwh v volt volts mah ah wh amp amps db decibels "
    "lm lumen lumens k p px dpi rpm mph psi bar degree degrees percent day days week weeks month months year "
    "years yr yrs hour hours hr hrs min mins minute minutes sec seconds pack packs pc pcs piece pieces count "
    "ct person persons people player players star stars x tog btu thread "
)
_CJK_UNITS = "英?寸|厘米|毫米|公分|米|公斤|千克|克|斤|毫升|升|瓦|伏|毫安|个|月|岁|年|天|小时|分钟|码|号|级|人"
_AGED = r"(?:wo)?m[ae]n|ladies|boys?|girls?|kids?|child(?:ren)?|adults?|seniors?|people|toddlers?|babies|those|aged?s?"

_NUMBER = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,2})?|[0-9]{1,3}(?:\.[0-9]{3}){1,3},[0-9]{1,2}|[0-9]{1,9}(?:[.,][0-9]{1,2})?)"
    r"(?![0-9]|[.,][0-9])"
)


def _spelled(word: str) -> str:
    if word == "块":  # also a counting word: 2块香皂 is two bars of soap
        return "块(?=$|[^\u4e00-\u9fff]|[以的左到至之内上下起封])"
    return re.escape(word) + ("(?![a-z])" if word[-1].isascii() and word[-1].isalpha() else "")


_CURRENCY = "|".join(_spelled(word) for word in sorted(_CURRENCIES, key=len, reverse=True))


def _amount(n: int) -> str:
    sign = rf"(?:(?<![a-z])(?P<before{n}>{_CURRENCY})\s?|(?<![0-9a-z.,]))"
    return rf"{sign}(?P<number{n}>{_NUMBER})(?:\s?(?P<scale{n}>[万千]))?(?:\s?(?P<after{n}>{_CURRENCY}))?"


_LEAD = (
    r"(?:(?<![a-z])(?:for|at|priced?(?: at| of)?|costing|costs?|budget(?: of)?)\s"
    r"|(?:价格|售价|单价|预算|价位)(?:在|为|是)?\s?)?"
)
_AT_MOST = (
    r"(?<![a-z])(?:under|below|(?<!no )(?<!not )(?:less|lower) than|cheaper than|up ?to|at most"
    r"|(?:no|not) (?:more than|over|above)"
    # "pro max 256" and "air max 90" are shoes and phones, not prices.
    r"|(?<!air )(?<!pro )(?<![0-9] )max(?:imum)?(?: of)?)\s?"
    r"|(?:<=?|≤|低于|小于|少于|不超过|不高于|不多于|不到|最多|最高|至多)\s?"
)
_AT_LEAST = (
    r"(?<![a-z])(?:over|above|(?:more|greater|higher) than|from|at least|(?:no|not) less than|starting (?:at|from)"
    r"|min(?:imum)?(?: of)?)\s?"
    r"|(?:>=?|≥|高于|大于|(?<!不)超过|多于|不低于|不少于|最低|最少|至少)\s?"
)
_OR_LESS = r"\s?(?:(?:or|and) (?:less|under|below|cheaper)(?![a-z])|(?:及|或)?以下|以内|之内|之下)"
_OR_MORE = r"\s?(?:or (?:more|above|over)(?![a-z])|(?:及|或)?以上|之上)"
_PAIR = rf"{_amount(1)}\s?(?:and|to|-|~|–|—|和|与|到|至)\s?{_amount(2)}"


class _Shape(NamedTuple):
    kind: str  # between, at_most or at_least
    pattern: re.Pattern[str]
    needs_currency: bool = False
    number_last: bool = True  # a unit may follow and make it something else


def _shape(kind: str, pattern: str, needs_currency: bool = False, number_last: bool = True) -> _Shape:
    return _Shape(kind, re.compile(rf"{_LEAD}(?:{pattern})的?"), needs_currency, number_last)


_SHAPES = (  # the first that matches takes its text away from the others
    _shape("between", rf"(?:(?<![a-z])(?:between|from)\s|介于\s?){_PAIR}(?:\s?之间)?"),
    _shape("between", rf"{_PAIR}\s?之间", number_last=False),
    _shape("between", rf"{_PAIR}(?:\s?(?:以内|之内))?", needs_currency=True, number_last=False),
    _shape("at_most", rf"(?:{_AT_MOST}){_amount(1)}"),
    _shape("at_least", rf"(?:{_AT_LEAST}){_amount(1)}"),
    _shape("at_most", rf"{_amount(1)}{_OR_LESS}", number_last=False),
    _shape("at_least", rf"{_amount(1)}{_OR_MORE}", number_last=False),
    _shape("at_most", rf"{_amount(1)}\s?(?:max(?:imum)?(?![a-z])|内|封顶)", needs_currency=True, number_last=False),
    _shape(
        "at_least", rf"{_amount(1)}\s?(?:\+|and (?:up|above|over)(?![a-z])|起)", needs_currency=True, number_last=False
    ),
    _shape("at_most", _amount(1), needs_currency=True, number_last=False),
)
_UNIT_FOLLOWS = re.compile(rf"[a-z\"'′°%×]|[\s-]?(?:{'|'.join(_UNITS.split())})(?![a-z])|\s?(?:{_CJK_UNITS})")
_AGE_PRECEDES = re.compile(rf"(?<![a-z])(?:{_AGED})\s?$")


class PricePhrases(NamedTuple):
    """Read: `price` (None: nothing), `ignored` phrases, and the `spans` (start, end) of them all, from the left."""

    price: Range | None
    ignored: list[str]
    spans: list[tuple[int, int]]


def read_price(text: str, currency: str) -> PricePhrases:
    """The price phrases of a folded text. `currency`: the catalogue's ISO code; "" takes every currency for its own.

    Phrases are joined ("over 20 under 50"); one that contradicts those before it is ignored and named.
    """
    price: Range | None = None
    ignored: list[str] = []
    spans: list[tuple[int, int]] = []
    for match, kind in _matches(text, currency):
        spans.append(match.span())
        joined = _joined(price, _range(match, kind))
        if joined is None or not all(_is_ours(word, currency) for word in _named(match)):
            ignored.append(match.group().strip())
        else:
            price = joined
    return PricePhrases(price, ignored, spans)


def _matches(text: str, currency: str) -> list[tuple[re.Match[str], str]]:
    """The price phrases from the left, without overlaps."""
    found: list[tuple[re.Match[str], str]] = []
    left = text
    for shape in _SHAPES:
        for match in shape.pattern.finditer(left):
            if _is_price(match, shape, currency):
                found.append((match, shape.kind))
                left = left[: match.start()] + "\0" * len(match.group()) + left[match.end() :]
    return sorted(found, key=lambda item: item[0].start())


def _is_price(match: re.Match[str], shape: _Shape, currency: str) -> bool:
    named = _named(match)
    if named:
        alone = shape.needs_currency and shape.kind == "at_most"
        return not (alone and currency != "GBP" and all(word in _WEIGHTS_TOO for word in named))
    if shape.needs_currency or _AGE_PRECEDES.search(match.string[: match.start()]):
        return False
    return not (shape.number_last and _UNIT_FOLLOWS.match(match.string, match.end()))


def _named(match: re.Match[str]) -> list[str]:
    """The currencies written in a phrase."""
    return [word for group, word in match.groupdict().items() if word and group.startswith(("before", "after"))]


def _is_ours(word: str, currency: str) -> bool:
    return not currency or currency.upper() in _CURRENCIES[word]


def _range(match: re.Match[str], kind: str) -> Range:
    first = _value(match, 1)
    if kind == "between":
        second = _value(match, 2)
        return Range(gte=min(first, second), lte=max(first, second))
    return Range(lte=first) if kind == "at_most" else Range(gte=first)


def _value(match: re.Match[str], n: int) -> float:
    """The number as written: 1,299.50 and 1.299,50 and 49,99; 万 is ten thousand, 千 a thousand."""
    number: str = match[f"number{n}"]
    if re.fullmatch(r"[0-9.]*,[0-9]{1,2}", number):
        number = number.replace(".", "").replace(",", ".")
    return float(number.replace(",", "")) * {"万": 10_000, "千": 1_000}.get(match[f"scale{n}"] or "", 1)


def _joined(price: Range | None, more: Range) -> Range | None:
    """Both ranges at once; None where nothing could be in both."""
    if price is None:
        return more
    low = [end for end in (price.gte, more.gte) if end is not None]
    high = [end for end in (price.lte, more.lte) if end is not None]
    if low and high and max(low) > min(high):
        return None
    return Range(gte=max(low, default=None), lte=min(high, default=None))
