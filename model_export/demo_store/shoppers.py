"""Shoppers with tastes, and what they did with the answers of a mediocre ranker over ninety days.

Each search shows ten products in a noisy order. Whether one is clicked follows a position-based model: the shopper
examines position p with probability p ** -ETA, and likes an examined product by its rating times their taste. Clicks
are therefore biased by position, as real ones are, and ETA is the truth that an estimator of the bias should find.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_export.demo_store.catalogue import Made
from model_export.demo_store.labels import Truth
from model_export.demo_store.queries import Query
from model_export.demo_store.words import ARTICLES, CATEGORIES, COLORS

ETA = 0.9  # examination of position p: p ** -ETA
ATTRACTION = (0.03, 0.15, 0.40, 0.75)  # probability of liking, by rating 0 to 3, for a neutral taste
SHOWN = 10  # products a search
RANKER_SKILL, RANKER_NOISE = 0.8, 1.0  # weight of the rating, and the standard deviation beside it
P_CART, P_PURCHASE = 0.35, 0.45  # of a click, of a cart, of a product rated 3; a cart falls off with the rating
SESSIONS_A_SHOPPER = 3.4
DAYS = 90
_START = np.datetime64("2026-01-01T00:00:00", "s")
_CANDIDATES = 40  # the ranker sees at most so many listed products a query, and _STRANGERS others
_STRANGERS = 8
_SECONDS_A_POSITION = 4


class _Searches:
    """One row a search: who, when, what was asked and shown."""

    def __init__(self, rng: np.random.Generator, queries: Sequence[Query], n_shoppers: int) -> None:
        taste = rng.dirichlet([0.25] * len(CATEGORIES), n_shoppers)  # (shoppers, categories)
        sessions = max(1, int(n_shoppers * SESSIONS_A_SHOPPER))
        names = [c.name for c in CATEGORIES]
        asked_in = [names.index(ARTICLES[q.intent.articles[0]].category) for q in queries]
        by_category = [np.flatnonzero(np.array(asked_in) == c) for c in range(len(names))]
        taste *= [len(rows) > 0 for rows in by_category]
        cumulative = np.cumsum(taste + 1e-12 * (taste.sum(axis=0) > 0), axis=1)
        session_shopper = rng.integers(n_shoppers, size=sessions)
        started_s = np.sort(rng.integers(DAYS * 86_400, size=sessions))
        per_session = rng.integers(1, 3, size=sessions)
        self.session = np.repeat(np.arange(sessions), per_session)
        self.shopper = session_shopper[self.session]
        nth = np.arange(len(self.session)) - np.repeat(np.cumsum(per_session) - per_session, per_session)
        self.time_s = started_s[self.session] + 180 * nth
        rows = cumulative[self.shopper]
        category = (rows < rng.random(len(rows))[:, None] * rows[:, -1:]).sum(axis=1)
        draw = rng.random(len(rows)) ** 2  # early queries of a category are asked more often
        self.query = np.array(
            [by_category[c][int(u * len(by_category[c]))] for c, u in zip(category, draw, strict=True)]
        )


def _candidates(
    rng: np.random.Generator, truth: Truth, queries: Sequence[Query], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(products, ratings), both (queries, _CANDIDATES + _STRANGERS); product -1 fills short rows."""
    width = _CANDIDATES + _STRANGERS
    products = np.full((len(queries), width), -1, dtype=np.int64)
    ratings = np.zeros((len(queries), width), dtype=np.int64)
    for i, query in enumerate(queries):
        rows, rated = truth.rate(query.intent)
        kept = rng.permutation(len(rows))[:_CANDIDATES]
        strangers = np.setdiff1d(rng.integers(n, size=_STRANGERS), rows)
        end = len(kept) + len(strangers)
        products[i, :end] = np.concatenate([rows[kept], strangers])
        ratings[i, : len(kept)] = rated[kept]
    return products, ratings


class Tastes:
    """What each shopper likes beside what they ask for: a brand, a colour, a price band."""

    def __init__(self, rng: np.random.Generator, made: Sequence[Made], n_shoppers: int) -> None:
        favourite = rng.integers(
            len(made), size=n_shoppers
        )  # a loved product gives the brand, so brands are lopsided too
        self._brands = np.unique([str(m.row["brand"]) for m in made], return_inverse=True)[1]
        palette = ["", *COLORS]
        self._colors = np.array([palette.index(str(m.row["color"])) for m in made])
        self._dearness = np.log(np.array([float(str(m.row["price"])) / ARTICLES[m.article].price_usd for m in made]))
        self._brand = self._brands[favourite]
        self._color = self._colors[rng.integers(len(made), size=n_shoppers)]
        self._band = rng.normal(0.0, 0.25, size=n_shoppers)  # log of price over the type's median

    def liking(self, shopper: NDArray[np.int64], shown: NDArray[np.int64]) -> NDArray[np.float64]:
        """(searches, c): how much more than others each `shopper`, (searches,), likes the products `shown`, (searches,
        c): about 0.6 to 1.5."""
        same_brand = self._brands[shown] == self._brand[shopper][:, None]
        same_color = self._colors[shown] == self._color[shopper][:, None]
        too_dear = np.clip(np.abs(self._dearness[shown] - self._band[shopper][:, None]), 0, 1)
        liking: NDArray[np.float64] = 0.9 + 0.35 * same_brand + 0.25 * same_color - 0.3 * too_dear
        return liking


def browse(
    made: Sequence[Made], truth: Truth, queries: Sequence[Query], n_shoppers: int, rng: np.random.Generator
) -> tuple[list[dict[str, object]], Tastes | None]:
    """Event rows in order of time: impressions, clicks, carts, purchases, of train and dev queries only; and the tastes
    that they come from, None where nothing was asked."""
    asked = [q for q in queries if q.split != "test"]
    if not asked or n_shoppers < 1:
        return [], None
    searches = _Searches(rng, asked, n_shoppers)
    products, ratings = _candidates(rng, truth, asked, len(made))
    seen, rated = products[searches.query], ratings[searches.query]
    scores = RANKER_SKILL * rated + rng.normal(0.0, RANKER_NOISE, seen.shape)
    order = np.argsort(-np.where(seen < 0, -np.inf, scores), axis=1)[:, :SHOWN]
    shown, rated = np.take_along_axis(seen, order, axis=1), np.take_along_axis(rated, order, axis=1)
    tastes = Tastes(rng, made, n_shoppers)
    acts = _act(rng, made, tastes.liking(searches.shopper, shown), shown, rated)
    return _rows(searches, asked, truth.product_ids, shown, acts), tastes


def _act(
    rng: np.random.Generator,
    made: Sequence[Made],
    liking: NDArray[np.float64],
    shown: NDArray[np.int64],
    rated: NDArray[np.int64],
) -> dict[str, NDArray[np.bool_]]:
    """action -> (searches, SHOWN): which shown products were clicked, put in the cart, bought. None sold out is."""
    examined = np.arange(1, shown.shape[1] + 1) ** -ETA  # (SHOWN,)
    liked = np.clip(np.array(ATTRACTION)[rated] * liking, 0, 1)
    in_stock = np.array([int(str(m.row["stock"])) > 0 for m in made])[shown]
    real = shown >= 0
    click = real & (rng.random(shown.shape) < examined * liked)
    cart = click & in_stock & (rng.random(shown.shape) < P_CART * (rated / 3) ** 2)
    purchase = cart & (rng.random(shown.shape) < P_PURCHASE)
    return {"impression": real, "click": click, "cart": cart, "purchase": purchase}


def _rows(
    searches: _Searches,
    asked: Sequence[Query],
    product_ids: Sequence[str],
    shown: NDArray[np.int64],
    acts: dict[str, NDArray[np.bool_]],
) -> list[dict[str, object]]:
    search, position, action, time_s = [], [], [], []
    for step, done in enumerate(acts.values()):
        at, where = np.nonzero(done)
        search.append(at)
        position.append(where)
        action.append(np.full(len(at), step))
        time_s.append(searches.time_s[at] + (step > 0) * (_SECONDS_A_POSITION * (where + 1) + 20 * step))
    s, p, a, t = (np.concatenate(parts) for parts in (search, position, action, time_s))
    order = np.lexsort((p, a, s, t))
    s, p, a, t = s[order], p[order], a[order], t[order]
    stamps = np.datetime_as_string(_START + t.astype("timedelta64[s]"), unit="s", timezone="UTC").tolist()
    names, products = list(acts), shown[s, p].tolist()
    who, session, query = searches.shopper[s].tolist(), searches.session[s].tolist(), searches.query[s].tolist()
    columns = zip(who, session, query, stamps, a.tolist(), products, (p + 1).tolist(), strict=True)
    return [
        {
            "shopper_id": f"S{shopper:06d}",
            "session_id": f"V{visit:07d}",
            "query_id": asked[asked_query].query_id,
            "timestamp": stamp,
            "action": names[step],
            "product_id": product_ids[product],
            "position": at,
        }
        for shopper, visit, asked_query, stamp, step, product, at in columns
    ]
