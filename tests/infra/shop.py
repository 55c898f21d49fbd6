"""The deployed service as tests meet it: called through its own routes, with its faults, its clock and its logs."""

import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faults import Faults, between

from aisle.aws.clients import client
from aisle.cli import main
from aisle.types import Product
from infra.compiled import Api
from infra.deployed import deployed, running
from infra.emulated import emulated_aws
from infra.gateway import Gateway, Invoke, serving
from infra.package import OSLS, ROOT

FRESH_S = 10  # the most that a test waits for an overlay whose cache is two seconds old


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(repr=False)
class Service:
    """The deployed service; `ahead_s` puts the gateway's clock forward, as every call does by `apart_s`."""

    url: str
    api: Api
    gateway: Gateway
    invoke: Invoke
    faults: Faults
    keys: dict[str, str]
    log: Path
    products: list[Product]
    ahead_s: float = 0.0
    apart_s: float = 0.25  # a pace that each route's rate allows

    def call(self, method: str, path: str, key: str = "", body: Any = None, **headers: str) -> Answer:
        """`key` is publishable, secret, or what is sent as one; headers' names have _ for -."""
        self.ahead_s += self.apart_s
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        if body is not None:
            sent.setdefault("content-type", "application/json")
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, raw, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return _answer(response.status, response)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error)

    def search(self, query: str, **more: Any) -> Any:
        answer = self.call("POST", "/v1/search", "publishable", {"query": query, "budget_ms": 10_000, **more})
        assert answer.status == 200, answer.body
        return answer.json

    def put(self, *changes: dict[str, Any], products: list[dict[str, Any]] | None = None) -> Answer:
        return self.call("PUT", "/v1/overlay", "secret", {"changes": changes, "products": products or []})

    def hit(self, product: Product) -> dict[str, Any] | None:
        """The product as a search for its title shows it."""
        hits = self.search(product.title, k=50)["hits"]
        return next((hit for hit in hits if hit["product_id"] == product.product_id), None)

    def logged(self) -> str:
        """All that anybody wrote down: functions, emulator, gateway."""
        return self.log.read_text(encoding="utf-8", errors="replace") + "\n".join(self.gateway.access_log)


def _answer(status: int, response: Any) -> Answer:
    return Answer(status, {name.lower(): value for name, value in response.headers.items()}, response.read())


@contextmanager
def opened(bundle: Path, log: Path, *values: str) -> Iterator[Service]:
    """The stack deployed into an emulated account of its own, which this process's environment names, too.

    What functions write down goes to `log`; `values` stand in place of the stage's. Skips where a tool is missing.
    """
    pytest.importorskip("moto", reason="emulates AWS: needs the dev extra")
    pytest.importorskip("awslambdaric", reason="runs functions: needs the dev extra")
    if not (OSLS.exists() and (ROOT / "build" / "layers" / "light").exists()):
        pytest.skip("deploys the stack: needs Node, and `make package` once")
    products = [
        msgspec.json.decode(line, type=Product) for line in (bundle / "products.jsonl").read_bytes().splitlines()
    ]
    with (
        emulated_aws() as account,
        pytest.MonkeyPatch.context() as patch,
        between(account["AWS_ENDPOINT_URL"]) as faults,
    ):
        for name, value in account.items():
            patch.setenv(name, value)
        client.cache_clear()
        api = deployed("dev", account, *values)
        with running(api, "dev", {**account, "AWS_ENDPOINT_URL": faults.url}, bundle, log) as invoke:
            gateway = Gateway(api, invoke, lambda: time.monotonic() + made.ahead_s)
            keys = {line["kind"]: line["key"] for line in make_keys()}
            made = Service("", api, gateway, invoke, faults, keys, log, products)
            with serving(gateway) as made.url:
                yield made
        client.cache_clear()


def make_keys(*argv: str) -> list[dict[str, str]]:
    """Made as an operator makes them; `argv` is what `aisle keys` takes besides."""
    with redirect_stdout(io.StringIO()) as out:
        assert main(["keys", "--stage", "dev", *argv]) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def until(holds: Callable[[], bool]) -> None:
    """Waits until `holds()`: search reads the overlay every two seconds."""
    end = time.monotonic() + FRESH_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)
