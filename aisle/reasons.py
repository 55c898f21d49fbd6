"""Why a product is shown, in one line of English or Chinese: made from what the shopper did, what the log counts and
what the catalogue says, and from nothing else.

Each reason names the acts that it rests on. Where nothing can be said truthfully, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from aisle.shopping import Act, Because, Kind, Reason
from aisle.types import Product

WELL_RATED = 4.0  # of 5: less is no reason
NAMED = 3  # products of the history that a reason lists, the first of them by its title
Relation = Literal["again", "because", "like"]
_STRENGTH: dict[Kind, int] = {"purchase": 4, "cart": 3, "click": 2, "view": 1}  # an impression is no act of a shopper


class _Said(NamedTuple):
    kind: Reason
    en: str
    zh: str


_OF_HISTORY: dict[tuple[Relation, Kind], _Said] = {
    ("again", "purchase"): _Said("bought_again", "You bought this before", "你以前买过它"),
    ("again", "cart"): _Said("in_cart", "You added this to your cart", "你把它加入过购物车"),
    ("again", "view"): _Said("seen", "You looked at this", "你看过它"),
    ("because", "purchase"): _Said("bought", "Because you bought {}", "因为你买过{}"),
    ("because", "cart"): _Said("in_cart", "Because you added {} to your cart", "因为你把{}加入过购物车"),
    ("because", "view"): _Said("seen", "Because you looked at {}", "因为你看过{}"),
    ("like", "purchase"): _Said("like_bought", "Like {}, which you bought", "与你买过的{}相似"),
    ("like", "cart"): _Said("like_seen", "Like {}, which you added to your cart", "与你加入过购物车的{}相似"),
    ("like", "view"): _Said("like_seen", "Like {}, which you looked at", "与你看过的{}相似"),
}
_OF_PRODUCT = {
    "together": _Said("with", "Bought together with {}", "有人与{}一起购买"),
    "similar": _Said("similar", "Like {}", "与{}相似"),
}
_POPULAR = _Said("popular", "Popular with other shoppers", "受其他顾客欢迎")
_RATED = _Said("rated", "Rated {} of 5", "评分{}（满分5分）")
_NEW = _Said("new", "New in the shop", "新品")


def strongest(acts: Iterable[Act]) -> dict[str, Kind]:
    """product id -> the most telling thing that the shopper did to it: purchase, cart, or view (a click is a look)."""
    found: dict[str, Kind] = {}
    for act in acts:
        known = found.get(act.product_id)
        if act.kind in _STRENGTH and (known is None or _STRENGTH[act.kind] > _STRENGTH[known]):
            found[act.product_id] = act.kind
    return {product_id: "view" if kind == "click" else kind for product_id, kind in found.items()}


def of_history(
    relation: Literal["because", "like"],
    shown: Product,
    evidence: Sequence[Product],
    did: Mapping[str, Kind],
    lang: str | None,
) -> Because | None:
    """The reason for `shown` from the history's products `evidence`, the most telling first; `did`: see `strongest`.

    Where the history has `shown` itself among them, that is the reason.
    """
    named = [product for product in evidence if product.product_id in did]
    named = [product for product in named if product.product_id == shown.product_id] or named[:NAMED]
    if not named:
        return None
    first, own = named[0], named[0].product_id == shown.product_id
    said = _OF_HISTORY["again" if own else relation, did[first.product_id]]
    return _because(said, title(first, lang), [product.product_id for product in named], lang)


def of_product(relation: Literal["together", "similar"], asked: Product, lang: str | None) -> Because:
    """The reason for a product beside the one that a page shows."""
    return _because(_OF_PRODUCT[relation], title(asked, lang), [asked.product_id], lang)


def of_counts(lang: str | None) -> Because:
    """The reason for a product that the log counts often."""
    return _because(_POPULAR, "", [], lang)


def of_catalogue(shown: Product, is_new: bool, lang: str | None) -> Because | None:
    """The reason that the catalogue itself gives: well rated, or new."""
    if shown.rating is not None and shown.rating >= WELL_RATED:
        return _because(_RATED, f"{shown.rating:.1f}", [], lang)
    return _because(_NEW, "", [], lang) if is_new else None


def title(product: Product, lang: str | None) -> str:
    """As the catalogue has it in `lang`, else in its own language."""
    return product.titles.get(lang or "", product.title)


def _because(said: _Said, named: str, products: list[str], lang: str | None) -> Because:
    return Because(said.kind, (said.zh if lang == "zh" else said.en).replace("{}", named), products)
