"""The storefront in a real Chromium, over a real `aisle serve` of sixty products.

It proves what a shopper does and sees: searching, filtering, choosing a language, buying, a home page that learns, a
profile that can be looked at and deleted; and what must not happen: markup that comes alive, requests to elsewhere,
complaints in the console, a page that somebody without a mouse or with a phone cannot use.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request as Asked
from urllib.request import urlopen

import pytest

pytest.importorskip("selenium", reason="drives a browser: needs the dev extra")

from browser import AXE, CHROMIUM, DRIVER, Browser, Shop, aisle_serve, chromium, shop_before, until
from loopback import Request, Response
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from aisle.storefront import CONTENT_SECURITY_POLICY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium (Debian's chromium and chromium-driver)"),
]
MARKUP = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)> Lamp"


@pytest.fixture(scope="module")
def served(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aisle_serve(tiny_bundle, tmp_path_factory.mktemp("storefront") / "state") as url:
        product = {"product_id": "MARKUP", "title": MARKUP, "description": MARKUP, "category": "office", "price": 9.5}
        body = json.dumps({"products": [{**product, "brand": "<b>Bold</b>", "currency": "USD"}]}).encode()
        urlopen(Asked(f"{url}/v1/overlay", body, {"content-type": "application/json"}, method="PUT")).close()
        yield url


@pytest.fixture
def door(served: str) -> Iterator[tuple[Shop, str]]:
    with shop_before(served) as (shop, url):
        yield shop, url


@pytest.fixture
def shop(door: tuple[Shop, str]) -> Shop:
    return door[0]


@pytest.fixture
def browser(door: tuple[Shop, str], tmp_path: Path) -> Iterator[Browser]:
    with chromium(door[1], tmp_path / "profile") as browser:
        yield browser
        assert browser.foreign_requests() == []
        assert browser.complaints() == []


def titles(browser: Browser) -> list[str]:
    return browser.texts(".list .title")


def total(browser: Browser) -> int:
    return int("".join(filter(str.isdigit, browser.texts("#found")[0])) or 0)


def choose_shopper(browser: Browser, name: str) -> None:
    Select(browser.one("#shopper")).select_by_visible_text(name)
    browser.waits_for("h1", name)
    browser.settled()


def test_typing_suggests_and_the_keyboard_chooses(browser: Browser) -> None:
    browser.open("/")
    box = browser.one("#q")
    box.send_keys("run")
    browser.one("#suggestions [role=option]")
    assert box.get_attribute("aria-expanded") == "true"
    suggested = browser.texts("#suggestions [role=option] span")
    box.send_keys(Keys.ARROW_DOWN)
    box.send_keys(Keys.ARROW_DOWN)
    box.send_keys(Keys.ARROW_UP)
    active = box.get_attribute("aria-activedescendant")
    assert browser.texts(f"#{active} span") == suggested[:1]
    assert [node.get_attribute("aria-selected") for node in browser.all("#suggestions li")][:2] == ["true", "false"]
    browser.screenshot("suggestions")
    browser.one("#q").click()
    box.send_keys(Keys.ARROW_DOWN)
    until(lambda: browser.all("#suggestions:not([hidden]) li"), "the list is open again")
    box.send_keys(Keys.ARROW_DOWN)
    box.send_keys(Keys.ENTER)
    browser.waits_for("h1", suggested[0])
    assert browser.one("#q").get_attribute("value") == suggested[0]
    assert browser.one("#q").get_attribute("aria-expanded") == "false"
    assert titles(browser)
    until(lambda: browser.focused == "h1", "the heading of the results has the focus")


def test_escape_closes_the_suggestions_and_keeps_the_words(browser: Browser) -> None:
    browser.open("/")
    browser.one("#q").send_keys("shoe")
    until(lambda: browser.all("#suggestions:not([hidden]) li"), "suggestions")
    browser.one("#q").send_keys(Keys.ESCAPE)
    assert browser.one("#suggestions").get_attribute("hidden") is not None
    assert browser.one("#q").get_attribute("value") == "shoe"


def test_results_follow_what_is_typed_and_one_step_back_leads_home(browser: Browser) -> None:
    browser.open("/")
    browser.one("#q").send_keys("running")
    browser.waits_for("h1", "“running”")
    browser.one("#q").send_keys(" shoes")
    browser.waits_for("h1", "“running shoes”")
    assert browser.focused == "input#q"
    assert browser.path == "/search?q=running+shoes"
    browser.waits_for("#status", "article")
    browser.driver.back()
    browser.waits_for("h1", "Welcome")
    assert browser.one("#q").get_attribute("value") == ""
    browser.driver.forward()
    browser.waits_for("h1", "“running shoes”")


def test_an_old_answer_never_covers_a_newer_one(browser: Browser, shop: Shop) -> None:
    def old_ones_wait(request: Request) -> None:
        if request.path == "/v1/search" and json.loads(request.body)["query"] == "shirt":
            time.sleep(1.5)

    browser.open("/")
    shop.spoil = old_ones_wait
    browser.one("#q").send_keys("shirt")
    until(lambda: any(b["query"] == "shirt" for b in shop.bodies("/v1/search")), "the first was asked")
    browser.one("#q").send_keys(Keys.CONTROL, "a")
    browser.one("#q").send_keys("shoes")
    browser.waits_for("h1", "“shoes”")
    time.sleep(2)
    assert browser.texts("h1") == ["“shoes”"]


def test_results_are_filtered_sorted_and_paged_by_the_address(browser: Browser, shop: Shop) -> None:
    browser.open("/search")
    everything = total(browser)
    counts = dict(zip(browser.texts("fieldset:first-child label > span:first-of-type"),
                      map(int, browser.texts("fieldset:first-child label > .small")), strict=True))  # fmt: skip
    assert counts["Shoes"] > 1
    browser.click("[id='category-shoes']")
    until(lambda: total(browser) == counts["Shoes"], "as many as the facet promised")
    assert browser.path == "/search?category=shoes"
    assert browser.focused == "input#category-shoes"
    assert "Clothing" in browser.texts("fieldset:first-child label > span:first-of-type")  # others can still be chosen
    browser.click("[id='category-clothing']")
    until(lambda: total(browser) == counts["Shoes"] + counts["Clothing"], "either department")
    Select(browser.one("#sort")).select_by_value("price_asc")
    until(lambda: "sort=price_asc" in browser.path, "the address has the order")
    browser.settled()
    prices = [float(text.replace("$", "")) for text in browser.texts(".list .price")]
    assert prices == sorted(prices)
    browser.one("#max").send_keys("30", Keys.ENTER)
    until(lambda: "max=30" in browser.path, "the address has the price")
    browser.settled()
    assert max(float(text.replace("$", "")) for text in browser.texts(".list .price")) <= 30
    browser.click("#stock")
    until(lambda: "stock=1" in browser.path, "the address has the stock")
    browser.settled()
    assert browser.all(".list .badge") == []
    assert shop.bodies("/v1/search")[-1]["filters"].keys() & {"in_stock", "price"}
    browser.screenshot("filters")
    browser.click("#clear")
    until(lambda: total(browser) == everything, "everything again")
    if browser.all(".pages a"):
        browser.click(".pages a[aria-label='Page 2']")
        until(lambda: "page=2" in browser.path, "the second page")
        browser.settled()
        assert browser.texts(".pages [aria-current]") == ["2"]
        until(lambda: browser.focused == "h1", "the focus is where the page begins")
    browser.driver.back()
    browser.settled()


def test_what_was_understood_corrected_and_given_up_is_told(browser: Browser) -> None:
    browser.open("/search?q=red+shoes+under+1")
    assert "the price in your words" in " ".join(browser.texts(".notes p"))
    browser.open("/search?q=red+runing+shoes")
    said = " ".join(browser.texts(".notes p"))
    assert "Red" in said
    assert "running" in said


def test_the_language_is_switched_and_stays(browser: Browser) -> None:
    browser.open("/search?q=shoes")
    english = titles(browser)
    browser.click("#language")
    until(lambda: browser.run("return document.documentElement.lang") == "zh", "the document is Chinese")
    browser.settled()
    assert browser.path == "/search?q=shoes&lang=zh"
    assert titles(browser) != english
    assert any("\u4e00" <= letter <= "\u9fff" for letter in "".join(titles(browser)))
    assert browser.texts("#sort option")[0] == "最相关"
    browser.screenshot("chinese")
    browser.click(".list .title a")
    browser.waits_for("#add", "加入购物车")
    assert browser.path.endswith("lang=zh")
    browser.driver.refresh()
    browser.settled()
    assert browser.texts("#add") == ["加入购物车"]


def test_a_product_is_found_put_into_the_basket_and_bought_and_the_shop_is_told(browser: Browser, shop: Shop) -> None:
    browser.open("/search?q=running+shoes")
    until(shop.queries, "the query is told")
    until(lambda: any(e["action_name"] == "impression" for e in shop.events()), "what was seen is told")
    cards = browser.all(".list .card:not(:has(.badge))")
    product, place = cards[1].get_attribute("data-product"), cards[1].get_attribute("data-ordinal")
    browser.click(f".list .card[data-product='{product}'] .title a")
    browser.waits_for("#add", "Add to basket")
    assert browser.path == f"/product?id={product}"
    browser.settled()
    browser.screenshot("product")
    browser.click("#add")
    browser.waits_for("#count", "1")
    browser.waits_for("#status", "Added to the basket")
    browser.click("#basket")
    browser.click("[aria-label^='One more']")
    browser.waits_for(".steps span", "2")
    assert browser.focused == "button#another-0"
    browser.screenshot("basket")
    browser.click("#buy")
    browser.waits_for("h1", "Thank you")
    assert browser.one("#count").get_attribute("hidden") is not None
    until(lambda: any(e["action_name"] == "purchase" for e in shop.events()), "the purchase is told")
    asked = [body for body in shop.bodies("/v1/search") if body["query"] == "running shoes" and body["k"] > 1]
    query = next(query for query in shop.queries() if query["user_query"] == "running shoes")
    assert len(asked) == 1
    assert query["query_response_hit_ids"][int(place or 0) - 1] == product
    whole = {
        "object": {"object_id": product, "object_id_field": "product_id"},
        "position": {"ordinal": int(place or 0)},
    }
    acts = [event for event in shop.events() if event["event_attributes"]["object"]["object_id"] == product]
    told = {event["action_name"]: (event["query_id"], event["event_attributes"]) for event in acts}
    assert told == dict.fromkeys(("impression", "click", "view", "add_to_cart", "purchase"), (query["query_id"], whole))
    assert len({(event["client_id"], event["session_id"]) for event in [*shop.events(), query]}) == 1


def test_what_could_not_be_told_is_told_again_and_the_same(browser: Browser, shop: Shop) -> None:
    shop.spoil = lambda request: Response(503, {}, b"{}") if request.path == "/v1/events" else None
    browser.open("/search?q=shoes")
    browser.click(".list .add")
    until(lambda: any(e["action_name"] == "add_to_cart" for e in shop.events()), "it was tried")
    lost = [event for event in shop.events() if event["action_name"] == "add_to_cart"]
    shop.spoil = lambda request: None
    until(lambda: len([e for e in shop.events() if e["action_name"] == "add_to_cart"]) > len(lost), "tried again")
    assert [e for e in shop.events() if e["action_name"] == "add_to_cart"] == lost * 2


def test_what_was_done_last_is_told_although_the_page_is_left(browser: Browser, shop: Shop) -> None:
    browser.open("/search?q=shoes")
    browser.click(".list .add")
    browser.driver.get("about:blank")
    until(lambda: any(e["action_name"] == "add_to_cart" for e in shop.events()), "it arrived")


def test_the_home_page_learns_and_the_profile_can_be_seen_and_deleted(browser: Browser, shop: Shop) -> None:
    browser.open("/")
    stranger = browser.texts("section[aria-labelledby='for-you'] .title")
    names = browser.texts("#shopper option")
    assert names[0] == "Stranger"
    choose_shopper(browser, names[1])
    assert browser.texts("section[aria-labelledby='for-you'] .title") == stranger  # nothing is known yet
    browser.open("/me")
    browser.waits_for("main p", "Nothing is known about you.")
    browser.screenshot("home-before")
    browser.open("/search?category=shoes")
    for at in (0, 1):
        browser.run("document.querySelectorAll('.list .title a')[arguments[0]].click()", at)
        browser.one(".product")
        browser.settled()
        browser.driver.back()
        browser.one(".list .card")
        browser.settled()
    browser.click(".brand")
    browser.one("section[aria-labelledby='for-you']")
    browser.settled()
    learned = browser.texts("section[aria-labelledby='for-you'] .title")
    assert learned != stranger
    assert any("look" in text for text in browser.texts(".because"))
    browser.screenshot("home-after")
    browser.click("#known")
    browser.waits_for("h1", "What is known about me")
    browser.one("tbody tr")
    assert "opened" in browser.texts("tbody td")
    assert browser.texts("main li")
    browser.screenshot("profile")
    choose_shopper_keeping_view = Select(browser.one("#shopper"))
    choose_shopper_keeping_view.select_by_visible_text(names[2])  # somebody else sees nothing of it
    browser.waits_for("main p", "Nothing is known about you.")
    Select(browser.one("#shopper")).select_by_visible_text(names[1])
    browser.click("#forget")
    until(lambda: browser.focused == "h2#sheet-title", "the question has the focus")
    browser.screenshot("forget")
    browser.click("#forget-yes")
    browser.waits_for("main p", "Nothing is known about you.")
    browser.open("/")
    assert browser.texts("section[aria-labelledby='for-you'] .title") == stranger
    tokens = {request.headers["x-shopper-token"] for request in shop.asked if "x-shopper-token" in request.headers}
    assert tokens
    assert not any(name in request.path for request in shop.asked for name in names[1:])


def test_a_stranger_is_recommended_to_from_this_visit_alone(browser: Browser, shop: Shop) -> None:
    browser.open("/search?category=shoes")
    browser.click(".list .title a")
    product = browser.path.partition("id=")[2]
    browser.one(".product")
    browser.open("/")
    browser.one("section[aria-labelledby='for-you']")
    assert {event["product_id"] for event in shop.bodies("/v1/recommendations")[-1]["events"]} == {product}
    assert not any("x-shopper-token" in request.headers for request in shop.asked)


def test_new_to_you_is_one_button_away(browser: Browser) -> None:
    browser.open("/")
    browser.click("#show-new")
    until(lambda: browser.path == "/?show=new", "the address says so")
    browser.settled()
    assert browser.one("#show-new").get_attribute("aria-pressed") == "true"
    assert browser.focused == "button#show-new"


def test_a_product_page_shows_similar_products_and_its_variants(browser: Browser) -> None:
    browser.open("/product?id=P0000001")
    browser.one("section[aria-labelledby='similar'] .card")
    until(lambda: browser.all(".variants a"), "variants")
    assert "P0000001" not in [card.get_attribute("data-product") for card in browser.all(".card")]
    browser.click(".variants a")
    until(lambda: browser.path != "/product?id=P0000001", "another variant")


def test_why_this_shows_what_the_stages_said_and_how_long_they_took(browser: Browser) -> None:
    browser.open("/search?q=running+shoes")
    browser.click(".card .plain")
    until(lambda: browser.all("dialog[open]"), "the panel")
    rows = browser.texts("dialog .row span:first-child")
    assert {"Score in this answer", "Meaning", "Words of title and brand", "In all"} <= {*rows}
    assert browser.all("dialog .bar i")
    browser.screenshot("why")
    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    assert browser.all("dialog[open]") == []
    assert browser.run("return document.activeElement.className") == "plain"


@pytest.mark.parametrize("path", ["/search?category=office", "/product?id=MARKUP"])
def test_markup_in_a_products_texts_is_text(browser: Browser, path: str) -> None:
    browser.open(path)
    browser.waits_for(".title, h1", MARKUP)
    assert browser.all("main script, main img, main b[class=''], .text b") == []
    assert "owned" not in (browser.driver.title if "search" in path else "")
    assert browser.run("return document.querySelector('script:not([src])')") is None
    browser.screenshot("markup")


def test_markup_in_the_words_is_text(browser: Browser) -> None:
    browser.open("/search?q=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&brand=%3Cb%3E")
    assert "<img" in browser.texts("h1")[0]
    assert browser.all("main img") == []


@pytest.mark.parametrize(
    ("spoiled", "kind"),
    [
        (Response(429, {"retry-after": "1"}, b"{}"), "busy"),
        (Response(500, {"x-request-id": "r-1"}, b"{}"), "broken"),
        (Response(503, {}, b"<html>"), "busy"),
        (Response(200, {}, b"<html>"), "broken"),
    ],
)
def test_a_failed_backend_is_told_kindly_and_can_be_tried_again(
    browser: Browser, shop: Shop, spoiled: Response, kind: str
) -> None:
    shop.spoil = lambda request: spoiled if request.path == "/v1/search" else None
    browser.open("/search?q=shoes")
    assert browser.one("[data-failure]").get_attribute("data-failure") == kind
    assert ("Reference r-1" in browser.texts("[data-failure] p")) == ("x-request-id" in spoiled.headers)
    browser.screenshot(f"failure-{kind}")
    shop.spoil = lambda request: None
    until(lambda: browser.one("#retry").is_enabled(), "the button waits as long as it was told")
    browser.click("#retry")
    browser.waits_for("h1", "“shoes”")
    assert titles(browser)


def test_a_server_that_is_gone_is_told_kindly(browser: Browser) -> None:
    browser.open("/")
    browser.command("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.command("Network.emulateNetworkConditions", offline)
    browser.one("#q").send_keys("shoes", Keys.ENTER)
    browser.one("[data-failure='offline']")
    browser.screenshot("failure-offline")
    browser.command("Network.emulateNetworkConditions", {**offline, "offline": False})
    browser.click("#retry")
    browser.waits_for("h1", "“shoes”")


def test_a_slow_server_is_told_kindly(browser: Browser, shop: Shop) -> None:
    browser.open("/")

    def slow(request: Request) -> None:
        if request.path == "/v1/search":
            time.sleep(9)

    shop.spoil = slow
    browser.one("#q").send_keys("shoes", Keys.ENTER)
    until(lambda: not browser.one(".progress").get_attribute("hidden"), "it shows that it waits")
    browser.waits_for("#status", "longer than it should")
    browser.one("[data-failure='slow']")


def test_a_server_without_shoppers_is_a_shop_all_the_same(browser: Browser, shop: Shop) -> None:
    personal = ("/v1/recommendations", "/v1/events", "/v1/profile", "/shop/shoppers", "/similar", "/together")
    shop.spoil = lambda request: Response(404, {}, b"{}") if any(part in request.path for part in personal) else None
    browser.open("/")
    assert browser.texts("h2") == ["Departments", "Well rated"]
    assert not browser.one("#shopper").is_displayed()
    browser.click(".card .title a")
    browser.waits_for("#add", "Add to basket")
    assert browser.all(".shelf") == []


def test_a_product_that_is_gone_and_a_page_that_never_was(browser: Browser) -> None:
    browser.open("/product?id=nobody")
    assert browser.one("[data-failure]").get_attribute("data-failure") == "missing"
    browser.open("/product")
    assert browser.all("[data-failure]")


def test_the_policy_holds_in_the_browser(browser: Browser) -> None:
    browser.open("/")
    policy = browser.run("return fetch('/').then(r => r.headers.get('content-security-policy'))")
    assert policy == CONTENT_SECURITY_POLICY
    refused = browser.run("try { document.body.innerHTML = '<p>' } catch (e) { return e.name }")
    assert refused == "TypeError"
    assert browser.complaints()  # of just this attempt; the fixture finds the log empty again


VIEWS = {
    "home": "/",
    "results": "/search?q=red+shoes+under+50",
    "product-page": "/product?id=P0000001",
    "empty-basket": "/basket",
    "me": "/me",
    "failure": "/product?id=nobody",
}


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core (npm ci)")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_every_view(browser: Browser, width: int, dark: bool) -> None:
    browser.resize(width, 844, dark)
    for name, path in VIEWS.items():
        for lang in ("en", "zh"):
            browser.open(f"{path}{'&' if '?' in path else '?'}lang={lang}")
            time.sleep(0.3)  # what comes after the page itself
            assert browser.violations() == [], (name, lang)
            wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, (name, lang)
            browser.screenshot(f"{name}-{lang}-{'phone' if width < 700 else 'desktop'}-{'dark' if dark else 'light'}")


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core (npm ci)")
def test_everybody_can_use_what_opens_over_a_view(browser: Browser) -> None:
    browser.open("/search?q=running+shoes")
    browser.click(".card .plain")
    until(lambda: browser.all("dialog[open]"), "the panel")
    assert browser.violations() == []
    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    browser.click("#q")
    browser.one("#q").send_keys(Keys.CONTROL, "a")
    browser.one("#q").send_keys("ru")
    until(lambda: browser.all("#suggestions:not([hidden]) li"), "suggestions")
    assert browser.violations() == []


def test_a_narrow_phone_needs_no_sideways_scrolling_and_has_room_for_fingers(browser: Browser) -> None:
    browser.resize(320, 700)
    for path in (*VIEWS.values(), "/search"):
        browser.open(path)
        time.sleep(0.3)
        wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path
        small = browser.run(
            "return [...document.querySelectorAll('main button, header button, header a, header select, main .button')]"
            ".filter(n => n.offsetParent).map(n => [n.outerHTML.slice(0, 80), n.getBoundingClientRect()])"
            ".filter(([_, r]) => Math.min(r.width, r.height) < 24 || r.height < 43).map(([html]) => html)"
        )
        assert [html for html in small if "brand" not in html] == [], path


def test_the_keyboard_alone_leads_from_the_top_into_the_content(browser: Browser) -> None:
    browser.open("/")
    browser.run("document.activeElement.blur()")
    ActionChains(browser.driver).send_keys(Keys.TAB).perform()
    assert browser.run("return document.activeElement.className") == "skip"
    ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
    until(lambda: browser.focused == "main#main", "the content has the focus")
    landmarks = browser.run("return ['header', 'nav', 'main', 'footer', '[role=search]']"
                            ".map(name => document.querySelectorAll(name).length)")  # fmt: skip
    assert landmarks == [1, 1, 1, 1, 1]
    ActionChains(browser.driver).send_keys(Keys.TAB).perform()
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_nothing_moves_for_who_asked_for_stillness(browser: Browser) -> None:
    browser.command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    browser.open("/search?q=shoes")
    moving = browser.run(
        "return [...document.querySelectorAll('*')].filter(n => { const s = getComputedStyle(n);"
        "return s.animationName !== 'none' || parseFloat(s.transitionDuration) > 0 }).length"
    )
    assert moving == 0
