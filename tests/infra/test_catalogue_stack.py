"""The stack of a stage whose catalogue lies in a table: who may read it, and no more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_stack import LAYER, Template, of_type

from infra.package import NO_IMAGE, OSLS, ROOT, TEMPLATE, package

ADDRESS = "s3://my-catalogues/shop/table"
BUCKET = {"Fn::Sub": "arn:${AWS::Partition}:s3:::my-catalogues"}
PREFIX = {"Fn::Sub": "arn:${AWS::Partition}:s3:::my-catalogues/shop/table/*"}


@pytest.fixture(scope="module")
def packaged(_emulated_account: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Of dev: as it stands, with a table, with a table and batches."""
    if not (OSLS.exists() and LAYER.exists()):
        pytest.skip("compiles the stack: needs Node, and `make package` once")
    named = {**_emulated_account, "AISLE_IMAGE": NO_IMAGE, "AISLE_BATCH_IMAGE": NO_IMAGE}
    values = {"off": (), "table": (f"catalogue={ADDRESS}",), "both": (f"catalogue={ADDRESS}", "batch=on")}
    templates = {}
    for name, given in values.items():
        folder = tmp_path_factory.mktemp(name)
        package("dev", folder, named, *given)
        templates[name] = json.loads((folder / TEMPLATE).read_text())
    return templates


@pytest.mark.slow
def test_those_who_open_the_bundle_may_read_its_table_and_no_more(packaged: dict[str, Template]) -> None:
    assert packaged["table"]["Resources"].keys() - packaged["off"]["Resources"].keys() == {"CataloguePolicy"}
    policy = of_type(packaged["table"], "AWS::IAM::ManagedPolicy")["CataloguePolicy"]
    assert policy["Roles"] == [{"Ref": "SearchRole"}, {"Ref": "RecommendRole"}, {"Ref": "NightlyRole"}]
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": PREFIX},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": BUCKET,
            "Condition": {"StringLike": {"s3:prefix": "shop/table/*"}},
        },
    ]
    scoring = of_type(packaged["both"], "AWS::IAM::ManagedPolicy")["CataloguePolicy"]
    assert scoring["Roles"] == [*policy["Roles"], {"Ref": "BatchRole"}]


@pytest.mark.slow
def test_cfn_lint_finds_no_error(packaged: dict[str, Template], tmp_path: Path) -> None:
    (tmp_path / TEMPLATE).write_text(json.dumps(packaged["both"]))
    lint = Path(sys.executable).with_name("cfn-lint")
    ran = subprocess.run([lint, "--format", "json", tmp_path / TEMPLATE], capture_output=True, text=True)
    assert [found for found in json.loads(ran.stdout) if found["Level"] == "Error"] == []


@pytest.mark.parametrize(
    "address", ["my-catalogues/shop", "s3://my-catalogues", "s3://B/x", "s3://a b/c", "s3://abc/*"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    script = (
        f"const osls = {{ resolveVariable: async () => {json.dumps(address)} }};"
        "require('./infra/resources/catalogue.js').bucket(osls)"
        ".catch((error) => { console.log(error.message); process.exit(2); })"
    )
    if not OSLS.exists():
        pytest.skip("runs a file of the stack's: needs Node, and `make package` once")
    ran = subprocess.run(["node", "-e", script], cwd=ROOT, capture_output=True, text=True)
    said = f'catalogue of infra/stages/ is "{address}": write what --catalogue-at said, s3://BUCKET/PREFIX, or ""\n'
    assert (ran.returncode, ran.stdout) == (2, said)
