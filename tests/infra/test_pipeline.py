"""What the build project runs, really run: the gates over real bundles, the steps over an emulated account."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
import yaml
from loopback import Request, Response, forward, serving

from aisle.aws.publishing import Live, fetch, live, note_live, publish
from aisle.bundle import Bundle
from aisle.errors import BadInput, BundleError, NotFound, Unavailable
from aisle.indexing import reindex
from aisle.products import Products
from infra.deploy import hand_over
from infra.pipeline import canary, steps
from infra.pipeline.gates import MAX_DROPPED, Gate, gates
from infra.pipeline.source import packed, upload

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BUCKET = "aisle-dev-bundles-123456789012"
KEY = "catalogue/products.jsonl"
OLD = "123456789012.dkr.ecr.us-east-1.amazonaws.com/aisle@sha256:" + "0" * 64
NEW = "123456789012.dkr.ecr.us-east-1.amazonaws.com/aisle@sha256:" + "1" * 64
Rows = list[dict[str, Any]]


@pytest.fixture
def rows(tiny_bundle: Path) -> Rows:
    """The catalogue of the tiny bundle as a shop would export it."""
    products = Products.load(tiny_bundle)
    return [msgspec.to_builtins(products[row]) for row in range(len(products))]


def catalogue(rows: Rows) -> bytes:
    columns = ("product_id", "title", "description", "category", "brand", "color", "price", "currency", "group_id")
    return b"".join(json.dumps({name: row[name] for name in columns if name in row}).encode() + b"\n" for row in rows)


def over(bundle: Path, rows: Rows, folder: Path) -> Bundle:
    """The models of `bundle` over these products."""
    folder.mkdir()
    (folder / "products.jsonl").write_bytes(catalogue(rows))
    made_at = "2026-11-20T00:00:00+00:00"
    return reindex(
        Bundle.open(bundle), folder / "products.jsonl", folder / "bundle", None, made_at, 1, lambda line: None
    )


@pytest.fixture
def before(tiny_bundle: Path, rows: Rows, tmp_path: Path) -> Bundle:
    return over(tiny_bundle, rows, tmp_path / "before")


def test_a_catalogue_that_lost_and_won_a_few_products_passes(before: Bundle, rows: Rows, tmp_path: Path) -> None:
    fresh = [{**rows[0], "product_id": "fresh", "title": "Walnut desk lamp"}]
    after = over(before.path, [*rows[6:], *fresh], tmp_path / "after")
    dropped, golden = gates(before, after, 1)
    assert dropped == Gate("products", True, "6 of 60 products are gone (10.0%; at most 20%)")
    assert (golden.name, golden.passed) == ("golden queries", True), golden.reason


def test_a_catalogue_that_was_cut_off_is_refused(before: Bundle, rows: Rows, tmp_path: Path) -> None:
    kept = round(len(rows) * (1 - MAX_DROPPED)) - 1
    after = over(before.path, rows[:kept], tmp_path / "after")
    assert gates(before, after, 1)[0] == Gate("products", False, "13 of 60 products are gone (21.7%; at most 20%)")


def test_other_products_under_other_ids_are_refused(before: Bundle, rows: Rows, tmp_path: Path) -> None:
    after = over(before.path, [{**row, "product_id": f"new-{row['product_id']}"} for row in rows], tmp_path / "after")
    assert gates(before, after, 1) == [Gate("products", False, "60 of 60 products are gone (100.0%; at most 20%)")]


def test_texts_that_moved_to_other_products_are_refused(before: Bundle, rows: Rows, tmp_path: Path) -> None:
    ids = [row["product_id"] for row in rows]
    moved = [{**row, "product_id": product_id} for row, product_id in zip(rows, [*ids[23:], *ids[:23]], strict=True)]
    dropped, golden = gates(before, over(before.path, moved, tmp_path / "after"), 1)
    assert (dropped.passed, golden.passed) == (True, False), golden.reason


def test_judged_queries_may_not_get_worse(before: Bundle, rows: Rows, tmp_path: Path) -> None:
    titles = {row["title"]: row["product_id"] for row in rows}
    queries = [(f"q{number}", title) for number, title in enumerate(titles)]
    gains = {f"q{number}": {product_id: 1} for number, product_id in enumerate(titles.values())}
    gone = {"q0": {"left-long-ago": 1}}
    same = gates(before, before, 1, ([*queries, ("q-gone", "x")], {**gains, "q-gone": gone["q0"]}))[2]
    assert (same.passed, f"over {len(queries)} judged queries" in same.reason) == (True, True), same.reason

    ids = [row["product_id"] for row in rows]
    moved = [{**row, "product_id": product_id} for row, product_id in zip(rows, [*ids[23:], *ids[:23]], strict=True)]
    worse = gates(before, over(before.path, moved, tmp_path / "after"), 1, (queries, gains))[2]
    assert (worse.name, worse.passed) == ("judgements", False), worse.reason
    assert gates(before, before, 1, (queries[:1], gone))[2] == Gate(
        "judgements", True, "no judged product is in both bundles"
    )


@pytest.fixture
def s3(aws: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The account's S3 with the stage's bucket; steps work in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def candidate(s3: Any, **more: str) -> tuple[int, dict[str, str]]:
    """The exit code and the outcome of the step, over the file as it lies there."""
    etag = s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"].strip('"')
    environment = {"AISLE_STAGE": "dev", "AISLE_BUCKET": BUCKET, "AISLE_CATALOGUE": KEY, "AISLE_ETAG": etag}
    return steps.main("candidate", environment | more), json.loads(steps.OUTCOME.read_text())


def test_a_good_catalogue_becomes_a_published_bundle(
    s3: Any, before: Bundle, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(before, BUCKET)
    note_live(BUCKET, Live(before.manifest.bundle_id, "1"))
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=catalogue(rows[3:]))
    queries = "\n".join(["query_id\tquery", *(f"q{n}\t{row['title']}" for n, row in enumerate(rows[:20]))])
    qrels = "\n".join(f"q{n} 0 {row['product_id']} 1" for n, row in enumerate(rows[:20]))
    s3.put_object(Bucket=BUCKET, Key="judgements/queries.tsv", Body=queries.encode())
    s3.put_object(Bucket=BUCKET, Key="judgements/qrels.txt", Body=qrels.encode())

    status, outcome = candidate(s3)
    assert (status, outcome["reason"]) == (0, "")
    made = fetch(BUCKET, outcome["bundle_id"], tmp_path / "fetched").manifest
    put_at = s3.head_object(Bucket=BUCKET, Key=KEY)["LastModified"]
    assert (made.n_products, datetime.fromisoformat(made.created_at)) == (57, put_at)
    said = capsys.readouterr().out
    assert [f"passed: {name}: " in said for name in ("products", "golden queries", "judgements")] == [True] * 3
    assert live(BUCKET) == Live(before.manifest.bundle_id, "1")  # a candidate, no more


def test_a_refused_catalogue_is_not_published_and_the_reason_is_left(s3: Any, before: Bundle, rows: Rows) -> None:
    publish(before, BUCKET)
    note_live(BUCKET, Live(before.manifest.bundle_id, "1"))
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=catalogue(rows[:30]))
    status, outcome = candidate(s3)
    assert (status, outcome["bundle_id"]) == (2, "")
    refusal = f"{KEY} is refused: products: 30 of 60 products are gone (50.0%; at most 20%)"
    assert outcome["reason"].startswith(refusal)
    listed = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix="bundles/")["Contents"]]
    address = f"bundles/{before.manifest.bundle_id}"
    assert listed == sorted([f"{address}/bundle.tar", f"{address}/manifest.json", "bundles/live.json"])


def test_the_catalogue_that_is_live_makes_nothing_new(s3: Any, before: Bundle, rows: Rows) -> None:
    publish(before, BUCKET)
    note_live(BUCKET, Live(before.manifest.bundle_id, "1"))
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=catalogue(rows))
    assert candidate(s3) == (0, {"bundle_id": "", "reason": ""})


@pytest.mark.parametrize(
    ("body", "etag", "reason"),
    [
        (b"", "", f"{KEY.rpartition('/')[2]}"),
        (b'{"product_id": 1}\n', "", "title"),
        (b'{"product_id": "1", "title": "hat"}\n', "0" * 32, "was replaced meanwhile"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(s3: Any, before: Bundle, body: bytes, etag: str, reason: str) -> None:
    publish(before, BUCKET)
    note_live(BUCKET, Live(before.manifest.bundle_id, "1"))
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    status, outcome = candidate(s3, **({"AISLE_ETAG": etag} if etag else {}))
    assert (status, outcome["bundle_id"], reason in outcome["reason"]) == (2, "", True), outcome


def test_a_file_that_was_deleted_meanwhile_is_named(s3: Any, before: Bundle) -> None:
    publish(before, BUCKET)
    note_live(BUCKET, Live(before.manifest.bundle_id, "1"))
    asked = {"AISLE_BUCKET": BUCKET, "AISLE_CATALOGUE": KEY, "AISLE_ETAG": "0" * 32}
    assert steps.main("candidate", asked) == 2
    reason = json.loads(steps.OUTCOME.read_text())["reason"]
    assert reason == f"s3://{BUCKET}/{KEY} was deleted meanwhile: put it again"


def test_without_a_live_bundle_nothing_is_built(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"{}")
    status, outcome = candidate(s3)
    assert (status, "so no bundle is live: deploy one" in outcome["reason"]) == (2, True), outcome


def test_the_build_specification_runs_the_step_and_exports_what_it_left(
    s3: Any, before: Bundle, rows: Rows, tmp_path: Path
) -> None:
    """Its own commands, less the installation, in a checkout made of links."""
    publish(before, BUCKET)
    note_live(BUCKET, Live(before.manifest.bundle_id, "1"))
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=catalogue(rows[:30]))
    checkout = tmp_path / "checkout"
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (checkout / ".venv/bin/python").chmod(0o755)
    for name in ("aisle", "infra", "constraints.txt", "pyproject.toml"):
        (checkout / name).symlink_to(ROOT / name)
    specification = yaml.safe_load((ROOT / "infra/pipeline/buildspec.yml").read_text())
    phases = specification["phases"]
    (exported,) = specification["env"]["exported-variables"]
    etag = s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"].strip('"')
    asked = {"AISLE_STEP": "candidate", "AISLE_BUCKET": BUCKET, "AISLE_CATALOGUE": KEY, "AISLE_ETAG": etag}
    commands = [*phases["build"]["commands"], "status=$?", *phases["post_build"]["commands"]]
    script = "\n".join([*commands, f'printf "%s %s" "$status" "${exported}" >&3'])

    reader, writer = os.pipe()
    subprocess.run(
        ["bash", "-c", f"exec 3>&{writer}\n{script}"],
        cwd=checkout,
        env={**os.environ, **asked, "PYTHONPATH": str(checkout)},
        pass_fds=[writer],
        check=True,
    )
    os.close(writer)
    with os.fdopen(reader) as said:
        status, _, outcome = said.read().partition(" ")
    assert (status, json.loads(outcome)["reason"].partition(":")[0]) == ("2", f"{KEY} is refused")


TEMPLATE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Resources": {
        "SearchRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "SearchLambdaFunction": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "aisle-dev-search",
                "Description": "Search, SearchVersion0123456789ab",
                "PackageType": "Image",
                "Code": {"ImageUri": OLD},
                "Role": {"Fn::GetAtt": ["SearchRole", "Arn"]},
            },
        },
        "SearchVersion0123456789ab": {
            "Type": "AWS::Lambda::Version",
            "DeletionPolicy": "RetainExceptOnCreate",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"FunctionName": {"Ref": "SearchLambdaFunction"}},
        },
        "SearchAlias": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {
                "Name": "live",
                "FunctionName": {"Ref": "SearchLambdaFunction"},
                "FunctionVersion": {"Fn::GetAtt": ["SearchVersion0123456789ab", "Version"]},
            },
        },
    },
}


@pytest.fixture
def stack(s3: Any, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A deployed stack with search alone, whose versions say that they carry a bundle named after their number."""

    def answer(request: Request) -> Response:
        if not request.path.endswith("/invocations"):
            return forward(request, aws["AWS_ENDPOINT_URL"])
        version = request.path.split("/")[3].rpartition("%3A")[2]
        return Response(200, {}, json.dumps({"ok": True, "reason": "", "bundle_id": version * 16}).encode())

    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(StackName="aisle-dev", TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="aisle-dev")
    monkeypatch.setattr(canary, "_POLL_S", 1)
    with serving(answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        yield cloudformation


def alias() -> str:
    found: str = boto3.client("lambda").get_alias(FunctionName="aisle-dev-search", Name="live")["FunctionVersion"]
    return found


def test_the_canary_changes_the_image_and_the_version_and_nothing_else() -> None:
    changed = canary.with_image(TEMPLATE, NEW)
    (renamed,) = {*changed["Resources"]} - {*TEMPLATE["Resources"]}
    back = json.dumps(changed).replace(renamed, "SearchVersion0123456789ab").replace(NEW, OLD)
    assert json.loads(back) == TEMPLATE
    assert (renamed[:13], len(renamed)) == ("SearchVersion", 25)
    assert changed["Resources"]["SearchLambdaFunction"]["Properties"]["Description"] == f"Search, {renamed}"
    assert canary.with_image(changed, NEW) != changed  # another deployment publishes another version


@pytest.mark.parametrize(("region", "domain"), [("eu-central-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")])
def test_the_template_lies_under_the_domain_of_its_region(region: str, domain: str) -> None:
    assert canary.template_url("shop", region) == f"https://shop.s3.{region}.{domain}/pipeline/template.json"


def test_the_canary_step_puts_the_image_behind_the_alias_and_notes_what_is_live(stack: Any) -> None:
    assert alias() == "1"
    asked = {"AISLE_STAGE": "dev", "AISLE_BUCKET": BUCKET, "AISLE_BUNDLE_ID": "2" * 16, "AISLE_IMAGE": NEW}
    assert steps.main("canary", asked) == 0
    assert json.loads(steps.OUTCOME.read_text()) == {"bundle_id": "2" * 16, "reason": ""}
    assert (alias(), live(BUCKET)) == ("2", Live("2" * 16, "2"))
    found = boto3.client("lambda").get_function(FunctionName="aisle-dev-search", Qualifier="2")
    assert found["Code"]["ImageUri"] == NEW
    numbers = boto3.client("lambda").list_versions_by_function(FunctionName="aisle-dev-search")["Versions"]
    assert [version["Version"] for version in numbers] == ["$LATEST", "1", "2"]


def test_a_deployment_notes_what_is_live_after_all_that_the_pipeline_starts_from(
    stack: Any, s3: Any, before: Bundle
) -> None:
    def listed() -> list[str]:
        return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]

    golden = before.path / "golden.json"
    sealed = golden.read_bytes()
    golden.write_bytes(b"{}")
    with pytest.raises(BundleError):
        hand_over("dev", before)
    assert listed() == ["pipeline/source.zip"]
    golden.write_bytes(sealed)
    assert hand_over("dev", before) == live(BUCKET) == Live("1" * 16, "1")
    address = f"bundles/{before.manifest.bundle_id}"
    published = [f"{address}/bundle.tar", f"{address}/manifest.json"]
    assert listed() == [*published, "bundles/live.json", "pipeline/source.zip"]


def test_a_stack_that_goes_back_leaves_its_reason(stack: Any, aws: dict[str, str]) -> None:
    """CloudFormation's answers of a rollback, which the emulator never has."""

    def answer(request: Request) -> Response:
        asked = request.body.decode()
        if "Action=DescribeStacks" in asked:
            body = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>aisle-dev</StackName>"
            body += "<CreationTime>2026-11-23T03:00:00Z</CreationTime><StackStatus>UPDATE_ROLLBACK_COMPLETE"
            body += "</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
            return Response(200, {"content-type": "text/xml"}, body.encode())
        if "Action=DescribeStackEvents" in asked:
            rows = [
                ("aisle-dev", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update"),
                ("Other", "UPDATE_FAILED", "Resource update cancelled"),
                ("SearchAlias", "UPDATE_FAILED", "Rollback successful: the hook refused"),
            ]
            members = "".join(
                f"<member><LogicalResourceId>{name}</LogicalResourceId><ResourceStatus>{status}</ResourceStatus>"
                f"<ResourceStatusReason>{reason}</ResourceStatusReason></member>"
                for name, status, reason in rows
            )
            body = "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>" + members
            body += "</StackEvents></DescribeStackEventsResult></DescribeStackEventsResponse>"
            return Response(200, {"content-type": "text/xml"}, body.encode())
        return forward(request, aws["AWS_ENDPOINT_URL"])

    with serving(answer) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", url)
        reason = r"stack aisle-dev went back to what it was \(SearchAlias: Rollback successful: the hook refused\)"
        with pytest.raises(Unavailable, match=reason):
            canary.deploy("dev", BUCKET, NEW)


def test_a_canary_without_a_stack_or_with_a_foreign_one_is_told(s3: Any) -> None:
    with pytest.raises(Unavailable, match="the template of stack aisle-dev could not be read: ValidationError"):
        canary.deploy("dev", BUCKET, NEW)
    with pytest.raises(BadInput, match="the stack's template has 0 versions of search: deploy it: make deploy"):
        canary.with_image({"Resources": {}}, NEW)
    with pytest.raises(NotFound, match="there is no bundle '0123456789abcdef'"):
        steps.canary({"AISLE_STAGE": "dev", "AISLE_BUCKET": BUCKET, "AISLE_BUNDLE_ID": "0123456789abcdef"})


def test_the_sources_are_uploaded_as_the_build_project_wants_them(s3: Any) -> None:
    assert upload("dev") == f"s3://{BUCKET}/pipeline/source.zip"
    sources = s3.get_object(Bucket=BUCKET, Key="pipeline/source.zip")["Body"].read()
    with zipfile.ZipFile(BytesIO(sources)) as archive:
        assert {"pyproject.toml", "constraints.txt", "aisle/bundle.py", "infra/rollback.py"} <= {*archive.namelist()}


def test_the_sources_are_the_files_that_git_knows_as_they_lie_here(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"the sources cannot be packed .*: deploy from a git checkout"):
        packed(tmp_path)
    names = ("edited.yml", "deleted.py", "sub/added.yml")
    (tmp_path / "sub").mkdir()
    for name in (*names, "unknown.txt"):
        (tmp_path / name).write_text("as it was")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", *names], cwd=tmp_path, check=True)
    (tmp_path / "edited.yml").write_text("as it is")
    (tmp_path / "deleted.py").unlink()
    with zipfile.ZipFile(BytesIO(packed(tmp_path))) as archive:
        found = {name: archive.read(name).decode() for name in archive.namelist()}
    assert found == {"edited.yml": "as it is", "sub/added.yml": "as it was"}


def test_training_takes_its_files_from_the_bucket_and_publishes_what_it_built(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="training/shop/catalogue.csv", Body=b"product_id,title\n1,hat\n")
    asked = {"AISLE_BUCKET": BUCKET, "AISLE_RECIPE": str(ROOT / "tests/tiny.toml")}
    assert steps.main("train", asked) == 0
    outcome = json.loads(steps.OUTCOME.read_text())
    assert (steps.WORK / "training/shop/catalogue.csv").read_text() == "product_id,title\n1,hat\n"
    assert fetch(BUCKET, outcome["bundle_id"], tmp_path / "fetched").manifest.recipe == "tiny"


@pytest.mark.parametrize("name", ["/{outside}/x", "../../x", "a/../../x"])
def test_a_training_file_writes_below_its_folder_alone(
    s3: Any, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    key = f"training/{name.format(outside=outside)}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    assert steps.main("train", {"AISLE_BUCKET": BUCKET}) == 2
    reason = json.loads(steps.OUTCOME.read_text())["reason"]
    assert reason == f"s3://{BUCKET}/{key} leads out of training/: give it a name without .. and //"
    assert [*outside.iterdir(), *Path(".").rglob("x")] == []


def test_training_that_fails_leaves_the_last_words_of_the_build(s3: Any) -> None:
    assert steps.main("train", {"AISLE_BUCKET": BUCKET, "AISLE_RECIPE": "no-such-recipe"}) == 2
    reason = json.loads(steps.OUTCOME.read_text())["reason"]
    assert "-m aisle ended with 2 (" in reason
    assert "no-such-recipe" in reason


def test_only_a_file_under_catalogue_starts_the_pipeline(s3: Any, aws: dict[str, str]) -> None:
    """The deployed rule's own pattern, with a queue in the state machine's place."""
    loader: Any = type("Template", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", lambda loader, tag, node: BUCKET)  # !Ref BundlesBucket, in the pattern
    template = yaml.load((ROOT / "infra/resources/pipeline.yml").read_text(), loader)
    events, sqs = boto3.client("events"), boto3.client("sqs")
    queue = sqs.create_queue(QueueName="started")["QueueUrl"]
    pattern = json.dumps(template["Resources"]["PipelineRule"]["Properties"]["EventPattern"])
    events.put_rule(Name="catalogue", EventPattern=pattern)
    target = {"Id": "pipeline", "Arn": "arn:aws:sqs:us-east-1:123456789012:started"}
    events.put_targets(Rule="catalogue", Targets=[target])
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
    for key in (
        "catalogue/",
        "catalogue/products.jsonl",
        "bundles/live.json",
        "pipeline/template.json",
        "training/a.csv",
    ):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    started = [json.loads(message["Body"])["detail"]["object"] for message in messages]
    assert [found["key"] for found in started] == ["catalogue/products.jsonl"]
