"""A real Chromium for a test, and a shop in front of it whose every answer a test can see, delay or spoil.

The browser keeps its own log of requests and of its console; a test that ends without looking at them fails if a
request went elsewhere or something was complained about.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from loopback import Request, Response, forward, serving
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en-US",
)
PATIENCE_S = 15.0
Condition = Callable[[], Any]


def until(condition: Condition, said: str) -> Any:
    """What `condition` gives as soon as it is true; what vanished meanwhile is looked for again."""
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            found = condition()
            if found:
                return found
        except (NoSuchElementException, StaleElementReferenceException):
            pass
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_S:g} s: {said}")


class Browser:
    """One Chromium with an empty memory, looking at the shop at `url`."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)
        self.settled()

    def settled(self) -> None:
        """Waits until the view that the address names is drawn."""
        script = "return document.readyState === 'complete' && document.getElementById('main').childElementCount > 0"
        busy = "return document.getElementById('main').getAttribute('aria-busy') === 'true'"
        until(lambda: self.run(script) and not self.run(busy), f"{self.path} is drawn")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return until(lambda: self.driver.find_element(By.CSS_SELECTOR, selector), selector)  # type: ignore[no-any-return]

    def texts(self, selector: str) -> list[str]:
        return [str(self.run("return arguments[0].textContent.trim()", node)) for node in self.all(selector)]

    def click(self, selector: str) -> None:
        node = self.one(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", node)
        node.click()

    def waits_for(self, selector: str, text: str) -> None:
        until(lambda: any(text in found for found in self.texts(selector)), f"{selector} says {text!r}")

    @property
    def path(self) -> str:
        parts = urlsplit(self.driver.current_url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    @property
    def focused(self) -> str:
        """Tag and id of what has the focus."""
        return str(self.run("const a = document.activeElement; return a.tagName.toLowerCase() + (a.id && '#' + a.id)"))

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        self.command("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.command("Emulation.setEmulatedMedia", {"features": features})

    def command(self, name: str, parameters: dict[str, Any]) -> Any:
        """A command of the Chrome DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.run("document.activeElement.blur()")
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def violations(self) -> list[str]:
        """What axe-core finds wrong with what is shown, as "rule: selector"."""
        self.command("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8") + ";0"})
        rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
        script = (
            f"const done = arguments[0]; axe.run(document, {rules}).then(r => done(r.violations), e => done(String(e)))"
        )
        found = self.driver.execute_async_script(script)
        assert isinstance(found, list), found
        return [f"{rule['id']}: {node['target'][0]}" for rule in found for node in rule["nodes"]]

    def foreign_requests(self) -> list[str]:
        """Addresses elsewhere that anything in the browser asked for, by the browser's own log."""
        log = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        urls = [entry["params"]["request"]["url"] for entry in log if entry["method"] == "Network.requestWillBeSent"]
        assert urls, "the browser logged no request at all"
        inside = (f"{self.url}/", "chrome://", "data:")  # the last two: its own first page
        return [url for url in urls if not url.startswith(inside)]

    def complaints(self) -> list[str]:
        """What stands in the console, but for answers that say that they failed."""
        return [entry["message"] for entry in self._log("browser") if "Failed to load resource" not in entry["message"]]

    def failed_loads(self) -> list[str]:
        return [entry["message"] for entry in self._log("browser") if "Failed to load resource" in entry["message"]]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return self.driver.get_log(kind)  # type: ignore[no-any-return, no-untyped-call]


@contextmanager
def chromium(url: str, profile: Path) -> Iterator[Browser]:
    """A browser whose memory lies in the empty folder `profile`."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The driver is named, so that Selenium looks for none on the network.
    driver = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))
    try:
        browser = Browser(driver, url)
        browser.resize(1280, 900)
        yield browser
    finally:
        driver.quit()


class Shop:
    """`aisle serve` behind a door that notes each request; `spoil` may answer in its place, or wait before it does."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.asked: list[Request] = []
        self.spoil: Callable[[Request], Response | None] = lambda request: None

    def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        return self.spoil(request) or forward(request, self._upstream)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.asked if request.path == path]

    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies("/v1/events") for event in body["events"]]

    def queries(self) -> list[dict[str, Any]]:
        return [query for body in self.bodies("/v1/events") for query in body["queries"]]


@contextmanager
def aisle_serve(bundle: Path, state: Path) -> Iterator[str]:
    """The address of a real `aisle serve BUNDLE --state STATE`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", state.with_suffix(".log")
    command = [sys.executable, "-m", "aisle", "serve", str(bundle), "--port", str(port), "--state", str(state)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=output, stderr=output)
    try:
        until(lambda: _answers(f"{url}/v1/health") or server.poll() is not None, "the server answers")
        assert server.poll() is None, log.read_text()
        yield url
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def shop_before(upstream: str) -> Iterator[tuple[Shop, str]]:
    """The shop and the address at which a browser finds it."""
    shop = Shop(upstream)
    with serving(shop) as url:
        yield shop, url


def _answers(url: str) -> bool:
    try:
        urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True
