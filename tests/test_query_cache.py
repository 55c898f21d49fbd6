"""What was said of frequent queries: kept under a bundle's id, and a search that takes it answers as it did before."""

import gzip
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from world import search_world

from aisle.cli import main
from aisle.errors import BundleError
from aisle.files import LocalFiles
from aisle.query_cache import QueryCache, file_of, packed, unpacked
from aisle.runtime import open_services
from aisle.search import Search
from aisle.settings import Settings
from aisle.types import Filters, SearchRequest, SearchResponse

QUERIES = ["red circle", "blue square", "round thing"]


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return search_world(tmp_path)


def cached(search: Search, cache: QueryCache) -> Search:
    return Search(search.parts, search.bundle_id, search._clock, cache=cache)


def shown(answer: SearchResponse) -> object:
    return msgspec.structs.replace(answer, timings_ms={})


def read_whole(files: LocalFiles, bundle_id: str) -> QueryCache:
    cache = QueryCache.reading(files, bundle_id)
    for thread in threading.enumerate():
        if thread.name == "query-cache":
            thread.join()
    return cache


def test_a_search_that_is_kept_answers_as_it_did_when_it_was_read(search: Search) -> None:
    quick = cached(search, QueryCache(dict(map(search.said, QUERIES))))
    for query in QUERIES:
        for request in (SearchRequest(query), SearchRequest(query, filters=Filters(color=["red"]), explain=True)):
            assert shown(quick.search(request, "q")) == shown(search.search(request, "q"))


def test_what_is_kept_is_taken_for_the_cross_encoders_word(search: Search) -> None:
    text, said = search.said("red circle")
    assert text == "red circle"
    assert said
    worst = min(said, key=lambda product_id: (said[product_id], product_id))
    turned = cached(search, QueryCache({text: {**said, worst: 50.0}}))
    told = turned.search(SearchRequest("red circle", explain=True), "q")
    crosses = {hit.product_id: (hit.explain or {}).get("cross") for hit in told.hits}
    assert crosses[worst] == 50.0


def test_a_query_is_found_however_it_is_written() -> None:
    assert QueryCache({"red circle": {"c1": 1.0}}).find("Red  CIRCLE") == {"c1": 1.0}


def test_queries_that_are_read_alike_share_what_was_said(tiny_bundle: Path) -> None:
    services = open_services(Settings(bundle=tiny_bundle))
    both, plain = services.precompute(["red shoes", "red shoes under 50"]), services.precompute(["red shoes"])
    assert [*both] == [*plain] == ["red shoes"]
    assert both["red shoes"].keys() == plain["red shoes"].keys()


def test_a_query_that_lacks_one_product_is_read_whole(search: Search) -> None:
    text, said = search.said("red circle")
    half = dict(list(said.items())[1:])
    assert shown(cached(search, QueryCache({text: half})).search(SearchRequest("red circle"), "q")) == shown(
        search.search(SearchRequest("red circle"), "q")
    )


def test_a_query_without_words_has_nothing_to_keep(search: Search) -> None:
    assert search.said("!!") == ("!!", {})


def test_the_file_holds_what_was_said_for_one_bundle() -> None:
    queries = {"red": {"c1": 0.5, "s1": -1.25}}
    assert packed("b1", queries) == packed("b1", queries)
    assert unpacked(packed("b1", queries), "b1") == queries
    with pytest.raises(BundleError, match="the query cache is of bundle b1, not of b2"):
        unpacked(packed("b1", queries), "b2")


@pytest.mark.parametrize("content", [b"", b"{}", gzip.compress(b"{}"), gzip.compress(b"\xff"), packed("b1", {})[:-4]])
def test_a_broken_file_is_told_and_never_served(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="the query cache of b1 cannot be read"):
        unpacked(content, "b1")
    files = LocalFiles(tmp_path)
    files.write(file_of("b1"), content)
    assert read_whole(files, "b1").find("red") is None


def test_a_cache_is_read_beside_the_searches_and_is_empty_where_there_is_none(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    assert read_whole(files, "b1").find("red") is None
    files.write(file_of("b1"), packed("b1", {"red": {"c1": 0.5}}))
    assert read_whole(files, "b1").find("red") == {"c1": 0.5}
    assert read_whole(files, "b2").find("red") is None


def test_logits_survive_the_file_as_they_were(search: Search) -> None:
    text, said = search.said("blue square")
    again = unpacked(packed("b", {text: said}), "b")[text]
    assert {p: np.float32(v) for p, v in again.items()} == {p: np.float32(v) for p, v in said.items()}


def test_a_laptop_precomputes_into_a_folder_and_serves_from_it(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries, out = tmp_path / "queries.tsv", tmp_path / "cache"
    queries.write_text("query_id\tquery\n1\tred shoes\n2\t运动鞋\n", encoding="utf-8")
    assert main(["batch", "frequent", str(tiny_bundle), str(queries), "--out", str(out)]) == 0
    plain = open_services(Settings(bundle=tiny_bundle))
    name = file_of(plain.bundle_id)
    assert msgspec.json.decode(capsys.readouterr().out) == {"file": str(out / name), "queries": 2}
    kept = plain.precompute(["red shoes", "运动鞋"])
    assert unpacked((out / name).read_bytes(), plain.bundle_id) == kept
    said = dict.fromkeys(kept["red shoes"], 0.25)
    LocalFiles(out).write(name, packed(plain.bundle_id, {"red shoes": said}))
    served = open_services(Settings(bundle=tiny_bundle, query_cache=str(out)))
    for thread in threading.enumerate():
        if thread.name == "query-cache":
            thread.join()
    request = SearchRequest("red shoes", rerank="student", explain=True)
    crosses = [(hit.explain or {}).get("cross") for hit in served.search(request, "q").hits]
    assert {*crosses} == {0.25}
