import contextlib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisle.catalogue import product_text, read_catalogue, read_products
from aisle.errors import BadInput
from aisle.markup import plain_text
from aisle.tables import Row
from aisle.types import Product

SHOE: Row = {"product_id": "s1", "title": "Red shoe"}


def silent(_: str) -> None:
    pass


def problem_of(*rows: Row) -> str:
    with pytest.raises(BadInput) as refused:
        read_products(rows, "shop.csv", silent)
    return refused.value.detail


def test_a_csv_catalogue_becomes_clean_products_and_names_the_columns_it_ignores(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(
        "\ufeffproduct_id,title,title_zh,description,description_zh,category,price,currency,rating,stock,created_at,"
        "attributes,margin,title_zh_TW\n"
        '007, Red \x07 shoe ,红鞋,"<p>Soft &amp; light</p><script>x()</script>",轻,shoes,39.90,usd,4.5,0,'
        '2024-05-01T10:00:00+02:00,"{""width"": ""wide"", ""sole"": null, ""vegan"": true, ""drop"": 8}",0.4,x\n'
        "008,Blue shoe,,,,,,,,,,,,\n"
    )
    said: list[str] = []
    assert read_catalogue(path, said.append) == [
        Product(
            product_id="007",
            title="Red shoe",
            description="Soft & light",
            category="shoes",
            price=39.9,
            currency="USD",
            rating=4.5,
            stock=0,
            created_at="2024-05-01T08:00:00+00:00",
            attributes={"width": "wide", "vegan": True, "drop": 8},
            titles={"zh": "红鞋"},
            descriptions={"zh": "轻"},
        ),
        Product(product_id="008", title="Blue shoe"),
    ]
    assert said == [f"{path}: columns ignored: margin, title_zh_TW"]


def test_a_parquet_catalogue_may_have_structs_numbers_and_times(tmp_path: Path) -> None:
    rows = [
        {"product_id": 12, "title": "Lamp", "size": 42.0, "attributes": {"watt": 5, "dim": None},
         "created_at": datetime(2024, 5, 1, tzinfo=UTC), "in_stock": False},
        {"product_id": 13, "title": "Bulb", "size": None, "attributes": None, "created_at": None, "in_stock": True},
    ]  # fmt: skip
    path = tmp_path / "shop.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert read_catalogue(path, silent) == [
        Product("12", "Lamp", size="42", attributes={"watt": 5}, created_at="2024-05-01T00:00:00+00:00", stock=0),
        Product("13", "Bulb"),
    ]


def test_a_product_id_that_repeats_is_named_with_both_rows() -> None:
    assert problem_of(SHOE, {**SHOE, "product_id": "s2"}, SHOE) == "shop.csv: row 3: product_id s1 is also in row 1"


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"product_id": " "}, "product_id: ' ' is empty or has control characters"),
        ({"product_id": 1.0}, "product_id: 1.0 is no id"),
        ({"title": "\x00"}, "title is empty"),
        ({"title": ["a"]}, "title ['a'] is not text"),
        ({"price": "free"}, "price 'free' is not a number 0 or more"),
        ({"price": -1}, "price -1 is not a number 0 or more"),
        ({"price": "NaN"}, "price 'NaN' is not a number 0 or more"),
        ({"price": float("inf")}, "price inf is not a number 0 or more"),
        ({"price": True}, "price True is not a number 0 or more"),
        ({"rating": "5.1"}, "rating '5.1' is not a number from 0 to 5"),
        ({"stock": "2.5"}, "stock '2.5' is not a whole number"),
        ({"stock": float("nan")}, "stock nan is not a whole number"),
        ({"in_stock": "maybe"}, "in_stock 'maybe' is neither true nor false"),
        ({"created_at": "2024-02-30"}, "created_at '2024-02-30' is not an ISO 8601 date"),
        ({"created_at": 1714521600}, "created_at 1714521600 is not an ISO 8601 date"),
        ({"attributes": "[1]"}, "attributes '[1]' is not a JSON object"),
        ({"attributes": "{"}, "attributes '{' is not a JSON object"),
        ({"attributes": {"a": {"b": 1}}}, "attributes has a = {'b': 1}, which is neither text, number nor flag"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row_column_and_value(cells: Row, problem: str) -> None:
    other: Row = {"product_id": "s0", "title": "Hat"}
    assert problem_of(other, {**SHOE, **cells}).startswith(f"shop.csv: row 2: {problem}")


def test_a_second_currency_is_refused_once() -> None:
    rows = [{**SHOE, "product_id": i, "currency": c} for i, c in enumerate(["USD", "", "EUR", "EUR"])]
    assert problem_of(*rows) == "shop.csv: row 3: currency EUR, but row 1 has USD; a catalogue has one"


def test_ten_problems_are_told_at_once_and_no_more() -> None:
    told = problem_of(*({"product_id": i, "title": "Hat", "price": "x"} for i in range(30)))
    assert told.count("price 'x'") == 10


def test_a_catalogue_without_rows_is_refused() -> None:
    assert problem_of() == "shop.csv has no products"


@pytest.mark.parametrize(
    ("given_stock", "stock"),
    [
        ({"stock": "3"}, 3),
        ({"stock": 3.0}, 3),
        ({"stock": "-2"}, -2),
        ({"in_stock": "False"}, 0),
        ({"in_stock": True}, None),
        ({"in_stock": True, "stock": 4}, 4),
    ],
)
def test_stock_is_pieces_and_a_mere_yes_is_unknown(given_stock: Row, stock: int | None) -> None:
    assert read_products([{**SHOE, **given_stock}], "shop", silent) == [Product("s1", "Red shoe", stock=stock)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 9, tzinfo=timezone(timedelta(hours=8))), "2024-05-01T01:00:00+00:00"),
        ("2024-05-01T09:00:00", "2024-05-01T09:00:00"),
        ("2024-05-01T09:00:00Z", "2024-05-01T09:00:00+00:00"),
    ],
)
def test_times_with_a_zone_become_utc(value: object, text: str) -> None:
    assert read_products([{**SHOE, "created_at": value}], "shop", silent)[0].created_at == text


@pytest.mark.parametrize(
    ("product", "text"),
    [
        (Product("1", "Acme red shoe", brand="ACME", color="Red", material="mesh", category="shoe"),
         "Acme red shoe mesh"),
        (Product("1", "Tailored jacket", color="red"), "Tailored jacket red"),
        (Product("1", "红色运动鞋", color="红色", category="鞋子"), "红色运动鞋 鞋子"),
        (Product("1", "Lamp", description="long", titles={"zh": "灯", "es": "Lámpara"}), "Lamp 灯 Lámpara"),
    ],
)  # fmt: skip
def test_the_text_of_a_product_adds_only_what_its_title_does_not_say(product: Product, text: str) -> None:
    assert product_text(product) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>one</li><li>two</li></ul>", "one two"),
        ("3 < 5 &amp;&nbsp;caf&eacute;", "3 < 5 & café"),
        ("<style>p{}</style>a<!-- b --> c", "a c"),
        ("<![odd[ x", "<!odd[ x"),
    ],
)
def test_markup_is_read_as_a_browser_shows_it(html: str, text: str) -> None:
    assert plain_text(html) == text


CELL = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.dates(), st.datetimes(),
    st.sampled_from(["<![x[", "&#xd800;", "1e999", "9" * 400, 10**400, '{"a": NaN}', '{"a": [1]}', "nan"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
COLUMNS = ["product_id", "title", "description", "price", "rating", "stock", "in_stock", "created_at", "attributes"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([*COLUMNS, "currency", "title_zh", "x"]), CELL), max_size=4))
def test_garbage_rows_give_products_that_can_be_written_or_bad_input(rows: list[Row]) -> None:
    with contextlib.suppress(BadInput):
        for product in read_products(rows, "shop", silent):
            product_text(product).encode()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80), ending=st.sampled_from(["csv", "tsv", "jsonl"]))
def test_a_garbage_file_gives_nothing_but_bad_input(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"shop.{ending}"
    header = {
        "csv": b"product_id,title\n",
        "tsv": b"product_id\ttitle\n",
        "jsonl": b'{"product_id": "1", "title": "a"}\n',
    }
    path.write_bytes(header[ending] + content)
    with contextlib.suppress(BadInput):
        read_catalogue(path, silent)
