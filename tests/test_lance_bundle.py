"""A bundle whose products lie in a table: how it comes to be, and what its service answers and refuses."""

import json
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from aisle.bundle import Bundle
from aisle.cli import main
from aisle.errors import BadInput
from aisle.golden import Golden
from aisle.http import build_app
from aisle.indexing import reindex
from aisle.runtime import Services, open_services
from aisle.settings import Settings
from aisle.table_indexing import reindex_at
from aisle.types import Filters, OverlayChange, OverlayRequest, SearchRequest

pytest.importorskip("lancedb", reason="needs lancedb: pip install 'aisle[lance]'")

MADE_AT = "2026-01-02T03:04:05+00:00"


@pytest.fixture(scope="module")
def pair(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Services, Services]:
    """One catalogue in the bundle, and in a table."""
    folder, bundle = tmp_path_factory.mktemp("pair"), Bundle.open(tiny_bundle)
    catalogue = folder / "catalogue.jsonl"
    shutil.copyfile(tiny_bundle / "products.jsonl", catalogue)
    whole = reindex(bundle, catalogue, folder / "whole", None, MADE_AT, 1, lambda _: None)
    table = str(folder / "lance")
    stored = reindex_at(bundle, catalogue, folder / "stored", None, table, MADE_AT, 1, lambda _: None)
    return Services(whole, threads=1), Services(stored, threads=1)


@pytest.fixture
def stored(pair: tuple[Services, Services]) -> Services:
    return Services(pair[1].bundle, threads=1)  # with an overlay of its own


@pytest.fixture
def client(stored: Services) -> Iterator[TestClient]:
    with TestClient(build_app(stored, Settings()), raise_server_exceptions=False) as client:
        yield client


def test_it_answers_as_the_bundle_that_holds_its_products(pair: tuple[Services, Services]) -> None:
    whole, stored = pair
    queries = [golden.query for golden in Golden.load(whole.bundle.file("golden.json")).queries]
    for query in [*queries, "", "redd shoos", "红色", "shoes under 40"]:
        for filters in (Filters(), Filters(in_stock=True, color=["black", "red"])):
            request = SearchRequest(query, filters=filters, rerank="student", budget_ms=10_000, facets=["brand"])
            one, other = whole.search(request, "q"), stored.search(request, "q")
            assert [hit.product_id for hit in other.hits] == [hit.product_id for hit in one.hits]
            assert (other.relaxed, other.understood) == (one.relaxed, one.understood)
            assert (other.total, other.facets, other.degraded) == (one.total, one.facets, one.degraded)


def test_it_carries_no_product(stored: Services) -> None:
    folders = {file.path.partition("/")[0] for file in stored.bundle.manifest.files}
    assert folders & {"products.jsonl", "columns", "lexical", "dense", "recommender"} == set()
    assert {"catalogue.json", "words", "values.json", "suggest", "understanding"} <= folders


def test_what_is_known_of_everybodys_choice_is_that_of_the_catalogue(pair: tuple[Services, Services]) -> None:
    from aisle.personal import Usual
    from aisle.runtime import open_search
    from aisle.table_indexing import Survey

    products = open_search(pair[0].bundle.path, "x", 1).parts
    survey = Survey()
    survey.add([products.products[row] for row in range(len(products.products))])
    told, known = survey.usual(), Usual.of(products.columns)
    assert (told.size.tolist(), told.level.tolist()) == (known.size.tolist(), known.level.tolist())
    assert {f: s.counts.tolist() for f, s in told.shares.items()} == {
        f: s.counts.tolist() for f, s in known.shares.items()
    }


def test_the_service_answers_what_it_can(client: TestClient, stored: Services) -> None:
    assert client.get("/v1/health").json()["products"] == 60
    found = client.post("/v1/search", json={"query": "red", "k": 1, "budget_ms": 10000}).json()
    hit = found["hits"][0]
    assert next(iter(found["timings_ms"])) == "gather"
    assert client.get(f"/v1/products/{hit['product_id']}").json()["product"]["title"] == hit["title"]
    assert client.get("/v1/products/none").status_code == 404
    ranked = client.post("/v1/rerank", json={"query": "red", "documents": ["a red shoe", "a mug"]}).json()
    assert len(ranked["results"]) == 2
    assert client.get("/v1/suggest", params={"q": ""}).json()["suggestions"]


def test_the_service_says_that_it_recommends_nothing(client: TestClient, stored: Services) -> None:
    [(product, _)] = stored.ranking("red", 1)
    answer = client.get(f"/v1/products/{product}/similar")
    assert answer.status_code == 404
    assert "its catalogue lies in a table" in answer.json()["detail"]


def test_what_changed_since_is_laid_over_what_is_gathered(stored: Services) -> None:
    [(first, _), (second, _)] = stored.ranking("shoes", 2)
    new = {"product_id": "new", "title": "Quixotic glass slippers", "price": 3}
    stored.overlay(OverlayRequest([OverlayChange(first, hidden=True), OverlayChange(second, price=1.5)], [new]))
    hits = stored.search(SearchRequest("shoes", k=50, budget_ms=10_000), "q").hits
    assert first not in {hit.product_id for hit in hits}
    assert {hit.price for hit in hits if hit.product_id == second} <= {1.5}
    assert stored.product(second, None).product.price == 1.5
    assert stored.search(SearchRequest("quixotic slippers"), "q").hits[0].product_id == "new"
    assert stored.product("new", None).product.price == 3
    assert first in {product for product, _ in stored.ranking("shoes", 50)}  # the sealed bundle is what it was


def test_an_added_product_that_the_table_holds_by_now_is_what_the_table_says(pair: tuple[Services, Services]) -> None:
    whole, stored = (Services(services.bundle, threads=1) for services in pair)
    [(known, _)] = whole.ranking("red shoes", 1)
    catalogues = whole.product(known, None).product
    old: dict[str, object] = {"product_id": known, "title": "Quixotic glass slippers", "color": "glassy"}
    new: dict[str, object] = {"product_id": "new", "title": "Quixotic wooden clogs", "color": "glassy"}
    for services in (whole, stored):
        services.overlay(OverlayRequest([], [old, new]))
        for filters in (Filters(), Filters(color=["glassy"])):
            hits = services.search(SearchRequest("quixotic", filters=filters, budget_ms=10_000), "q").hits
            assert [hit.product_id for hit in hits if hit.color == "glassy"] == ["new"]
        assert services.product(known, None).product.title == catalogues.title
    services.overlay(OverlayRequest([OverlayChange(known, price=1.25)]))
    assert stored.product(known, None).product.price == 1.25


def test_an_added_product_does_not_keep_filters_that_nothing_else_keeps(pair: tuple[Services, Services]) -> None:
    request = SearchRequest("shoes", filters=Filters(brand=["nobody"]), k=50, rerank="none", budget_ms=10_000)
    new: dict[str, object] = {"product_id": "new", "title": "Quixotic shoes", "brand": "Quix"}
    answers = []
    for services in (Services(services.bundle, threads=1) for services in pair):
        services.overlay(OverlayRequest([], [new]))
        answers.append(services.search(request, "q"))
    one, other = answers
    assert len(other.hits) > 1
    assert {hit.product_id for hit in other.hits} == {hit.product_id for hit in one.hits}
    assert (other.relaxed, other.total) == (["brand"], one.total)


def test_the_command_line_knows_such_a_bundle(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue, out, table = tmp_path / "catalogue.csv", tmp_path / "bundle", tmp_path / "table"
    rows = ["7,Red kettle,red,30", "8,Blue kettle,blue,25", "9,Green chair,,80"]
    catalogue.write_text("\n".join(["product_id,title,color,price", *rows]))
    index = ["index", str(tiny_bundle), str(catalogue), "--out", str(out), "--catalogue-at", str(table)]
    assert main(index) == 0
    assert main(["verify", str(out)]) == 0
    assert main(["inspect", str(out)]) == 0
    capsys.readouterr()
    assert main(["search", str(out), "red kettle"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["product_id"] == "7"
    queries = tmp_path / "queries.tsv"
    queries.write_text("query_id\tquery\tproduct_id\trating\n1\tblue kettle\t8\t3\n")
    assert main(["run", str(out), str(queries)]) == 0
    assert capsys.readouterr().out.split()[2] == "8"
    assert main(["evaluate", str(out), "--queries", str(queries), "--qrels", str(queries)]) == 2
    assert "lies in a table" in capsys.readouterr().err
    again = tmp_path / "again"
    assert main(["index", str(out), str(catalogue), "--out", str(again)]) == 0
    assert open_services(Settings(bundle=again)).health().products == 3


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,Kettle,5\n2,,5\n3,Pot,-1\n", "row 2: title is empty; row 3: price '-1' is not a number 0 or more"),
        ("1,Kettle,5\n2,Pan,5\n1,Pot,1\n", "rows 1 and 3 have the same product_id"),
        ("", "has no products"),
    ],
)
def test_a_bad_catalogue_is_told_and_nothing_is_sealed(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str, told: str
) -> None:
    monkeypatch.setattr("aisle.table_indexing.CHUNK", 2)
    (tmp_path / "catalogue.csv").write_text(f"product_id,title,price\n{rows}")
    given = Bundle.open(tiny_bundle), tmp_path / "catalogue.csv", tmp_path / "out", None, str(tmp_path / "table")
    with pytest.raises(BadInput, match=told.replace("(", r"\(")):
        reindex_at(*given, MADE_AT, 1, lambda _: None)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "table").exists()


def test_of_a_bad_catalogue_no_product_is_held(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aisle.table_indexing.CHUNK", 100)
    rows = (f"{n},Kettle,{'A kettle. ' * 1000}\n" for n in range(1, 2001))  # 20 MB
    (tmp_path / "catalogue.csv").write_text("".join(["product_id,title,description\n", "0,,\n", *rows]))
    given = Bundle.open(tiny_bundle), tmp_path / "catalogue.csv", tmp_path / "out", None, str(tmp_path / "table")
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="row 1: title is empty: "):
            reindex_at(*given, MADE_AT, 1, lambda _: None)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_chunks_make_the_same_bundle_as_a_whole(
    tiny_bundle: Path, pair: tuple[Services, Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aisle.table_indexing.CHUNK", 7)
    shutil.copyfile(tiny_bundle / "products.jsonl", tmp_path / "catalogue.jsonl")
    given = Bundle.open(tiny_bundle), tmp_path / "catalogue.jsonl", tmp_path / "out", None, str(tmp_path / "table")
    made = reindex_at(*given, MADE_AT, 1, lambda _: None)
    files = {file.path: file.sha256 for file in made.manifest.files}
    differing = {file.path for file in pair[1].bundle.manifest.files if files[file.path] != file.sha256}
    assert differing <= {"catalogue.json", "golden.json"}
