"""The storefront's own server: its files, how they are guarded, and the login that stands in for a shop's."""

import gzip
import re
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aisle.errors import AisleError
from aisle.keys import LONGEST_S, Keys, make_key, verify_shopper, with_key
from aisle.problems import RequestIds, aisle_problem
from aisle.storefront import CONTENT_SECURITY_POLICY, PAGE, VIEWS, storefront_routes

KEY = make_key("secret", bytes(range(32)))
SHOPPERS = ["ada", "bao"]
MOST_BYTES = 60_000  # of all files together, as they travel


@pytest.fixture
def shop() -> Iterator[TestClient]:
    app = Starlette(routes=storefront_routes(KEY, SHOPPERS), exception_handlers={AisleError: aisle_problem})
    app.add_middleware(RequestIds)
    with TestClient(app, base_url="http://shop.test") as client:
        yield client


def test_every_view_is_the_one_page_and_every_file_of_it_is_there(shop: TestClient) -> None:
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert [shop.get(view).text == page for view in VIEWS] == [True] * len(VIEWS)
    named = re.findall(r'"(/shop/[^"]+)"', page)
    assert sorted({f"/shop/{path.name}" for path in PAGE.glob("*.js")} - {*named}) == []
    assert [name for name in named if shop.get(name).status_code != 200] == []


def test_modules_import_files_that_are_there_and_names_that_those_export() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.js")}
    exported = {
        name: {*re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", text, re.MULTILINE)}
        for name, text in sources.items()
    }
    for text in sources.values():
        for names, file in re.findall(r'^import \{([^}]*)\} from "\./([^"]+)"', text, re.MULTILINE):
            assert {name.strip() for name in names.split(",")} - exported[file] == set()


def test_each_file_is_guarded_and_asked_for_again_by_its_etag(shop: TestClient) -> None:
    for path in ("/", "/shop/app.js", "/shop/shop.css", "/shop/icon.svg"):
        answer = shop.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache"
        again = shop.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_a_file_travels_packed_where_the_browser_takes_that(shop: TestClient) -> None:
    plain = shop.get("/shop/words.js", headers={"accept-encoding": "identity"})
    packed = shop.get("/shop/words.js", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == (PAGE / "words.js").read_bytes()


def test_the_whole_shop_is_small() -> None:
    assert sum(len(gzip.compress(path.read_bytes())) for path in PAGE.iterdir()) < MOST_BYTES


def test_no_file_names_another_host_or_makes_elements_out_of_text() -> None:
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://[\w.]+|innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(", text) == []
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|<script(?! type=\"module\" src=)|\sstyle=|\son\w+=", page) == []


def test_logging_in_answers_a_token_of_the_shop(shop: TestClient) -> None:
    assert shop.get("/shop/shoppers").json() == {"shoppers": SHOPPERS}
    answer = shop.post("/shop/login", json={"shopper": "ada"})
    assert answer.headers["cache-control"] == "no-store"
    assert {**answer.json(), "token": ""} == {"shopper": "ada", "token": "", "expires_in_s": LONGEST_S}
    keys = with_key(Keys(), KEY, "")
    assert verify_shopper(answer.json()["token"], keys, time.time()) == "ada"
    assert verify_shopper(answer.json()["token"], keys, time.time() + LONGEST_S) is None


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b'{"shopper": "eve"}', "application/json", 404),
        (b'{"shopper": ""}', "application/json", 400),
        (b'{"shopper": "ada", "admin": true}', "application/json", 400),
        (b"shopper=ada", "application/x-www-form-urlencoded", 415),
        (b'{"shopper": "ada"}', "text/plain", 415),
        (b'{"shopper": "' + b"a" * 1000 + b'"}', "application/json", 413),
    ],
)
def test_nobody_else_logs_in(shop: TestClient, body: bytes, media_type: str, status: int) -> None:
    assert shop.post("/shop/login", content=body, headers={"content-type": media_type}).status_code == status
