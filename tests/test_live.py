"""The overlay laid over the world of colours and shapes: what a shopper sees of it, and when."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from world import PRODUCTS, Clock, search_world

from aisle.errors import NotFound, Unavailable
from aisle.live import KEPT_MS, OVERLAP_MS, Live
from aisle.merchandising import Rules
from aisle.overlay import Entry, MemoryStore, Update, addition
from aisle.search import Search
from aisle.types import Filters, Product, Range, SearchRequest, SearchResponse

MADE_AT = 1_000_000  # when the world's bundle was made
NEW = Product("n1", "Crimson pentagram star", category="angular", color="crimson", price=5, stock=2)


class Shop:
    """A live view over the world with a store to write to; each look at the clock costs a second."""

    def __init__(self, folder: Path, most_whole: int = 1000, rules: Rules | None = None) -> None:
        self.store = MemoryStore()
        self.parts = search_world(folder, rules=rules, most_whole=most_whole).parts
        self.live = Live(self.parts, self.store, MADE_AT, Clock(tick=1.0), max_age=0.0)

    def says(self, *updates: Update, at: int = MADE_AT + 1) -> "Shop":
        self.store.write(updates, at)
        return self

    @property
    def search(self) -> Search:
        return Search(self.live.view().parts, "world", Clock())

    def finds(self, query: str, **fields: Any) -> list[str]:
        return [hit.product_id for hit in self.asked(query, **fields).hits]

    def asked(self, query: str, **fields: Any) -> SearchResponse:
        return self.search.search(SearchRequest(query, **fields), "q")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_without_entries_search_reads_the_bundle_itself(shop: Shop) -> None:
    assert shop.live.view().parts is shop.parts


def test_a_live_price_is_shown_filtered_and_sorted_by(shop: Shop) -> None:
    before = shop.finds("red", sort="price_asc")
    shop.says(Update("s1", {"price": 1.0}), Update("c1", {"stock": 0}))
    assert before[0] == "c1"
    assert shop.finds("red", sort="price_asc")[0] == "s1"
    answer = shop.asked("red square", filters=Filters(price=Range(lte=2)))
    assert [(hit.product_id, hit.price) for hit in answer.hits] == [("s1", 1.0)]
    assert "c1" not in shop.finds("red circle", filters=Filters(in_stock=True))
    assert shop.search.product("c1", None).product.stock == 0


def test_a_bundle_made_later_knows_prices_and_stock_better(shop: Shop) -> None:
    shop.says(Update("s1", {"price": 1.0}), Update("c1", {"stock": 0}), at=MADE_AT - 1)
    shop.says(Update("s1", {"stock": 4}))  # a later change of one does not revive the other
    assert shop.search.product("s1", None).product == replace(PRODUCTS[4], stock=4)
    assert shop.search.product("c1", None).product == PRODUCTS[0]


def test_a_hidden_product_is_nowhere_however_long_ago_it_was_hidden(tmp_path: Path) -> None:
    shop = Shop(tmp_path, rules=Rules(pin={"red circle": ["c3", "c1"]}))
    shop.says(Update("c1", {"hidden": True}), at=5)
    assert "c1" not in shop.finds("red circle") + shop.finds("") + shop.finds("red", sort="price_asc")
    assert shop.finds("red circle")[:2] == ["c3", "c2"]
    assert shop.search.product("c2", None).variants == []
    with pytest.raises(NotFound):
        shop.search.product("c1", None)
    assert "c1" not in [product_id for product_id, _ in shop.search.ranking("red circle", 10)]
    assert shop.live.view().hidden_titles == {"Red circle"}
    counts = shop.asked("", facets=["color"]).facets["color"]
    assert {count.value: count.count for count in counts} == {"red": 4, "blue": 2, "green": 1}


def test_what_was_hidden_comes_back(shop: Shop) -> None:
    before = shop.asked("red circle").hits
    shop.says(Update("c1", {"hidden": True})).live.view()
    assert "c1" not in shop.finds("red circle")
    shop.says(Update("c1", {"hidden": False}), at=MADE_AT + 2)
    assert shop.asked("red circle").hits == before


@pytest.mark.parametrize("most_whole", [1000, 4])
def test_a_new_product_is_found_by_words_and_by_meaning(tmp_path: Path, most_whole: int) -> None:
    shop = Shop(tmp_path, most_whole).says(addition(NEW))
    assert shop.finds("pentagram") == ["n1"]
    assert "n1" in shop.finds("red star")
    assert "n1" in shop.finds("", filters=Filters(color=["crimson"]))
    assert shop.search.product("n1", None).product == replace(NEW, currency="USD")
    assert shop.finds("star", filters=Filters(category=["angular"]), sort="price_asc")[0] == "n1"


def test_a_new_product_has_live_prices_too_and_can_be_hidden_or_forgotten(shop: Shop) -> None:
    shop.says(addition(NEW)).says(Update("n1", {"price": 7.0, "stock": 0}), at=MADE_AT + 2)
    hit = shop.asked("pentagram").hits[0]
    assert (hit.price, hit.in_stock) == (7.0, False)
    assert shop.says(Update("n1", {"hidden": True}), at=MADE_AT + 3).finds("pentagram") == []
    shop.says(Update("n1", {"hidden": False}), at=MADE_AT + 4)
    assert shop.finds("pentagram") == ["n1"]
    assert shop.says(Update("n1", forget=True), at=MADE_AT + 5).finds("pentagram") == []


def test_of_a_new_product_that_the_bundle_holds_by_now_price_and_stock_are_news(shop: Shop) -> None:
    shop.says(addition(replace(NEW, product_id="c1")))
    assert shop.search.product("c1", None).product == replace(PRODUCTS[0], price=5, stock=2)


def test_a_product_that_left_the_catalogue_does_not_come_back_as_a_new_one(shop: Shop) -> None:
    other = replace(NEW, product_id="n2", title="Crimson heptagram")
    shop.says(addition(NEW), at=MADE_AT - KEPT_MS).says(addition(other), at=MADE_AT - KEPT_MS - 1)
    assert (shop.finds("pentagram"), shop.finds("heptagram")) == (["n1"], [])


def test_a_price_in_another_currency_is_not_taken_for_the_shops(shop: Shop) -> None:
    shop.says(addition(replace(NEW, currency="CNY")))
    assert shop.search.product("n1", None).product == replace(NEW, currency="USD", price=None)


def test_an_unknown_products_price_changes_nothing(shop: Shop) -> None:
    before = shop.asked("red circle").hits
    assert shop.says(Update("nobody", {"price": 1.0})).asked("red circle").hits == before


def test_entries_are_read_no_more_often_than_asked(tmp_path: Path) -> None:
    clock, store = Clock(), MemoryStore()
    live = Live(search_world(tmp_path).parts, store, MADE_AT, clock, max_age=2.0)
    live.view()
    store.write([Update("c1", {"hidden": True})], MADE_AT + 1)
    clock.now = 1.9
    assert live.view().hidden_titles == frozenset()
    clock.now = 2.0
    assert live.view().hidden_titles == {"Red circle"}


class Table:
    """A store that answers only while it is up, and tells what it was asked."""

    def __init__(self) -> None:
        self.up, self.entries = True, list[Entry]()
        self.asked: list[tuple[int, bool]] = []

    def write(self, updates: Sequence[Update], now: int) -> None:
        raise AssertionError("search writes nothing")

    def read(self, since: int, standing: bool) -> list[Entry]:
        self.asked.append((since, standing))
        if not self.up:
            raise Unavailable("the table", "try again")
        return self.entries


def test_a_store_that_is_down_leaves_what_was_read_and_says_so(tmp_path: Path) -> None:
    table = Table()
    live = Live(search_world(tmp_path).parts, table, MADE_AT, Clock(tick=1.0), max_age=0.0)
    table.up = False
    assert (live.view().complete, live.view().hidden_titles) == (False, frozenset())
    table.up, table.entries = True, [Entry("c1", MADE_AT + 50_000, hidden=True, standing=True)]
    assert (live.view().complete, live.view().hidden_titles) == (True, frozenset({"Red circle"}))
    table.up = False
    assert (live.view().complete, live.view().hidden_titles) == (False, frozenset({"Red circle"}))
    table.up = True
    assert live.view().complete
    assert table.asked[:3] == [(MADE_AT, True)] * 3  # all of it, until it was once read
    assert set(table.asked[3:]) == {(MADE_AT + 50_000 - OVERLAP_MS, False)}


def test_changes_are_read_again_for_a_minute_and_then_no_more(tmp_path: Path) -> None:
    clock, table = Clock(), Table()
    live = Live(search_world(tmp_path).parts, table, MADE_AT, clock, max_age=1.0)
    table.entries = [Entry("c1", MADE_AT + 5, hidden=True, standing=True)]
    for clock.now in (0.0, OVERLAP_MS / 1000, OVERLAP_MS / 1000 + 1):
        live.view()
    assert table.asked == [(MADE_AT, True), (MADE_AT + 5 - OVERLAP_MS, False), (MADE_AT + 6, False)]


def test_a_writer_has_less_time_than_readers_look_back() -> None:
    declared = (Path(__file__).parents[1] / "serverless.yml").read_text(encoding="utf-8")
    (timeout_s,) = re.findall(r"\n  overlay:\n(?:    .*\n)*?    timeout: (\d+)\n", declared)
    assert int(timeout_s) * 2 <= OVERLAP_MS / 1000


def test_what_a_lagging_replica_says_is_not_news(tmp_path: Path) -> None:
    table = Table()
    live = Live(search_world(tmp_path).parts, table, MADE_AT, Clock(tick=1.0), max_age=0.0)
    for entry in (Entry("c1", 3000, hidden=True), Entry("c1", 2000), Entry("c1", 4000)):
        table.entries = [entry]
        assert bool(live.view().hidden_titles) == (entry.changed_at < 4000)


def test_entries_that_could_not_be_laid_are_laid_the_next_time(tmp_path: Path) -> None:
    table, parts = Table(), search_world(tmp_path).parts

    class Failing:
        broken = True

        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if self.broken:
                raise MemoryError
            return parts.encoder.encode(texts)

    encoder = Failing()
    live = Live(dataclasses.replace(parts, encoder=encoder), table, MADE_AT, Clock(tick=1.0), max_age=0.0)
    at = MADE_AT + 1
    table.entries = [Entry("c1", at, hidden=True), Entry("n1", at, product=NEW, product_at=at, standing=True)]
    with pytest.raises(MemoryError):
        live.view()
    encoder.broken = False
    view = live.view()
    assert (len(view.parts.products), view.hidden_titles) == (len(PRODUCTS) + 1, frozenset({"Red circle"}))


def test_each_row_has_what_every_stage_reads(shop: Shop) -> None:
    parts = shop.says(addition(NEW), Update("c1", {"hidden": True})).live.view().parts
    rows = len(PRODUCTS) + 1
    columns = {f.name: getattr(parts.columns, f.name) for f in dataclasses.fields(parts.columns)}
    lengths = [columns[name].shape[-1] for name in ("price", "rating", "in_stock", "created", "group", "codes")]
    assert lengths == [rows] * 6
    assert (len(parts.products), parts.title.documents.shape, parts.body.documents.shape) == (
        rows,
        (3, rows),
        (3, rows),
    )
    assert parts.dense.scores(np.ones(6, np.float32)).shape == (rows,)
    assert parts.visible is not None
    assert parts.visible.tolist() == [False] + [True] * (rows - 1)
    assert len({*columns["group"].tolist()}) == rows - 1  # c1 and c2 are one article
