"""The demo store's products, drawn one article at a time from a seeded stream, in variants of colour and size.

An article is decided first (type, styles, colour, material, brand, price), then described in English and mostly in
Chinese, so that what a product *is* stays known without reading its text. The stream is lazy and flat in memory, and a
shorter catalogue is a prefix of a longer one with the same seed. It knows no query and no shopper.
"""

import json
from bisect import bisect
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate, islice
from typing import NamedTuple, TypeVar

import numpy as np

from aisle.errors import BadInput
from model_export.demo_store.words import (
    ARTICLES,
    CATEGORIES,
    COLORS,
    FAMILY_MATERIALS,
    MATERIALS,
    STYLES,
    USES,
    Article,
    Category,
)

T = TypeVar("T")
SHARE_IN_VARIANTS = 0.3  # of articles
SHARE_IN_CHINESE = 0.7  # of articles; the rest is English only
SHARE_SOLD_OUT = 0.12  # of products
_VARIANTS = (2, 3, 4, 5)
_DRAWS = 65_536  # uniform numbers fetched at once; one numpy call a number would be 20 times slower
_FIRST_DAY = date(2023, 1, 1)
_DAYS = [(_FIRST_DAY + timedelta(days=d)).isoformat() for d in range(1200)]

# What stands in the shop window comes first in every catalogue: (type, style, price in USD, colours), all in stock.
WINDOW = (
    ("running shoes", "breathable", 44.9, ("white", "black", "red", "blue")),
    ("running shoes", "lightweight", 38.5, ("red", "white", "grey")),
    ("running shoes", "casual", 72.0, ("white", "green", "black")),
    ("running shoes", "waterproof", 49.0, ("red", "yellow", "blue")),
    ("t-shirt", "fashion", 18.9, ("white", "black", "red")),
    ("t-shirt", "fashion", 24.0, ("blue", "white")),
)


class Made(NamedTuple):
    """A catalogue row with what it truly is: its place in ARTICLES and its styles; the row has the other truths."""

    row: dict[str, object]
    article: int
    styles: tuple[str, ...]


class Dice:
    """Uniform numbers from one generator, drawn in blocks."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._left: list[float] = []

    def roll(self) -> float:
        """The next number in [0, 1)."""
        if not self._left:
            self._left = self._rng.random(_DRAWS).tolist()
        return self._left.pop()

    def pick(self, items: Sequence[T], cumulative: list[float]) -> T:
        """One of `items` by cumulative weights, which end at their sum."""
        return items[min(bisect(cumulative, self.roll() * cumulative[-1]), len(items) - 1)]

    def any(self, items: Sequence[T]) -> T:
        return items[int(self.roll() * len(items))]


def _falling(n: int) -> list[float]:
    """Cumulative weights 1, 1/2, 1/3 ...: the first is picked most."""
    return list(accumulate(1 / (rank + 1) for rank in range(n)))


_FALLING = [_falling(n) for n in range(16)]
_CATEGORY = list(accumulate(c.share for c in CATEGORIES))
_BY_CATEGORY = {c.name: [i for i, a in enumerate(ARTICLES) if a.category == c.name] for c in CATEGORIES}
_OF_NAME = {c.name: c for c in CATEGORIES}
_WORDS = (*COLORS.values(), *STYLES.values(), *MATERIALS.values())
_TITLED = {w.name: w.name.title() for w in _WORDS}
_TITLED |= {a.word.name: a.word.name.title() for a in ARTICLES} | {"": ""}
_ZH = {w.name: w.zh for w in _WORDS} | {"": ""}


class _Plan(NamedTuple):
    """What all variants of one article share, before texts are written."""

    article: int
    category: Category
    styles: tuple[str, ...]
    material: str
    brand: str
    price_usd: float
    colors: list[str]
    in_chinese: bool
    in_stock: bool  # always


def _common(dice: Dice, items: Sequence[T]) -> T:
    """An item of a list that runs from frequent to rare."""
    return dice.pick(items, _FALLING[len(items)])


def _plan(dice: Dice) -> _Plan:
    category = dice.pick(CATEGORIES, _CATEGORY)
    article = _common(dice, _BY_CATEGORY[category.name]) if dice.roll() < 0.4 else dice.any(_BY_CATEGORY[category.name])
    first, second = _common(dice, category.styles), dice.any(category.styles)
    styles = (first, second) if second != first and dice.roll() < 0.6 else (first,)
    spread = 0.45 + 1.3 * (dice.roll() + dice.roll()) / 2  # 0.45 to 1.75 of the type's median price
    price_usd = max(1.99, round(ARTICLES[article].price_usd * spread) - (0.01 if dice.roll() < 0.7 else 0.5))
    count = dice.any(_VARIANTS) if dice.roll() < SHARE_IN_VARIANTS else 1
    materials = FAMILY_MATERIALS.get(ARTICLES[article].family, category.materials)
    material = _common(dice, materials) if materials else ""
    brand = _common(dice, category.brands)
    colors = [_common(dice, category.colors) for _ in range(count)]
    return _Plan(article, category, styles, material, brand, price_usd, colors, dice.roll() < SHARE_IN_CHINESE, False)


def _window(dice: Dice) -> Iterator[_Plan]:
    for name, style, price_usd, colors in WINDOW:
        article = next(i for i, a in enumerate(ARTICLES) if a.word.name == name)
        category = _OF_NAME[ARTICLES[article].category]
        materials = FAMILY_MATERIALS.get(ARTICLES[article].family, category.materials)
        material, brand = _common(dice, materials), _common(dice, category.brands)
        yield _Plan(article, category, (style,), material, brand, price_usd, list(colors), True, True)


def _title(pattern: int, plan: _Plan, article: Article, color: str) -> str:
    style, color_word, noun = _TITLED[plan.styles[0]], _TITLED[color], _TITLED[article.word.name]
    if pattern == 0:
        words = [plan.brand, color_word, style, noun]
    elif pattern == 1:
        words = [plan.brand, style, _TITLED[plan.material], noun, f"in {color_word}"]
    elif pattern == 2:
        words = [plan.brand, style, noun]
    else:
        words = [plan.brand, noun, "-", style + ",", color_word]
    return " ".join(word for word in words if word)


def _title_zh(pattern: int, plan: _Plan, article: Article, color: str) -> str:
    style, noun = _ZH[plan.styles[0]], article.word.zh
    if pattern == 0:
        return f"{plan.brand} {style}{_ZH[color]}{noun}"
    if pattern == 1:
        return f"{plan.brand} {_ZH[color]}{style}{_ZH[plan.material]}{noun}"
    return f"{plan.brand} {style}{noun}" + ("" if pattern == 2 else f" {_ZH[color]}")


def _description(sentences: int, plan: _Plan, article: Article, use: str, color: str, size: str) -> str:
    made = f" made of {plan.material}" if plan.material else ""
    told = [f"{' and '.join(plan.styles).capitalize()} {article.word.name}{made}.", f"Suited to {use}."]
    told.append(f"This one is {color}" + (f", size {size}." if size else "."))
    return " ".join(told[:sentences])


def _description_zh(sentences: int, plan: _Plan, article: Article, use: str, color: str, size: str) -> str:
    made = f"，{_ZH[plan.material]}材质" if plan.material else ""
    told = [f"{'、'.join(_ZH[s] for s in plan.styles)}的{article.word.zh}{made}。", f"适合{use}。"]
    told.append(f"颜色：{_ZH[color]}" + (f"，尺码：{size}。" if size else "。"))
    return "".join(told[:sentences])


def _attributes(dice: Dice, plan: _Plan, use: str) -> str:
    weight_g = 10 * round(5 + 150 * dice.roll())
    listed = {"style": ", ".join(plan.styles), "use": use, "weight_g": weight_g, "gift_box": dice.roll() < 0.2}
    return json.dumps(listed, ensure_ascii=False)


def _variants(dice: Dice, plan: _Plan, number: int, group: int) -> Iterator[Made]:
    """The rows of one article; `number` is the first row's, `group` the article's."""
    article = ARTICLES[plan.article]
    pattern, sentences = dice.pick((0, 1, 2, 3), [0.4, 0.7, 0.8, 1.0]), dice.any((1, 2, 3, 3))
    use, use_zh = dice.any(USES[article.family])
    rating = round(5 - 2.2 * dice.roll() ** 2 - 0.6 * dice.roll(), 1)
    created_at, attributes = dice.any(_DAYS), _attributes(dice, plan, use)
    for i, color in enumerate(plan.colors):
        size = _common(dice, plan.category.sizes) if plan.category.sizes else ""
        sold_out = dice.roll() < SHARE_SOLD_OUT and not plan.in_stock
        row: dict[str, object] = {
            "product_id": f"P{number + i:07d}",
            "title": _title(pattern, plan, article, color),
            "description": _description(sentences, plan, article, use, color, size),
            "category": article.category,
            "brand": plan.brand,
            "color": color,
            "size": size,
            "material": plan.material,
            "price": plan.price_usd,
            "currency": "USD",
            "rating": rating,
            "stock": 0 if sold_out else 1 + int(120 * dice.roll() ** 3),
            "created_at": created_at,
            "group_id": f"G{group:07d}" if len(plan.colors) > 1 else "",
            "attributes": attributes,
            "title_zh": _title_zh(pattern, plan, article, color) if plan.in_chinese else "",
            "description_zh": (
                _description_zh(sentences, plan, article, use_zh, color, size) if plan.in_chinese else ""
            ),
        }
        yield Made(row, plan.article, plan.styles)


def _all_made(seed: int) -> Iterator[Made]:
    dice, number = Dice(np.random.default_rng([seed, 1])), 1
    plans: Iterator[_Plan] = _window(dice)
    for group in range(1, 10**9):
        plan = next(plans, None) or _plan(dice)
        yield from _variants(dice, plan, number, group)
        number += len(plan.colors)


def iter_made(n_products: int, seed: int) -> Iterator[Made]:
    """The first `n_products` (> 0) rows of the seed's endless store, with their truth. Raises BadInput."""
    if n_products < 1:
        raise BadInput(f"n_products is {n_products}, but a store has at least one product", "ask for 1 or more")
    return islice(_all_made(seed), n_products)


def iter_products(n_products: int, seed: int = 7) -> Iterator[dict[str, object]]:
    """CATALOGUE rows, streamed in flat memory, about 70,000 a second; a prefix of any longer store of the seed."""
    return (made.row for made in iter_made(n_products, seed))
