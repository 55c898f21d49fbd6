"""The stack of a stage whose heavy reranker is on, as osls compiles it, and what its values come to."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from stacks import (
    IMAGES,
    MODEL,
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
    switch,
    template_in,
    values,
)

from infra.package import ROOT

IMAGE = IMAGES["reranker"]
ON = {"dev": ("heavy=on", "heavy_batch=on", "heavy_margin=0.1"), "prod": ("heavy=on",)}
NAMESPACES = {"AWS/SageMaker", "/aws/sagemaker/Endpoints", "aisle"}
NOBODY_READS = {
    "heavy-wake",
    "heavy-runs",
    "heavy-unasked",
    "heavy-batch-wake",
    "heavy-batch-runs",
    "heavy-batch-empty",
}


@pytest.mark.parametrize(
    ("hours", "runs"),
    [((6, 22), range(6, 22)), ((22, 4), [22, 23, 0, 1, 2, 3]), ((0, 0), range(24)), ((23, 0), [23]), ((0, 1), [0])],
)
def test_alarms_count_the_hours_in_which_something_is_to_run(hours: tuple[int, int], runs: list[int]) -> None:
    status, written = switch("heavy", "open", heavy_from_hour=hours[0], heavy_until_hour=hours[1])
    condition = json.loads(written).replace("HOUR(asked)", "hour").replace("AND", "and").replace("OR", "or")
    assert (status, [hour for hour in range(24) if eval(condition, {"hour": hour})]) == (0, sorted(runs))


def test_a_stage_that_never_closes_has_no_schedule() -> None:
    always = {"heavy_from_hour": 5, "heavy_until_hour": 5, "heavy_floor": 1, "heavy_ceiling": 1}
    assert switch("heavy", "schedule", **always) == (0, "[]")


@pytest.mark.parametrize(
    ("name", "stage", "refused"),
    [
        ("resources", {"heavy": True}, 'heavy of infra/stages/ is "true": write "on" or "off"'),
        (
            "batch",
            {"heavy": "off", "heavy_batch": "on"},
            'heavy_batch of infra/stages/ is "on" and heavy is "off": the batch endpoint runs the same model',
        ),
        (
            "copies",
            {"heavy_floor": 3, "heavy_ceiling": 2},
            "heavy_floor of infra/stages/ has to be a whole number from 0 to 2",
        ),
        (
            "open",
            {"heavy_from_hour": 24, "heavy_until_hour": 1},
            "heavy_from_hour of infra/stages/ has to be a whole number from 0 to 23",
        ),
    ],
)
def test_values_that_make_no_sense_stop_the_deployment(name: str, stage: dict[str, object], refused: str) -> None:
    assert switch("heavy", name, **stage) == (2, refused)


@pytest.fixture(scope="module")
def packaged(compiled: Compiled) -> dict[str, Path]:
    """stage -> folder with the template of that stage with a heavy reranker."""
    return {stage: compiled(stage, *given) for stage, given in ON.items()}


@pytest.fixture(scope="module", params=ON)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def template(packaged: dict[str, Path], stage: str) -> Template:
    return template_in(packaged[stage])


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    """Name without the stage -> properties, of the alarms of the heavy reranker."""
    found = [*of_type(template, "AWS::CloudWatch::Alarm").values()]
    found += of_type(template, "AWS::CloudWatch::CompositeAlarm").values()
    named = {alarm["AlarmName"].split("-", 2)[2]: alarm for alarm in found}
    return {name: alarm for name, alarm in named.items() if name.startswith("heavy-")}


def arn(kind: str, name: str) -> dict[str, str]:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:sagemaker:${{AWS::Region}}:${{AWS::AccountId}}:{kind}/{name}"}


@pytest.mark.slow
def test_cfn_lint_finds_no_error(packaged: dict[str, Path], stage: str) -> None:
    assert lint_errors(packaged[stage]) == []


@pytest.mark.slow
def test_checkov_finds_what_is_accepted_with_a_reason_and_nothing_else(packaged: dict[str, Path]) -> None:
    assert failed_checks(packaged["dev"]) == accepted_checks("accepted", "accepted-heavy")


@pytest.mark.slow
def test_search_may_call_that_endpoint_and_no_other_and_knows_its_name(template: Template, stage: str) -> None:
    name = f"aisle-{stage}-heavy"
    environment = one(template, "AWS::Lambda::Function", "SearchLambdaFunction")["Environment"]["Variables"]
    assert [environment[f"AISLE_HEAVY_{part}"] for part in ("ENDPOINT", "COMPONENT")] == [name, name]
    assert str(environment["AISLE_HEAVY_MARGIN"]) == {"dev": "0.1", "prod": ""}[stage]
    policy = one(template, "AWS::IAM::Policy", "HeavyInvokePolicy")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (policy["Roles"], statement["Action"]) == ([{"Ref": "SearchRole"}], "sagemaker:InvokeEndpoint")
    assert statement["Resource"] == [arn("endpoint", name), arn("inference-component", name)]
    assert one(template, "AWS::SageMaker::Endpoint", "HeavyEndpoint")["EndpointName"] == name
    assert one(template, "AWS::SageMaker::InferenceComponent", "HeavyComponent")["InferenceComponentName"] == name
    calling = [text for text in map(json.dumps, statements(template)) if "sagemaker:InvokeEndpoint" in text]
    assert len(calling) == 1


@pytest.mark.slow
def test_the_component_runs_the_sealed_model_in_the_named_image_cut_off_from_the_network(template: Template) -> None:
    model = one(template, "AWS::SageMaker::Model", "HeavyModel")
    assert model["PrimaryContainer"] == {
        "Image": IMAGE,
        "ModelDataSource": {
            "S3DataSource": {
                "S3Uri": {"Fn::Sub": f"s3://${{BundlesBucket}}/heavy/{MODEL}/"},  # without the slash it is no prefix
                "S3DataType": "S3Prefix",
                "CompressionType": "None",
            }
        },
    }
    config = one(template, "AWS::SageMaker::EndpointConfig", "HeavyEndpointConfig")
    assert (model["EnableNetworkIsolation"], config["EnableNetworkIsolation"]) == (True, True)
    (variant,) = config["ProductionVariants"]
    assert "ModelName" not in variant  # or the endpoint takes no component
    component = one(template, "AWS::SageMaker::InferenceComponent", "HeavyComponent")
    assert component["VariantName"] == variant["VariantName"]
    assert component["Specification"]["ModelName"] == {"Fn::GetAtt": ["HeavyModel", "ModelName"]}
    assert component["Specification"]["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"] == 1
    outputs = template["Outputs"]
    assert (outputs["HeavyId"]["Value"], outputs["HeavyImage"]["Value"]) == (MODEL, IMAGE)


@pytest.mark.slow
def test_what_an_update_replaces_has_no_name_of_ours(template: Template) -> None:
    for kind, name in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
        assert [made for made in of_type(template, f"AWS::SageMaker::{kind}").values() if name in made] == []


@pytest.mark.slow
def test_copies_go_to_zero_in_dev_and_in_prod_outside_the_hours(template: Template, stage: str) -> None:
    target = one(template, "AWS::ApplicationAutoScaling::ScalableTarget", "HeavyCopies")
    assert target["ResourceId"] == f"inference-component/aisle-{stage}-heavy"
    assert target["ScalableDimension"] == "sagemaker:inference-component:DesiredCopyCount"
    bounds = {"dev": (0, 1), "prod": (1, 2)}[stage]
    assert (target["MinCapacity"], target["MaxCapacity"]) == bounds
    actions = [
        (action["Schedule"], action["Timezone"], *action["ScalableTargetAction"].values())
        for action in target["ScheduledActions"]
    ]
    daily = [("cron(0 6 * * ? *)", "UTC", 1, 2), ("cron(0 22 * * ? *)", "UTC", 0, 0)]
    assert actions == {"dev": [], "prod": daily}[stage]
    (variant,) = one(template, "AWS::SageMaker::EndpointConfig", "HeavyEndpointConfig")["ProductionVariants"]
    scaling = variant["ManagedInstanceScaling"]
    assert (scaling["Status"], scaling["MinInstanceCount"]) == ("ENABLED", 0)
    assert scaling["MaxInstanceCount"] == 2 * bounds[1]  # an update runs old and new copies side by side
    copies = one(template, "AWS::SageMaker::InferenceComponent", "HeavyComponent")["RuntimeConfig"]["CopyCount"]
    assert copies == variant["InitialInstanceCount"] == 1  # a model that does not load fails the deployment


@pytest.mark.slow
def test_each_scalable_target_has_a_policy_for_load_and_one_that_wakes_it_from_zero(template: Template) -> None:
    policies = of_type(template, "AWS::ApplicationAutoScaling::ScalingPolicy")
    wakers = {"HeavyCopies": ("heavy-wake", "NoCapacityInvocationFailures")}
    if "HeavyBatchInstances" in template["Resources"]:
        wakers["HeavyBatchInstances"] = ("heavy-batch-wake", "HasBacklogWithoutCapacity")
    assert wakers.keys() == of_type(template, "AWS::ApplicationAutoScaling::ScalableTarget").keys()
    for target, (alarm, metric) in wakers.items():
        kinds = {p["PolicyType"]: n for n, p in policies.items() if p["ScalingTargetId"] == {"Ref": target}}
        assert kinds.keys() == {"TargetTrackingScaling", "StepScaling"}
        waking = alarms(template)[alarm]
        assert (waking["MetricName"], waking["AlarmActions"]) == (metric, [{"Ref": kinds["StepScaling"]}])
        (step,) = policies[kinds["StepScaling"]]["StepScalingPolicyConfiguration"]["StepAdjustments"]
        assert step == {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}


@pytest.mark.slow
def test_each_alarm_watches_what_is_there_tells_people_and_is_explained(template: Template, stage: str) -> None:
    found = alarms(template)
    expected = {"heavy-errors", "heavy-failing", "heavy-idle", "heavy-no-capacity", "heavy-slow"}
    expected |= {"heavy-batch-failed", "heavy-batch-idle"} if stage == "dev" else set()
    assert {
        name for name, alarm in found.items() if {"Ref": "AlarmsTopic"} in alarm.get("AlarmActions", [])
    } == expected
    assert found.keys() - expected <= NOBODY_READS
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert [name for name in found if f"`{name}`" not in page] == []
    named = {f"aisle-{stage}-heavy", f"aisle-{stage}-heavy-batch", f"aisle-{stage}", "gpu"}
    for alarm in found.values():
        metrics = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
        metrics += [alarm] if "MetricName" in alarm else []
        assert {metric["Namespace"] for metric in metrics} <= NAMESPACES
        assert {dimension["Value"] for metric in metrics for dimension in metric["Dimensions"]} <= named
        rule = re.findall(r'ALARM\("aisle-\w+?-([\w-]+)"\)', alarm.get("AlarmRule", ""))
        assert set(rule) <= found.keys()
        assert len(metrics) + len(rule) > 0


@pytest.mark.slow
def test_the_dashboard_shows_what_the_alarms_watch(template: Template, stage: str) -> None:
    body = one(template, "AWS::CloudWatch::Dashboard", "HeavyDashboard")["DashboardBody"]["Fn::Sub"]
    shown = {metric[1] for widget in json.loads(body)["widgets"] for metric in widget["properties"]["metrics"]}
    watched = {
        metric["MetricName"]
        for name, alarm in alarms(template).items()
        if "batch" not in name
        for metric in [alarm, *(part.get("MetricStat", {}).get("Metric", {}) for part in alarm.get("Metrics", []))]
        if "MetricName" in metric
    }
    assert watched <= shown


@pytest.mark.slow
def test_the_schedule_and_the_alarms_keep_the_same_hours(template: Template, stage: str) -> None:
    first, last = values(stage)["heavy_from_hour"], values(stage)["heavy_until_hour"]
    hours = {"dev": "HOUR(asked) >= 0", "prod": f"HOUR(asked) >= {first} AND HOUR(asked) < {last}"}[stage]
    written = {
        name: alarms(template)[name]["Metrics"][0]["Expression"] for name in ("heavy-no-capacity", "heavy-failing")
    }
    assert written == {
        "heavy-no-capacity": f"IF({hours}, asked, 0)",
        "heavy-failing": f"IF({hours}, 100 * failed / asked, 0)",
    }


@pytest.mark.slow
def test_no_role_may_do_everything_or_anything_to_all(template: Template) -> None:
    said = statements(template)
    assert [action for statement in said for action in listed(statement["Action"]) if "*" in action] == []
    on_all = [statement for statement in said if "*" in listed(statement["Resource"])]
    actions = {action for statement in on_all for action in listed(statement["Action"])}
    assert actions <= NO_RESOURCE | {"cloudwatch:PutMetricData"}
    (metrics,) = (statement for statement in on_all if "cloudwatch:PutMetricData" in listed(statement["Action"]))
    assert list(metrics["Condition"]["StringLike"]) == ["cloudwatch:namespace"]
    wide = [text for text in map(json.dumps, said) if re.search(r'"arn:[^"]*:\*"', text)]
    assert [text for text in wide if "sagemaker" in text] == []


@pytest.mark.slow
def test_answers_of_a_batch_start_nothing_go_after_a_week_and_are_told_of(packaged: dict[str, Path]) -> None:
    template = template_in(packaged["dev"])
    config = one(template, "AWS::SageMaker::EndpointConfig", "HeavyBatchEndpointConfig")
    output = config["AsyncInferenceConfig"]["OutputConfig"]
    assert output == {
        "S3OutputPath": {"Fn::Sub": "s3://${BatchBucket}/reranked/"},
        "S3FailurePath": {"Fn::Sub": "s3://${BatchBucket}/reranked-failed/"},
        "NotificationConfig": {
            "SuccessTopic": {"Ref": "HeavyBatchDoneTopic"},
            "ErrorTopic": {"Ref": "HeavyBatchFailedTopic"},
        },
    }
    rules = one(template, "AWS::S3::Bucket", "BatchBucket")["LifecycleConfiguration"]["Rules"]
    assert {"Id": "reranked", "Status": "Enabled", "Prefix": "reranked", "ExpirationInDays": 7} in rules
    started = [
        prefix
        for rule in of_type(template, "AWS::Events::Rule").values()
        if "BatchBucket" in json.dumps(rule.get("EventPattern", {}))
        for prefix in re.findall(r'"(?:prefix|wildcard)": "([^"*]*)', json.dumps(rule["EventPattern"]))
    ]
    assert [prefix for prefix in started if prefix.startswith("rerank") or "reranked".startswith(prefix)] == []
    (variant,) = config["ProductionVariants"]
    assert variant["ModelName"] == {"Fn::GetAtt": ["HeavyModel", "ModelName"]}
    target = one(template, "AWS::ApplicationAutoScaling::ScalableTarget", "HeavyBatchInstances")
    assert (target["ResourceId"], target["MinCapacity"]) == ("endpoint/aisle-dev-heavy-batch/variant/gpu", 0)
    written = [
        resource["Fn::Sub"].partition("}/")[2]
        for statement in one(template, "AWS::IAM::Policy", "HeavyBatchPolicy")["PolicyDocument"]["Statement"]
        if "s3:PutObject" in listed(statement["Action"])
        for resource in statement["Resource"]
    ]
    assert written == ["reranked/*", "reranked-failed/*"]
