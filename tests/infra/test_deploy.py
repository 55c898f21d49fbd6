"""A real `osls deploy` into an emulated account: made, left alone, given a new image, removed; and what is refused.

UNMADE names what the emulated CloudFormation does not make; it also makes functions without their layers. The wiring
test stands for the API; the rest, only an account can prove.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from aisle.aws.publishing import Live, note_live, publish
from aisle.bundle import Bundle
from infra.deploy import live_bundle
from infra.package import OSLS, ROOT, osls
from infra.registry import KEPT, push, repository

UNMADE = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CodeBuild::Project",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Lambda::Permission",  # kept in the function's policy, under no name
    "AWS::S3::BucketPolicy",
    "AWS::Scheduler::Schedule",
    "AWS::SNS::Subscription",  # no address is named
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}
TEMPLATE = ROOT / ".serverless/cloudformation-template-update-stack.json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/aisle-dev"
BUCKET = "aisle-dev-bundles-123456789012"


@pytest.fixture
def account(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    if not (OSLS.exists() and (ROOT / "build/layers/light/python").exists()):
        pytest.skip("deploys the stack: needs Node, and `make package` once")
    monkeypatch.setenv("AISLE_IMAGE", image("1"))
    return aws


def image(digit: str) -> str:
    return f"{REPOSITORY}@sha256:{digit * 64}"


def search(qualifier: str) -> dict[str, str]:
    """What answers under `qualifier`; the emulated account keeps one image for all versions."""
    found = boto3.client("lambda").get_function(FunctionName="aisle-dev-search", Qualifier=qualifier)
    release = found["Configuration"]["Description"].rpartition(" ")[2]
    return {"version": found["Configuration"]["Version"], "release": release, "image": found["Code"]["ImageUri"]}


def made() -> dict[str, str]:
    """Logical id -> physical id of what the stack has."""
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="aisle-dev")
    listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in listed if r.get("PhysicalResourceId")}


@pytest.mark.slow
def test_a_stack_is_made_left_alone_updated_and_removed(
    account: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    osls("deploy", "dev", account)
    resources = json.loads(TEMPLATE.read_text())["Resources"]
    first = made()
    assert {resource["Type"] for name, resource in resources.items() if name not in first} == UNMADE
    (one,) = (name for name in first if name.startswith("SearchVersion"))
    assert search("live") == {"version": "1", "release": one, "image": image("1")}
    hook = boto3.client("lambda").get_function_configuration(FunctionName="aisle-dev-pretraffic")
    asked = hook["Environment"]["Variables"]["AISLE_SEARCH_VERSION"]
    assert asked == "arn:aws:lambda:us-east-1:123456789012:function:aisle-dev-search:1"

    assert "No changes to deploy" in osls("deploy", "dev", account)
    assert made() == first

    monkeypatch.setenv("AISLE_IMAGE", image("2"))
    osls("deploy", "dev", account)
    second = made()
    (two,) = (name for name in second if name.startswith("SearchVersion"))
    live = search("live")
    assert live == {"version": "2", "release": two, "image": image("2")}
    assert (search("1")["release"], two != one) == (one, True)  # a rollback finds what was
    assert first.keys() ^ second.keys() == {one, two}

    osls("deploy", "dev", account)  # uploads again: osls looks for the layer, which it did not upload with the image
    assert (made(), search("live")) == (second, live)

    osls("remove", "dev", account)
    assert (
        boto3.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])[
            "StackSummaries"
        ]
        == []
    )
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []
    assert boto3.client("s3").list_buckets()["Buckets"] == []


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(command, cwd=ROOT, env=bare | environ, capture_output=True, text=True)


def test_make_deploy_stops_at_once_without_credentials() -> None:
    ran = run("make", "deploy")
    assert ran.returncode != 0
    assert ran.stderr.splitlines()[0] == (
        "deploy: no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
        "of an account that you may deploy to"
    )
    assert ran.stdout == ""


def test_make_deploy_knows_its_stages() -> None:
    ran = run("make", "deploy", "STAGE=qa", AWS_PROFILE="shop")
    assert ran.returncode != 0
    assert ran.stderr.startswith("deploy: there is no stage 'qa': name one of dev, prod, or write ")


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_credentials_that_are_promised_are_believed(variable: str) -> None:
    assert run(sys.executable, "-m", "infra.credentials", "dev", **{variable: "x"}).returncode == 0


def test_a_file_of_the_aws_tools_promises_credentials(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\n")
    named = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    assert run(sys.executable, "-m", "infra.credentials", "dev", **named).returncode == 0


def test_an_image_without_a_digest_is_not_deployed(aws: dict[str, str]) -> None:
    tagged = f"{REPOSITORY}:latest"
    ran = run(sys.executable, "-m", "infra.deploy", "dev", **{**aws, "AISLE_IMAGE": tagged})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"deploy: AISLE_IMAGE is {tagged!r}, which is no ECR address with a digest: ")


def test_a_bundle_that_is_not_there_is_not_deployed(aws: dict[str, str]) -> None:
    ran = run(sys.executable, "-m", "infra.deploy", "dev", "nowhere", **aws)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("deploy: nowhere")


def test_an_image_and_a_bundle_are_not_deployed_together(aws: dict[str, str]) -> None:
    ran = run(sys.executable, "-m", "infra.deploy", "dev", "nowhere", **{**aws, "AISLE_IMAGE": image("1")})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "deploy: AISLE_IMAGE carries a bundle already: name either AISLE_IMAGE or BUNDLE\n"


def test_the_first_deployment_wants_a_bundle(aws: dict[str, str]) -> None:
    for _ in range(2):
        ran = run(sys.executable, "-m", "infra.deploy", "dev", **aws)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr == "deploy: no bundle is live in dev: name one: make deploy STAGE=dev BUNDLE=...\n"
        boto3.client("s3").create_bucket(Bucket=BUCKET)  # of a first deployment that failed


def test_make_deploy_names_a_bundle_only_where_one_is_given() -> None:
    commands = [run("make", "-n", "deploy", *given).stdout.splitlines()[-1] for given in ((), ("BUNDLE=mine",))]
    assert commands == [".venv/bin/python -m infra.deploy dev ", ".venv/bin/python -m infra.deploy dev mine"]


def test_what_is_live_is_deployed_where_no_bundle_is_named(
    aws: dict[str, str], tiny_bundle: Path, tmp_path: Path
) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    bundle = Bundle.open(tiny_bundle)
    publish(bundle, BUCKET)
    note_live(BUCKET, Live(bundle.manifest.bundle_id, "7"))
    for _ in range(2):  # over what an earlier deployment fetched, too
        found = live_bundle("dev", tmp_path / "live")
        assert (found.path, found.manifest) == (tmp_path / "live", bundle.manifest)


def test_credentials_that_aws_refuses_are_named(aws: dict[str, str]) -> None:
    nobody = {**aws, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    ran = run(sys.executable, "-m", "infra.deploy", "dev", "nowhere", **nobody)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("deploy: AWS does not accept the credentials: ")


def test_the_registry_keeps_images_as_they_are_and_some_of_them(aws: dict[str, str]) -> None:
    assert repository("dev") == repository("dev") == REPOSITORY
    assert repository("prod") == REPOSITORY.replace("aisle-dev", "aisle-prod")  # dev's pushes let none of prod's go
    ecr = boto3.client("ecr")
    made, _ = ecr.describe_repositories()["repositories"]
    assert (made["imageTagMutability"], made["imageScanningConfiguration"]) == ("IMMUTABLE", {"scanOnPush": True})
    (rule,) = json.loads(ecr.get_lifecycle_policy(repositoryName="aisle-dev")["lifecyclePolicyText"])["rules"]
    assert rule["selection"]["countNumber"] == KEPT


def test_an_image_that_is_in_the_registry_is_not_sent_again(aws: dict[str, str]) -> None:
    if not shutil.which("buildah"):
        pytest.skip("makes an empty image: needs buildah")
    container = subprocess.run(
        ["buildah", "from", "scratch"], check=True, capture_output=True, text=True
    ).stdout.strip()
    local = "aisle:0.1.0-test-arm64"
    try:
        made = ["buildah", "commit", "--quiet", container, local]
        image_id = (
            subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip().removeprefix("sha256:")
        )
        manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": f"sha256:{image_id}"}, "layers": []}
        )
        repository("dev")
        kept = boto3.client("ecr").put_image(
            repositoryName="aisle-dev", imageManifest=manifest, imageTag=f"0.1.0-test-arm64-{image_id[:12]}"
        )
        assert push(local, REPOSITORY) == f"{REPOSITORY}@{kept['image']['imageId']['imageDigest']}"
    finally:
        subprocess.run(["buildah", "rm", container], check=True, capture_output=True)
        subprocess.run(["buildah", "rmi", local], capture_output=True)
