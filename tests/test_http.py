"""The HTTP surface over six products: each route's answer by whole value, each bad request by its problem document."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from starlette.testclient import TestClient
from world_http import TinyServices

from aisle import __version__
from aisle.docs_page import example_url
from aisle.errors import BadInput, BundleError, Unavailable
from aisle.http import ANSWERING_MS, MAX_ANSWER_BYTES, build_app
from aisle.identity import Caller, Identity
from aisle.keys import Keys, make_key, sign_shopper, with_key
from aisle.openapi import ANSWERS, EXAMPLES, document
from aisle.operations import OPERATIONS
from aisle.parameters import parse_filters
from aisle.pseudonyms import Pseudonyms
from aisle.settings import Settings
from aisle.types import Facet, Filters, OverlayRequest, OverlayResponse, Range, SearchRequest, SearchResponse

APP = build_app(TinyServices(), Settings(max_body_bytes=2000))
NAMED = {"x-request-id": "test-1"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(APP, raise_server_exceptions=True) as client:
        yield client


def problem(response: httpx2.Response) -> tuple[int, str, str]:
    """(status, detail, remedy), once the rest of the document has been checked."""
    document = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert set(document) == {"title", "status", "detail", "remedy", "request_id"}
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["status"] == response.status_code
    return response.status_code, document["detail"], document["remedy"]


RED_HAT = {
    "product_id": "hat-red",
    "score": 1.0,
    "title": "Red hat",
    "in_stock": True,
    "price": 15.0,
    "brand": "Zenith",
    "category": "hats",
    "color": "red",
}
RED_HAT_FOUND = {
    "bundle_id": "tiny",
    "total": 3,
    "understood": {},
    "relaxed": [],
    "degraded": [],
    "facets": {"brand": [{"value": "Zenith", "count": 1}, {"value": "Acme", "count": 2}]},
    "hits": [RED_HAT],
    "timings_ms": {"lexical": 0.5, "total": 1.25},
    "redirect": None,
}


def without_query_id(response: httpx2.Response) -> dict[str, Any]:
    answer: dict[str, Any] = response.json()
    assert len(answer.pop("query_id")) == 32
    answer["facets"]["brand"].sort(key=lambda row: row["count"])
    return answer


def test_a_posted_search_answers_with_hits_facets_and_timings(client: TestClient) -> None:
    body = {"query": "red hat", "k": 1, "filters": {"price": {"lte": 50}, "in_stock": True}, "facets": ["brand"]}
    response = client.post("/v1/search", json=body, headers=NAMED)
    assert (response.status_code, without_query_id(response)) == (200, RED_HAT_FOUND)
    assert response.headers["server-timing"] == "lexical;dur=0.500, total;dur=1.250"
    assert response.headers["x-request-id"] == "test-1"


def test_a_search_link_answers_as_the_same_posted_search_does(client: TestClient) -> None:
    response = client.get("/v1/search?q=red+hat&k=1&filter=price:..50&filter=in_stock:true&facets=brand")
    assert (response.status_code, without_query_id(response)) == (200, RED_HAT_FOUND)


def test_every_parameter_of_a_link_reaches_the_search() -> None:
    asked: list[SearchRequest] = []

    class Recorder(TinyServices):
        def search(self, request: SearchRequest, query_id: str, caller: Caller) -> SearchResponse:
            asked.append(request)
            return super().search(request, query_id, caller)

    link = (
        "/v1/search?q=鞋&k=7&page=3&lang=zh&sort=price_asc&rerank=none&facets=brand,color&explain=true&personal=false"
        "&budget_ms=12.5&filter=price:10..50&filter=rating:4..&filter=brand:Acme|Zenith&filter=in_stock:false&filter=category:a:b"
    )
    assert TestClient(build_app(Recorder(), Settings())).get(link).status_code == 200
    filters = Filters(
        category=["a:b"], brand=["Acme", "Zenith"], price=Range(10, 50), rating=Range(gte=4), in_stock=False
    )
    facets: list[Facet] = ["brand", "color"]
    assert asked == [SearchRequest("鞋", 7, 3, "zh", filters, "price_asc", "none", facets, True, False, 12.5)]


def shown(response: httpx2.Response) -> tuple[int, str, list[str]]:
    """Status, what the recommendations rest on, and the products."""
    answer = response.json()
    assert response.headers["server-timing"] == "total;dur=0.250"
    return response.status_code, answer["route"], [row["hit"]["product_id"] for row in answer["hits"]]


def test_a_recommendation_link_answers_as_the_same_posted_request_does(client: TestClient) -> None:
    link = client.get("/v1/recommendations?k=2&exclude=mug,hat-green&filter=in_stock:true&diversity=0&new=true")
    body = {"k": 2, "exclude": ["mug", "hat-green"], "filters": {"in_stock": True}, "diversity": 0, "new": True}
    posted = client.post("/v1/recommendations", json=body)
    assert shown(link) == shown(posted) == (200, "popular", ["hat-red", "shoe-red-42"])


def test_what_stands_beside_a_product(client: TestClient) -> None:
    assert shown(client.get("/v1/products/hat-red/similar")) == (200, "content", ["hat-green"])
    together = (200, "behaviour", ["shoe-red-42"])
    assert shown(client.get("/v1/products/hat-red/together?k=1")) == together
    assert problem(client.get("/v1/products/none/similar"))[0] == 404


SK = make_key("secret", b"\2" * 32)
PSEUDONYMS = Pseudonyms(b"\7" * 32)
KNOWING = build_app(
    TinyServices(),
    Settings(),
    identify=Identity(lambda: with_key(Keys(), SK, ""), lambda: PSEUDONYMS, lambda: 1_800_000_000.0),
)


def test_a_shopper_token_makes_an_answer_somebodys_own_and_is_kept_by_no_cache() -> None:
    client, token = TestClient(KNOWING), {"x-shopper-token": sign_shopper("ann", SK, 1_800_000_000)}
    assert shown(client.get("/v1/recommendations?k=1", headers=token)) == (200, "behaviour", ["shoe-red-43"])
    assert shown(client.get("/v1/recommendations?k=1")) == (200, "popular", ["mug"])
    profile = client.get("/v1/profile", headers=token)
    assert profile.json()["used_for"] == [PSEUDONYMS.of("ann")]
    assert client.delete("/v1/profile", headers=token).json() == {"forgotten_at": "2026-01-31T12:00:00.000Z"}
    for path in ("/v1/recommendations", "/v1/search?q=mug", "/v1/profile"):
        assert client.get(path, headers=token).headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"x-shopper-token": "ann"}, {"x-shopper-token": SK}])
def test_without_a_valid_token_there_is_no_profile(method: str, headers: dict[str, str]) -> None:
    status, detail, remedy = problem(TestClient(KNOWING).request(method, "/v1/profile", headers=headers))
    assert (status, detail) == (401, "there is no valid shopper token in the header x-shopper-token")
    assert "15 minutes" in remedy


def test_a_shopper_in_the_address_or_in_the_body_opens_nothing() -> None:
    client = TestClient(KNOWING)
    for link in ("/v1/profile?shopper=ann", "/v1/recommendations?shopper=ann"):
        assert problem(client.get(link))[0] == 400
    assert problem(client.get("/v1/profile/ann"))[0] == 404
    assert problem(client.post("/v1/recommendations", json={"shopper": "ann"}))[0] == 400


def test_while_tokens_cannot_be_checked_a_profile_is_not_denied_but_unavailable(client: TestClient) -> None:
    def silent() -> Keys:
        raise Unavailable("no answer", "wait")

    identity = Identity(silent, lambda: PSEUDONYMS, lambda: 1_800_000_000.0)
    client = TestClient(build_app(TinyServices(), Settings(), identify=identity))
    token = {"x-shopper-token": sign_shopper("ann", SK, 1_800_000_000)}
    assert problem(client.get("/v1/profile", headers=token))[0] == 503
    assert problem(client.post("/v1/events", json=EXAMPLES["POST", "/v1/events"], headers=token))[0] == 503
    assert shown(client.get("/v1/recommendations?k=1", headers=token)) == (200, "popular", ["mug"])


def test_events_are_taken_for_later(client: TestClient) -> None:
    response = client.post("/v1/events", json=EXAMPLES["POST", "/v1/events"])
    assert (response.status_code, response.json()) == (202, {"accepted": 2, "rejected": []})


def test_suggestions_begin_with_what_was_typed(client: TestClient) -> None:
    response = client.get("/v1/suggest?q=h&k=5&lang=en")
    assert response.json() == {"suggestions": [{"text": "hats", "kind": "category"}]}


def test_a_product_is_shown_in_the_language_asked_for(client: TestClient) -> None:
    product = client.get("/v1/products/hat-red?lang=zh").json()["product"]
    assert (product["product_id"], product["title"]) == ("hat-red", "红色帽子")


def test_a_product_names_the_others_of_its_group(client: TestClient) -> None:
    assert client.get("/v1/products/shoe-red-42").json()["variants"] == ["shoe-red-43"]


def test_health_names_version_and_bundle(client: TestClient) -> None:
    assert client.get("/v1/health").json() == {
        "status": "ok",
        "version": __version__,
        "bundle_id": "tiny",
        "products": 6,
    }


def test_documents_are_ranked_in_the_form_of_cohere_and_jina(client: TestClient) -> None:
    body = {"model": "any", "query": "red hat", "documents": ["mug", {"text": "a red mug", "sku": 7}, "red hat"]}
    response = client.post("/v1/rerank", json=body | {"top_n": 2, "return_documents": True}, headers=NAMED)
    assert response.json() == {
        "id": "test-1",
        "results": [
            {"index": 2, "relevance_score": 1.0, "document": {"text": "red hat"}},
            {"index": 1, "relevance_score": 0.5, "document": {"text": "a red mug", "sku": 7}},
        ],
    }


def test_texts_are_ranked_in_the_form_of_tei(client: TestClient) -> None:
    body = {"query": "red hat", "texts": ["mug", "red hat", "cup"]}
    assert client.post("/v1/rerank", json=body).json() == [
        {"index": 1, "score": 1.0},
        {"index": 0, "score": 0.0},
        {"index": 2, "score": 0.0},
    ]


def test_raw_scores_are_finite_log_odds_beside_their_texts(client: TestClient) -> None:
    body = {"query": "red hat", "texts": ["mug", "red hat", "red"], "raw_scores": True, "return_text": True}
    rows = client.post("/v1/rerank", json=body).json()
    assert [(row["index"], row["text"]) for row in rows] == [(1, "red hat"), (2, "red"), (0, "mug")]
    assert [row["score"] for row in rows] == pytest.approx([16.118, 0.0, -16.118], abs=0.001)


@pytest.mark.parametrize(
    ("query", "detail", "remedy"),
    [
        (
            "k=500",
            'parameter k is "500", which is not a whole number from 1 to 200',
            "send a whole number from 1 to 200",
        ),
        ("k=ten", 'parameter k is "ten", which is not a whole number', "send a whole number from 1 to 200"),
        ("k=", 'parameter k is "", which is not', "send a whole number from 1 to 200"),
        ("k=" + "9" * 5000, "which is not a whole number", "send a whole number from 1 to 200"),
        ("budget_ms=nan", "which is not a number from 1 to 10000", "send a number from 1 to 10000"),
        ("lang=EN", 'parameter lang is "EN"', "send text matching ^[a-z]{2,3}$"),
        (
            "sort=prise_asc",
            'parameter sort is "prise_asc"',
            "send one of newest, price_asc, price_desc, rating, relevance",
        ),
        (
            "facets=brand,colour",
            'parameter facets[1] is "colour"',
            "send one of brand, category, color, material, size",
        ),
        ("explain=maybe", 'parameter explain is "maybe"', "send true or false"),
        ("qq=shoes", 'unknown parameter "qq"', "did you mean q? allowed: q, k, page"),
        ("q=a&q=b", 'parameter "q" is given more than once', "send it once"),
        ("page=101&k=10", "page 101 of 10 hits is deeper than 1000 hits", "narrow the query, or ask for fewer"),
        ("filter=price:cheap", 'filter "price:cheap" is no range', "send price:10..50, price:..50 or price:10.."),
        ("filter=price:..", 'filter "price:.." is no range', "send price:10..50, price:..50 or price:10.."),
        ("filter=price:nan..", 'filter "price:nan.." is no range', "send price:10..50"),
        ("filter=price:50..10", "filter price starts at 50, above its end 10", "swap the two ends"),
        ("filter=colour:red", 'filter "colour:red" names no filter', "did you mean color? allowed: category, brand"),
        ("filter=red", 'filter "red" names no filter', "allowed: category, brand"),
        ("filter=brand:A||B", 'filter "brand:A||B" has an empty value', "send brand:A, or brand:A|B"),
        ("filter=brand:A&filter=brand:B", "filter brand is given more than once", "join values with |"),
        ("filter=in_stock:yes", 'filter "in_stock:yes" is neither true nor false', "send in_stock:true"),
        ("filter=brand:" + "x" * 201, "filter brand[0] is", "send text of at most 200 characters"),
    ],
)
def test_a_bad_link_is_refused_with_value_rule_and_remedy(
    client: TestClient, query: str, detail: str, remedy: str
) -> None:
    status, seen_detail, seen_remedy = problem(client.get(f"/v1/search?{query}"))
    assert status == 400
    assert detail in seen_detail
    assert seen_remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("body", "detail", "remedy"),
    [
        (
            '{"k": 500}',
            "field k is 500, which is not a whole number from 1 to 200",
            "send a whole number from 1 to 200",
        ),
        ('{"k": "5"}', 'field k is "5", which is not a whole number', "send a whole number from 1 to 200"),
        ('{"filter": {}}', 'unknown field "filter"', "did you mean filters? allowed: query, k, page"),
        (
            '{"filters": {"price": {"lt": 5}}}',
            'unknown field "lt" in filters.price',
            "did you mean lte? allowed: gte, lte",
        ),
        ('{"filters": {"price": {"lte": "5"}}}', 'field filters.price.lte is "5"', "send a number or null"),
        ('{"filters": {"brand": ["a", 3]}}', "field filters.brand[1] is 3", "send text of at most 200 characters"),
        ('{"filters": {"brand": []}}', "field filters.brand is []", "send a list of 1 to 100 entries"),
        (
            '{"filters": {"price": {"gte": 9, "lte": 1}}}',
            "filter price starts at 9, above its end 1",
            "swap the two ends",
        ),
        ('{"page": 101}', "page 101 of 10 hits is deeper than 1000 hits", "narrow the query"),
        ("[]", "the body is [], which is not", "send an object with any of query, k, page"),
        ("", "the body is no JSON that can be read", "send one JSON object, encoded as UTF-8"),
        ('{"query": ', "the body is no JSON that can be read", "send one JSON object"),
        ('{"k": "x", "query": ', "the body is no JSON that can be read", "send one JSON object"),
        ('{"budget_ms": NaN}', "the body is no JSON that can be read", "send one JSON object"),
        ('{"budget_ms": Infinity}', "the body is no JSON that can be read", "send one JSON object"),
        ('{"budget_ms": 1e999}', "the body is no JSON that can be read: Number out of range", "send one JSON object"),
        (r'{"query": "\ud800"}', "the body is no JSON that can be read", "send one JSON object"),
        (b'{"query": "\xff"}', "the body is no JSON that can be read", "send one JSON object"),
        ('{"query": "a\x01"}', "the body is no JSON that can be read", "send one JSON object"),
        ('{"x": ' + "[" * 1900 + "}", "the body", "send"),
    ],
)
def test_a_bad_body_is_refused_with_value_rule_and_remedy(
    client: TestClient, body: str | bytes, detail: str, remedy: str
) -> None:
    response = client.post("/v1/search", content=body, headers={"content-type": "application/json"})
    status, seen_detail, seen_remedy = problem(response)
    assert status == 400
    assert detail in seen_detail
    assert seen_remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"query": "hat"}, "the body has neither documents nor texts"),
        ({"query": "hat", "documents": ["a"], "texts": ["a"]}, "the body has both documents and texts"),
        ({"query": "hat", "documents": ["a", {"title": "b"}]}, 'documents[1] has no "text" that is text'),
        ({"query": "hat", "documents": [{"text": 5}]}, 'documents[0] has no "text" that is text'),
        ({"query": "hat", "texts": []}, "field texts is []"),
        ({"query": "hat", "texts": ["a"], "top_n": 0}, "field top_n is 0"),
        ({"query": "hat", "texts": ["a"], "truncate": False}, "truncate is false"),
        ({"texts": ["a"]}, "field query is missing"),
    ],
)
def test_a_bad_rerank_is_refused(client: TestClient, body: dict[str, object], detail: str) -> None:
    status, seen_detail, _ = problem(client.post("/v1/rerank", json=body))
    assert status == 400
    assert detail in seen_detail


def test_documents_that_nest_too_deeply_are_refused_and_not_a_defect() -> None:
    app = build_app(TinyServices(), Settings())
    for depth in (300, 900, 960, 980, 990, 1000, 100_000):
        body = '{"query": "q", "return_documents": true, "documents": [{"text": "a", "x": %s%s}]}'
        response = TestClient(app).post(
            "/v1/rerank", content=body % ("[" * depth, "]" * depth), headers={"content-type": "application/json"}
        )
        assert response.status_code in (200, 400)
    assert problem(response)[:2] == (400, "the body nests too deeply")


def test_control_characters_and_lone_surrogates_in_a_link_are_only_odd_queries(client: TestClient) -> None:
    assert client.get("/v1/search?q=%00%1F%ED%A0%80%FF").status_code == 200
    assert client.get("/v1/products/%00%ED%A0%80").status_code == 404


def test_a_body_that_is_not_declared_as_json_gets_415(client: TestClient) -> None:
    response = client.post("/v1/search", content="query=shoes", headers={"content-type": "text/plain"})
    assert problem(response)[0] == 415


def test_a_body_over_the_limit_gets_413_whether_its_length_is_declared_or_not(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    declared = client.post("/v1/search", content=b"x" * 2001, headers=headers)
    streamed = client.post("/v1/search", content=(b"x" * 1000 for _ in range(3)), headers=headers)
    assert problem(declared)[:2] == (413, "the body has 2001 bytes, more than 2000")
    assert problem(streamed)[:2] == (413, "the body has more than 2000 bytes")


def test_an_unknown_path_gets_404_and_an_unknown_product_too(client: TestClient) -> None:
    assert problem(client.get("/v1/searches"))[:2] == (404, "there is no /v1/searches")
    assert problem(client.get("/v1/search/"))[0] == 404
    assert problem(client.get("/v1/products/sock"))[:2] == (404, "there is no product 'sock'")


def test_a_wrong_method_gets_405_and_the_methods_that_are_taken(client: TestClient) -> None:
    response = client.delete("/v1/search")
    assert problem(response)[:2] == (405, "/v1/search does not take DELETE")
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_query_parameters_beside_a_body_are_refused(client: TestClient) -> None:
    assert problem(client.post("/v1/search?k=3", json={}))[1:] == ('unknown parameter "k"', "allowed: none")


def test_an_odd_request_id_is_replaced(client: TestClient) -> None:
    for odd in ("a b", "x" * 65, "<script>", ""):
        given_id = client.get("/v1/health", headers={"x-request-id": odd}).headers["x-request-id"]
        assert given_id != odd
        assert len(given_id) == 32


class BrokenServices(TinyServices):
    def suggest(self, query: str, k: int, lang: str | None) -> Any:
        raise RuntimeError("secret path /opt/aisle")

    def search(self, request: SearchRequest, query_id: str, caller: Caller) -> SearchResponse:
        raise BundleError("/opt/aisle/bundle is damaged", "rebuild it")


@pytest.mark.parametrize(("path", "status"), [("/v1/suggest?q=a", 500), ("/v1/search", 503)])
def test_our_own_failures_are_logged_and_told_without_internals(
    path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(build_app(BrokenServices(), Settings()))
    with caplog.at_level(logging.ERROR, "aisle.problems"):
        response = client.get(path, headers=NAMED)
    assert problem(response)[0] == status
    assert "/opt/aisle" not in response.text
    assert "/opt/aisle" in caplog.text
    assert "request test-1" in caplog.text


def test_an_app_of_other_functions_has_none_of_searchs_routes() -> None:
    client = TestClient(build_app(TinyServices(), Settings(), functions=("recommend",)))
    assert [client.get(path).status_code for path in ("/v1/search", "/docs", "/openapi.json")] == [404, 404, 404]


def test_the_examples_of_the_document_are_answered_and_their_answers_have_the_declared_types() -> None:
    client = TestClient(KNOWING, headers={"x-shopper-token": sign_shopper("ann", SK, 1_800_000_000)})
    for operation in OPERATIONS:
        key = operation.method, operation.path
        msgspec.json.decode(json.dumps(ANSWERS[key]), type=operation.response)
        body = {} if operation.body is None else {"json": EXAMPLES[key]}
        assert client.request(operation.method, example_url(*key), **body).status_code == operation.status


def test_the_docs_page_shows_every_operation_without_scripts_or_foreign_sources(client: TestClient) -> None:
    response = client.get("/docs")
    for operation in OPERATIONS:
        assert f"<b>{operation.method}</b> <code>{operation.path}</code>" in response.text
    assert "<script" not in response.text
    assert "src=" not in response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_the_document_is_served_and_names_this_version(client: TestClient) -> None:
    served = client.get("/openapi.json").json()
    assert served == json.loads(json.dumps(document()))
    assert (served["openapi"], served["info"]["version"]) == ("3.1.0", __version__)


filter_texts = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.builds(
            "{}:{}".format, st.sampled_from(Filters.__struct_fields__), st.text("0123456789.-|true ", max_size=9)
        ),
    ),
    max_size=3,
)


@given(filter_texts)
@settings(max_examples=200, deadline=None)
def test_any_filter_text_is_read_or_refused_as_bad_input(texts: list[str]) -> None:
    try:
        filters = parse_filters(texts)
    except BadInput:
        return
    assert set(json.loads(msgspec.json.encode(filters))) == {text.partition(":")[0] for text in texts}


# Rules across fields (page * k, both ends of a range, cut texts) are beyond a schema: such data may be refused.
BEYOND_A_SCHEMA: list[Any] = [positive_data_acceptance]
# In a link any value is a list of texts, so what stands for another type is none that could be refused.
OF_FREE_LISTS: list[Any] = [*BEYOND_A_SCHEMA, negative_data_rejection]
contract = schemathesis.openapi.from_asgi("/openapi.json", build_app(TinyServices(), Settings()))


@contract.parametrize()
@settings(max_examples=15, deadline=None)
def test_the_service_does_what_its_document_says(case: schemathesis.Case[Any]) -> None:
    free = "exclude" in (case.query or {})
    case.call_and_validate(excluded_checks=OF_FREE_LISTS if free else BEYOND_A_SCHEMA)


class Rich:
    """Answers a search with a title of so many bytes, and remembers the budget that it was given."""

    def __init__(self, size: int = 0) -> None:
        self.size, self.budget_ms = size, 0.0

    def search(self, request: SearchRequest, query_id: str, caller: Caller) -> SearchResponse:
        self.budget_ms = request.budget_ms
        answer = TinyServices().search(request, query_id, caller)
        return msgspec.structs.replace(answer, redirect="x" * self.size)

    def overlay(self, request: OverlayRequest) -> OverlayResponse:
        raise NotImplementedError


class Invocation:
    """A Lambda context with so many milliseconds left."""

    aws_request_id = "invocation-1"

    def __init__(self, left_ms: int) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@pytest.mark.parametrize(("left_ms", "budget_ms"), [(29_000, 300), (400, 400 - ANSWERING_MS), (100, 1)])
def test_the_budget_is_what_is_left_of_the_invocation(left_ms: int, budget_ms: float) -> None:
    services = Rich()
    app = build_app(services, Settings())

    async def in_lambda(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"aws.context": Invocation(left_ms)}, receive, send)

    assert TestClient(in_lambda).get("/v1/search?q=red").status_code == 200
    assert services.budget_ms == budget_ms


def test_an_answer_that_lambda_could_not_carry_is_refused_with_what_to_do() -> None:
    response = TestClient(build_app(Rich(MAX_ANSWER_BYTES), Settings())).get("/v1/search?q=red")
    assert (response.status_code, response.json()["remedy"]) == (413, "ask for fewer hits")


def test_every_answer_is_observed_and_no_refusal_is() -> None:
    seen: list[object] = []
    client = TestClient(build_app(TinyServices(), Settings(), observe=seen.append))
    for path in ("/v1/health", "/v1/search?q=mug", "/v1/search?k=0", "/v1/products/none"):
        client.get(path)
    assert [type(answer).__name__ for answer in seen] == ["Health", "SearchResponse"]
