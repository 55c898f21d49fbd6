"""The stack of a stage whose catalogue lies in a table: who may read it, and no more."""

from pathlib import Path

import pytest
from stacks import Compiled, lint_errors, of_type, switch, template_in

ADDRESS = "s3://my-catalogues/shop/table"
BUCKET = {"Fn::Sub": "arn:${AWS::Partition}:s3:::my-catalogues"}
PREFIX = {"Fn::Sub": "arn:${AWS::Partition}:s3:::my-catalogues/shop/table/*"}


@pytest.fixture(scope="module")
def packaged(compiled: Compiled) -> dict[str, Path]:
    """Of dev: as it stands, with a table, with a table and batches."""
    table = f"catalogue={ADDRESS}"
    return {"off": compiled("dev"), "table": compiled("dev", table), "both": compiled("dev", table, "batch=on")}


@pytest.mark.slow
def test_those_who_open_the_bundle_may_read_its_table_and_no_more(packaged: dict[str, Path]) -> None:
    off, table, both = map(template_in, packaged.values())
    assert table["Resources"].keys() - off["Resources"].keys() == {"CataloguePolicy"}
    policy = of_type(table, "AWS::IAM::ManagedPolicy")["CataloguePolicy"]
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
    scoring = of_type(both, "AWS::IAM::ManagedPolicy")["CataloguePolicy"]
    assert scoring["Roles"] == [*policy["Roles"], {"Ref": "BatchRole"}]


@pytest.mark.slow
def test_cfn_lint_finds_no_error(packaged: dict[str, Path]) -> None:
    assert lint_errors(packaged["both"]) == []


@pytest.mark.parametrize(
    "address", ["my-catalogues/shop", "s3://my-catalogues", "s3://B/x", "s3://a b/c", "s3://abc/*"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    said = f'catalogue of infra/stages/ is "{address}": write what --catalogue-at said, s3://BUCKET/PREFIX, or ""'
    assert switch("catalogue", "bucket", catalogue=address) == (2, said)
