"""The stack of a stage that scores batches, as osls compiles it, and where a deployment takes its image from."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from stacks import (
    IMAGES,
    NO_RESOURCE,
    Compiled,
    Template,
    accepted_checks,
    failed_checks,
    lint_errors,
    listed,
    of_type,
    one,
    statements,
    template_in,
    values,
)
from test_deploy import REPOSITORY

from aisle.aws.batch_jobs import INCOMING, JOBS
from aisle.batch_job import FAILED, MANIFEST
from aisle.errors import AisleError
from aisle.settings import Settings
from aisle.tables import ENDINGS
from infra.batch.image import batch, named_image
from infra.package import ROOT

IMAGE = IMAGES["batch"]
BUCKET_ARN = "arn:${{AWS::Partition}}:s3:::aisle-{stage}-batch-${{AWS::AccountId}}"
STAGES = ("dev", "prod")


@pytest.fixture(scope="module")
def packaged(compiled: Compiled) -> dict[str, Path]:
    """stage -> folder with the template of that stage with batches; and `off`, of dev as it stands."""
    return {"off": compiled("dev"), **{stage: compiled(stage, "batch=on") for stage in STAGES}}


@pytest.fixture(scope="module", params=STAGES)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def template(packaged: dict[str, Path], stage: str) -> Template:
    return template_in(packaged[stage])


def role(template: Template, name: str) -> list[dict[str, Any]]:
    (policy,) = one(template, "AWS::IAM::Role", name)["Policies"]
    said: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return said


def of_action(said: list[dict[str, Any]], action: str) -> list[Any]:
    """The resources that the action is allowed on."""
    found = [statement["Resource"] for statement in said if action in listed(statement["Action"])]
    return [resource for some in found for resource in (some if isinstance(some, list) else [some])]


@pytest.mark.slow
def test_a_stage_without_batches_has_nothing_of_them(packaged: dict[str, Path]) -> None:
    off, on = template_in(packaged["off"]), template_in(packaged["dev"])
    assert [values(stage)["batch"] for stage in STAGES] == ["off", "off"]
    added = on["Resources"].keys() - off["Resources"].keys()
    assert all(name.startswith("Batch") for name in added)
    assert off["Resources"].keys() <= on["Resources"].keys()
    assert IMAGE not in json.dumps(off)
    config = off["Resources"]["BatchBucket"]["Properties"]["NotificationConfiguration"]
    assert config == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


@pytest.mark.slow
def test_cfn_lint_finds_no_error(packaged: dict[str, Path], stage: str) -> None:
    assert lint_errors(packaged[stage]) == []


@pytest.mark.slow
def test_checkov_finds_what_is_accepted_with_a_reason_and_nothing_else(packaged: dict[str, Path]) -> None:
    off = template_in(packaged["off"])["Resources"].keys()
    found = {check: names - off for check, names in failed_checks(packaged["dev"]).items()}
    assert {check: names for check, names in found.items() if names} == accepted_checks("accepted-batch")


@pytest.mark.slow
def test_the_bucket_tells_of_every_file_that_is_read_and_of_every_end(template: Template) -> None:
    bucket = template["Resources"]["BatchBucket"]
    config = bucket["Properties"]["NotificationConfiguration"]
    rules = {
        kind: [
            tuple(rule["Value"] for rule in told["Filter"]["S3Key"]["Rules"])
            for told in config[f"{kind}Configurations"]
        ]
        for kind in ("Queue", "Topic")
    }
    assert sorted(rules["Queue"]) == sorted((INCOMING, ending) for ending in ENDINGS)
    assert rules["Topic"] == [(JOBS, f"/{MANIFEST}"), (JOBS, f"/{FAILED}")]
    assert {told["Event"] for kind in rules for told in config[f"{kind}Configurations"]} == {"s3:ObjectCreated:*"}
    assert {*bucket["DependsOn"]} == {"BatchQueuePolicy", "BatchFinishedTopicPolicy"}  # S3 tries at once


@pytest.mark.slow
def test_that_bucket_of_this_account_may_send_and_nobody_else(template: Template, stage: str) -> None:
    ours = {
        "ArnEquals": {"aws:SourceArn": {"Fn::Sub": BUCKET_ARN.format(stage=stage)}},
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }
    for kind, name in (
        ("AWS::SQS::QueuePolicy", "BatchQueuePolicy"),
        ("AWS::SNS::TopicPolicy", "BatchFinishedTopicPolicy"),
    ):
        said = one(template, kind, name)["PolicyDocument"]["Statement"]
        (allowed,) = (statement for statement in said if statement["Effect"] == "Allow")
        (denied,) = (statement for statement in said if statement["Effect"] == "Deny")
        assert (allowed["Principal"], allowed["Condition"]) == ({"Service": "s3.amazonaws.com"}, ours)
        assert str(denied["Condition"]["Bool"]["aws:SecureTransport"]).lower() == "false"
    policies = [p for p in of_type(template, "AWS::SQS::QueuePolicy").values() if {"Ref": "BatchQueue"} in p["Queues"]]
    assert len(policies) == 1  # a second one would replace the first
    name = one(template, "AWS::S3::Bucket", "BatchBucket")["BucketName"]["Fn::Sub"]
    assert BUCKET_ARN.format(stage=stage).endswith(f":::{name}")


@pytest.mark.slow
def test_a_chunk_is_over_before_its_message_is_seen_again(template: Template, stage: str) -> None:
    source = one(template, "AWS::Lambda::EventSourceMapping", "BatchMessages")
    assert source["EventSourceArn"] == {"Fn::GetAtt": ["BatchQueue", "Arn"]}
    assert source["FunctionName"] == {"Fn::GetAtt": ["BatchLambdaFunction", "Arn"]}
    assert (source["BatchSize"], source["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    assert source["ScalingConfig"] == {"MaximumConcurrency": values(stage)["batch_concurrency"]}
    queue, function = (
        one(template, "AWS::SQS::Queue", "BatchQueue"),
        one(template, "AWS::Lambda::Function", "BatchLambdaFunction"),
    )
    assert 6 * function["Timeout"] <= queue["VisibilityTimeout"]  # as AWS asks
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5


@pytest.mark.slow
def test_the_function_has_its_own_image_and_the_settings_that_it_reads(template: Template, stage: str) -> None:
    function = one(template, "AWS::Lambda::Function", "BatchLambdaFunction")
    assert (function["Code"], function["PackageType"]) == ({"ImageUri": IMAGE}, "Image")
    (command,) = function["ImageConfig"]["Command"]
    assert (ROOT / f"{command.removesuffix('.handler').replace('.', '/')}.py").exists()
    assert function["Architectures"] == [values(stage)["architecture"]]
    given = function["Environment"]["Variables"]
    fields = {f"AISLE_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    assert given.keys() <= fields
    assert {name for name in fields if name.startswith("AISLE_BATCH_")} <= given.keys()
    read = {name: str(value) if isinstance(value, str | int) else "arn" for name, value in given.items()}
    assert Settings.from_env(read).batch_fanout == values(stage)["batch_fanout"] == 1000
    assert given["AISLE_BATCH_BUCKET"] == one(template, "AWS::S3::Bucket", "BatchBucket")["BucketName"]
    name = one(template, "AWS::StepFunctions::StateMachine", "BatchMachine")["StateMachineName"]
    assert given["AISLE_BATCH_MACHINE"]["Fn::Sub"].endswith(f":stateMachine:{name}")


@pytest.mark.slow
def test_no_role_may_do_everything_or_anything_to_all(template: Template) -> None:
    said = statements(template)
    assert [action for statement in said for action in listed(statement["Action"]) if "*" in action] == []
    on_all = [statement for statement in said if "*" in listed(statement["Resource"])]
    assert {action for statement in on_all for action in listed(statement["Action"])} <= NO_RESOURCE


@pytest.mark.slow
def test_nobody_who_scores_may_write_where_files_land_or_remove_what_was_scored(template: Template) -> None:
    said = role(template, "BatchRole")
    assert of_action(said, "s3:PutObject") == [{"Fn::Sub": f"${{BatchBucket.Arn}}/{JOBS}*"}]
    assert of_action(said, "s3:DeleteObject") == [
        {"Fn::Sub": f"${{BatchBucket.Arn}}/{JOBS}*/{name}.json"} for name in ("cancelled", "failed")
    ]
    assert of_action(said, "sqs:DeleteMessage") == [{"Fn::GetAtt": ["BatchQueue", "Arn"]}]
    assert of_action(said, "sqs:SendMessage") == [
        {"Fn::GetAtt": [q, "Arn"]} for q in ("BatchQueue", "BatchDeadLetters")
    ]
    machine = role(template, "BatchMachineRole")
    assert of_action(machine, "lambda:InvokeFunction") == [{"Fn::GetAtt": ["BatchLambdaFunction", "Arn"]}]
    written = json.loads((ROOT / "infra/batch/state-machine.asl.json").read_text())["States"]["Chunks"]["ResultWriter"]
    results = {"Fn::Sub": f"${{BatchBucket.Arn}}/{written['Parameters']['Prefix']}/*"}
    assert results["Fn::Sub"].partition("/")[2] == "batch/executions/*"  # told to neither queue nor topic
    assert of_action(machine, "s3:PutObject") == [results]
    assert of_action(machine, "s3:GetObject") == [{"Fn::Sub": f"${{BatchBucket.Arn}}/{JOBS}*/chunks.json"}, results]
    assert of_action(machine, "states:StartExecution") == of_action(said, "states:StartExecution")


@pytest.mark.slow
def test_the_map_is_as_wide_as_the_stage_says(template: Template, stage: str) -> None:
    machine = one(template, "AWS::StepFunctions::StateMachine", "BatchMachine")
    definition = json.loads(machine["DefinitionString"])
    written = json.loads((ROOT / "infra/batch/state-machine.asl.json").read_text())
    written["States"]["Chunks"]["MaxConcurrency"] = values(stage)["batch_concurrency"]
    assert definition == written
    assert {*re.findall(r"\$\{(\w+)\}", json.dumps(definition))} == machine["DefinitionSubstitutions"].keys()
    task = definition["States"]["Chunks"]["ItemProcessor"]["States"]["Score"]
    assert task["TimeoutSeconds"] > one(template, "AWS::Lambda::Function", "BatchLambdaFunction")["Timeout"]


@pytest.mark.slow
def test_each_alarm_tells_people_and_is_explained(template: Template) -> None:
    found = {
        alarm["AlarmName"].split("-", 2)[2]: alarm for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
    }
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for name in ("batch-dead-letters", "batch-errors", "batch-incomplete"):
        assert found[name]["AlarmActions"] == [{"Ref": "AlarmsTopic"}]
        assert f"`{name}`" in page


@pytest.mark.slow
def test_what_is_scored_goes_after_thirty_days_and_what_the_shop_keeps_there_stays(template: Template) -> None:
    rules = one(template, "AWS::S3::Bucket", "BatchBucket")["LifecycleConfiguration"]["Rules"]
    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert days == {"batch/": 30, "cache/": 30, "spark": 30, "reranked": 7}


# The image of a deployment


def refused(stage: str = "dev", switched_on: bool = True, **asked: str) -> str:
    with pytest.raises(AisleError) as caught:
        batch(stage, switched_on, named_image(stage, switched_on, asked), None)
    return str(caught.value)


def test_a_stage_without_batches_takes_no_image() -> None:
    assert batch("dev", False, named_image("dev", False, {}), None) == {}
    assert refused(switched_on=False, AISLE_BATCH_IMAGE=IMAGE) == (
        "AISLE_BATCH_IMAGE is given and dev has no batch scoring: "
        'write batch: "on" in infra/stages/dev.yml, or leave it out'
    )


def test_an_image_is_named_with_its_digest() -> None:
    image = f"{REPOSITORY}-batch@sha256:{'1' * 64}"
    assert batch("dev", True, named_image("dev", True, {"AISLE_BATCH_IMAGE": image}), None) == {
        "AISLE_BATCH_IMAGE": image
    }
    assert refused(AISLE_BATCH_IMAGE=f"{REPOSITORY}-batch:latest").startswith("AISLE_BATCH_IMAGE is '")


def test_the_first_deployment_with_batches_wants_an_image(aws: dict[str, str]) -> None:
    assert refused() == (
        "dev is to score batches, and no image for it was ever deployed: "
        "name a bundle to build one around, or an image: AISLE_BATCH_IMAGE=..."
    )
