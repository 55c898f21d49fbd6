"""The demo store keeps its promises: made by its seed, lopsided, labelled by truth, honest in its splits."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aisle.errors import BadInput
from aisle.text import terms
from model_export.demo_store import Store, generate, iter_products, write
from model_export.demo_store.__main__ import report
from model_export.demo_store.catalogue import Dice, Made, iter_made
from model_export.demo_store.labels import Intent, Truth
from model_export.demo_store.queries import HELD_OUT_KINDS, HELD_OUT_SHARE, SHARES, write_queries
from model_export.demo_store.words import ARTICLES, COLORS, HYPERNYMS, MATERIALS, STYLES, Word

COLUMNS = [
    *("product_id", "title", "description", "category", "brand", "color", "size", "material", "price", "currency"),
    *("rating", "stock", "created_at", "group_id", "attributes", "title_zh", "description_zh"),
]


@pytest.fixture(scope="module")
def store() -> Store:
    return generate(300, n_shoppers=400)


@pytest.fixture(scope="module")
def large() -> Store:
    """Large enough that every word of the vocabulary is used."""
    return generate(3000, n_shoppers=10)


def _place(name: str) -> int:
    return next(i for i, a in enumerate(ARTICLES) if a.word.name == name)


def _text(row: dict[str, object]) -> str:
    return " ".join(str(row[c]) for c in COLUMNS)


def test_the_same_seed_makes_the_same_store_and_another_seed_another(store: Store) -> None:
    assert generate(300, n_shoppers=400) == store
    assert generate(300, n_shoppers=400, seed=8).products != store.products


def test_a_short_catalogue_is_a_prefix_of_a_long_one() -> None:
    assert list(iter_products(40)) == list(islice(iter_products(1_000_000_000), 40))


def test_a_store_without_products_is_refused() -> None:
    with pytest.raises(BadInput, match="n_products is 0"):
        next(iter_products(0))


def test_rows_have_the_catalogue_columns_and_unique_ids(store: Store) -> None:
    assert [list(row) for row in store.products] == [COLUMNS] * 300
    assert len({row["product_id"] for row in store.products}) == 300
    assert len({q["query_id"] for q in store.queries}) == len(store.queries) >= 400


def test_categories_brands_and_colours_are_lopsided(large: Store) -> None:
    assert len(ARTICLES) >= 60
    by_category = Counter(row["category"] for row in large.products).most_common()
    assert len(by_category) == 13
    assert by_category[0][1] > 8 * by_category[-1][1]
    shoes = [row for row in large.products if row["category"] == "shoes"]
    for column in ("brand", "color"):
        counts = Counter(row[column] for row in shoes).most_common()
        assert counts[0][1] > 3 * counts[-1][1]


def test_variants_share_article_and_group_and_a_tenth_is_sold_out(large: Store) -> None:
    groups: dict[object, list[dict[str, object]]] = {}
    for row in large.products[:2990]:  # the last group may be cut
        groups.setdefault(row["group_id"] or row["product_id"], []).append(row)
    several = [rows for rows in groups.values() if len(rows) > 1]
    assert 0.25 < len(several) / len(groups) < 0.35
    assert {len(rows) for rows in several} <= {2, 3, 4, 5}
    assert all(len({(r["brand"], r["category"], r["material"]) for r in rows}) == 1 for rows in several)
    assert 0.09 < sum(row["stock"] == 0 for row in large.products) / 3000 < 0.15
    assert 0.64 < sum(row["title_zh"] != "" for row in large.products) / 3000 < 0.76


def test_the_window_shows_running_shoes_in_both_languages(store: Store) -> None:
    shoes = [row for row in store.products if "运动鞋" in str(row["title_zh"])]
    assert len(shoes) >= 12
    assert {"white", "red", "black", "blue"} <= {str(row["color"]) for row in shoes}
    assert any(row["color"] == "red" and float(str(row["price"])) < 50 and row["stock"] != 0 for row in shoes)
    assert any("时尚" in str(row["title_zh"]) and "T恤" in str(row["title_zh"]) for row in store.products)


def _made(number: int, article: str, color: str, style: str, brand: str, price: float) -> Made:
    row = {"product_id": f"p{number}", "color": color, "material": "mesh", "brand": brand, "price": price}
    return Made(row, _place(article), (style,))


TINY = Truth(
    [
        _made(0, "running shoes", "red", "casual", "Strivo", 40.0),
        _made(1, "running shoes", "red", "warm", "Strivo", 60.0),
        _made(2, "running shoes", "blue", "warm", "Strivo", 45.0),
        _made(3, "hiking shoes", "red", "casual", "Velorun", 49.0),  # the same narrow family
        _made(4, "hiking shoes", "blue", "casual", "Velorun", 49.0),
        _made(5, "sandals", "red", "casual", "Strivo", 20.0),  # another family
    ]
)


def _rated(intent: Intent) -> dict[str, int]:
    rows, ratings = TINY.rate(intent)
    return {TINY.product_ids[row]: rating for row, rating in zip(rows.tolist(), ratings.tolist(), strict=True)}


def test_ratings_fall_with_each_missing_attribute_and_siblings_need_them_all() -> None:
    run = (_place("running shoes"),)
    assert _rated(Intent(run)) == {"p0": 3, "p1": 3, "p2": 3, "p3": 1, "p4": 1}
    assert _rated(Intent(run, color="red")) == {"p0": 3, "p1": 3, "p2": 2, "p3": 1}
    assert _rated(Intent(run, color="red", style="casual")) == {"p0": 3, "p1": 2, "p2": 1, "p3": 1}
    assert _rated(Intent(run, brand="Velorun", material="mesh")) == {"p0": 2, "p1": 2, "p2": 2, "p3": 1, "p4": 1}


def test_a_price_limit_makes_dearer_products_irrelevant() -> None:
    assert _rated(Intent((_place("running shoes"),), color="red", under=48.0)) == {"p0": 3, "p2": 2}


def test_a_hypernym_means_each_of_its_types() -> None:
    both = (_place("running shoes"), _place("sandals"))
    assert _rated(Intent(both, color="red")) == {"p0": 3, "p1": 3, "p2": 2, "p3": 1, "p5": 3}


def test_every_query_has_a_right_answer_and_price_queries_no_dear_ones(store: Store) -> None:
    right = {q["query_id"] for q in store.qrels if q["rating"] == 3}
    assert right == {q["query_id"] for q in store.queries}
    price = {row["product_id"]: float(str(row["price"])) for row in store.products}
    limits = {q["query_id"]: float(str(q["query"]).split()[-1].strip("$")) for q in store.queries
              if q["kind"] == "price" and q["lang"] == "en"}  # fmt: skip
    assert limits
    assert all(price[r["product_id"]] <= limits[r["query_id"]] for r in store.qrels if r["query_id"] in limits)


def test_kinds_have_their_shares_in_both_languages(large: Store) -> None:
    counts = Counter(str(q["kind"]) for q in large.queries)
    assert {kind: round(n / len(large.queries), 2) for kind, n in counts.items()} == SHARES
    languages = {kind: {q["lang"] for q in large.queries if q["kind"] == kind} for kind in SHARES}
    assert languages["cross"] == languages["zh"] == {"zh"}
    assert languages["plain"] == languages["synonym"] == languages["hypernym"] == languages["misspelt"] == {"en"}


def test_no_text_and_no_word_held_out_crosses_from_training(large: Store) -> None:
    assert len({q["query"] for q in large.queries}) == len(large.queries)
    train = [str(q["query"]) for q in large.queries if q["split"] == "train"]
    known = {term for query in train for term in terms(query)}
    texts = "\n".join(map(_text, large.products))
    known |= set(terms(texts))
    for query in large.queries:
        if word := str(query["held_out"]):
            assert query["split"] != "train"
            assert word in str(query["query"])
            if query["lang"] == "zh":
                assert word not in texts
                assert not any(word in other for other in train)
            else:
                assert set(terms(word)) - known


def test_no_combination_of_type_and_attributes_is_in_two_splits() -> None:
    splits: dict[Intent, set[str]] = {}
    for query in write_queries(list(iter_made(300, 7)), Dice(np.random.default_rng(5))):
        splits.setdefault(query.intent._replace(under=None), set()).add(query.split)
    assert len(splits) > 250
    assert {len(found) for found in splits.values()} == {1}


def test_a_quarter_of_held_out_synonym_hypernym_and_cross_queries_use_an_unseen_word(
    store: Store, large: Store
) -> None:
    for made in (store, large):
        for split in ("dev", "test"):
            asked = [q for q in made.queries if q["split"] == split and q["kind"] in HELD_OUT_KINDS]
            share = sum(q["held_out"] != "" for q in asked) / len(asked)
            assert HELD_OUT_SHARE <= share < HELD_OUT_SHARE + 2 / len(asked) + 0.03


def _vocabulary() -> list[tuple[Word, str, str]]:
    """(word, the column or place it describes, its value)"""
    listed = [(a.word, "type", a.word.name) for a in ARTICLES] + [
        (w, "hypernym", name) for name, w in HYPERNYMS.items()
    ]
    for column, words in (("color", COLORS), ("style", STYLES), ("material", MATERIALS)):
        listed += [(w, column, name) for name, w in words.items()]
    return listed


def _is(made: Made, column: str, value: str) -> bool:
    article = ARTICLES[made.article]
    if column == "type":
        return article.word.name == value
    if column == "hypernym":
        return value in (article.family, article.category)
    return value in made.styles if column == "style" else made.row[column] == value


def test_no_text_of_a_right_product_says_a_synonym() -> None:
    made = list(iter_made(3000, 7))
    bags = [frozenset(terms(_text(m.row))) for m in made]
    for word, column, value in _vocabulary():
        right = [i for i, m in enumerate(made) if _is(m, column, value)]
        for held_out in (False, True):
            for said in word.synonyms("en", held_out):
                assert not any(bags[i] >= set(terms(said)) for i in right), f"{value}: {said}"
            for said in word.synonyms("zh", held_out):
                assert not any(said in _text(made[i].row) for i in right), f"{value}: {said}"


def test_chinese_queries_have_right_answers_that_are_english_only(store: Store) -> None:
    english = {row["product_id"] for row in store.products if not row["title_zh"]}
    assert 0.15 < len(english) / 300 < 0.45
    right = {r["query_id"] for r in store.qrels if r["rating"] == 3 and r["product_id"] in english}
    assert {q["query_id"] for q in store.queries if q["kind"] == "cross"} <= right


def test_events_are_in_order_consistent_and_without_test_queries(store: Store) -> None:
    stamps = [str(e["timestamp"]) for e in store.events]
    assert stamps == sorted(stamps)
    assert {e["query_id"] for e in store.events} <= {q["query_id"] for q in store.queries if q["split"] != "test"}
    seen: dict[str, set[tuple[object, ...]]] = {a: set() for a in ("impression", "click", "cart", "purchase")}
    for e in store.events:
        seen[str(e["action"])].add((e["session_id"], e["query_id"], e["product_id"], e["position"]))
    assert seen["purchase"] < seen["cart"] < seen["click"] < seen["impression"]
    assert {e["position"] for e in store.events} == set(range(1, 11))
    assert len({e["shopper_id"] for e in store.events}) > 300


def test_clicks_fall_with_position_and_rise_with_rating(store: Store) -> None:
    rating = {(r["query_id"], r["product_id"]): int(str(r["rating"])) for r in store.qrels}
    shown: Counter[tuple[int, int]] = Counter()
    clicked: Counter[tuple[int, int]] = Counter()
    for e in store.events:
        at = (int(str(e["position"])), rating.get((e["query_id"], e["product_id"]), 0))
        shown[at] += e["action"] == "impression"
        clicked[at] += e["action"] == "click"
    assert clicked[1, 3] / shown[1, 3] > 2 * clicked[5, 3] / shown[5, 3]
    assert clicked[1, 3] / shown[1, 3] > 2 * clicked[1, 1] / shown[1, 1]


def test_what_suits_a_shopper_is_clicked_more_often(store: Store) -> None:
    assert store.tastes
    row = {str(product["product_id"]): at for at, product in enumerate(store.products)}
    shopper, shown = (np.array([at(e) for e in store.events]) for at in (_shopper, lambda e: row[str(e["product_id"])]))
    liking = store.tastes.liking(shopper, shown[:, None])[:, 0]
    action = np.array([e["action"] for e in store.events])
    assert (liking.min() >= 0.6, liking.max() <= 1.5) == (True, True)
    assert liking[action == "click"].mean() > liking[action == "impression"].mean() + 0.01


def _shopper(event: dict[str, object]) -> int:
    return int(str(event["shopper_id"])[1:])


def test_written_tables_read_back_as_they_were(store: Store, tmp_path: Path) -> None:
    write(store, tmp_path / "shop")
    read = {name: pq.read_table(tmp_path / "shop" / f"{name}.parquet").to_pylist() for name in ("catalogue", "qrels")}
    assert read == {"catalogue": store.products, "qrels": store.qrels}
    assert pq.read_metadata(tmp_path / "shop" / "events.parquet").num_rows == len(store.events)
    assert pq.read_metadata(tmp_path / "shop" / "queries.parquet").num_rows == len(store.queries)


def test_the_report_counts_queries_by_kind_and_split(store: Store) -> None:
    lines = report(store).splitlines()
    assert lines[0].startswith("300 products, ")
    assert lines[3] == "plain            84      12      24"
