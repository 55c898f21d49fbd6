"""A deployed service for the tests of this folder, one a module: the stack in an emulated account of its own."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from faults import between
from shop import Service, make_keys

from aisle.aws.clients import client
from aisle.types import Product
from infra.compiled import Api
from infra.deployed import deployed, running
from infra.emulated import emulated_aws
from infra.gateway import Gateway, serving
from infra.package import OSLS, ROOT


@pytest.fixture(scope="module")
def module_account() -> Iterator[dict[str, str]]:
    """An emulated account that lasts for the module, in this process's environment too."""
    pytest.importorskip("moto", reason="emulates AWS: needs the dev extra")
    with emulated_aws() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client.cache_clear()
        yield environment
        client.cache_clear()


@pytest.fixture(scope="module")
def api(module_account: dict[str, str]) -> Api:
    if not (OSLS.exists() and (ROOT / "build" / "layers" / "light").exists()):
        pytest.skip("deploys the stack: needs Node, and `make package` once")
    return deployed("dev", module_account)


@pytest.fixture(scope="module")
def service(
    api: Api, module_account: dict[str, str], tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    pytest.importorskip("awslambdaric", reason="runs functions: needs the dev extra")
    log = tmp_path_factory.mktemp("log") / "functions.log"
    products = [
        msgspec.json.decode(line, type=Product) for line in (tiny_bundle / "products.jsonl").read_bytes().splitlines()
    ]
    with between(module_account["AWS_ENDPOINT_URL"]) as faults:
        aws = {**module_account, "AWS_ENDPOINT_URL": faults.url}
        with running(api, "dev", aws, tiny_bundle, log) as invoke:
            gateway = Gateway(api, invoke, lambda: time.monotonic() + made.ahead_s)
            made = Service("", api, gateway, invoke, faults, {}, log, products)
            made.keys |= {line["kind"]: line["key"] for line in make_keys()}
            with serving(gateway) as made.url:
                yield made
