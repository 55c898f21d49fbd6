"""The stack of each stage, as osls compiles it: linted, scanned, and held against the code that will run in it."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from stacks import (
    LAYER,
    NO_RESOURCE,
    Compiled,
    Template,
    accepted_checks,
    failed_checks,
    lint_errors,
    listed,
    of_type,
    statements,
    template_in,
    values,
)

from aisle.aws import release
from aisle.operations import OPERATIONS
from aisle.profile import KEPT_DAYS
from aisle.settings import Settings
from infra.package import NO_IMAGE, ROOT

pytestmark = pytest.mark.slow

STAGES = ("dev", "prod")
RUNTIME = {
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "six.py",
    "urllib3",
}  # what Lambda's Python brings
STATEFUL = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::SQS::Queue"}
HANDLERS = [path for path in (ROOT / "functions").glob("*/handler.py") if path.parent.name != "batch"]  # of a switch
OF_THE_IMAGE = {"search": None} | {
    name: {"Command": [f"functions.{name}.handler.handler"]} for name in ("nightly", "recommend")
}


@pytest.fixture(scope="module")
def packaged(compiled: Compiled) -> dict[str, Path]:
    """stage -> folder with the template and the archives."""
    return {stage: compiled(stage) for stage in STAGES}


@pytest.fixture(scope="module", params=STAGES)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def template(packaged: dict[str, Path], stage: str) -> Template:
    return template_in(packaged[stage])


def test_cfn_lint_finds_no_error(packaged: dict[str, Path], stage: str) -> None:
    assert lint_errors(packaged[stage]) == []


def test_checkov_finds_what_is_accepted_with_a_reason_and_nothing_else(packaged: dict[str, Path], stage: str) -> None:
    assert failed_checks(packaged[stage]) == accepted_checks("accepted")


def test_both_stages_have_the_same_keys() -> None:
    assert values("dev").keys() == values("prod").keys()


def test_no_value_of_a_stage_is_unused() -> None:
    written = "".join(path.read_text() for path in [ROOT / "serverless.yml", *(ROOT / "infra").rglob("*.yml")])
    used = set(re.findall(r"\$\{param:(\w+)\}", written))
    for switch in ("heavy", "batch", "spark", "catalogue"):
        written = (ROOT / f"infra/resources/{switch}.js").read_text()
        used |= set(re.findall(rf"'(?:param:)?({switch}\w*)'", written))
    assert used == values("dev").keys()


def test_routes_are_those_of_the_operations(template: Template) -> None:
    integrations = of_type(template, "AWS::ApiGatewayV2::Integration")
    behind = {row.function for row in OPERATIONS}
    functions = {
        f"HttpApiIntegration{name.capitalize()}": ({"Fn::GetAtt": [f"{name.capitalize()}LambdaFunction", "Arn"]}, name)
        for name in behind
    } | {"HttpApiIntegrationSearch": ({"Ref": "SearchAlias"}, "search")}
    assert {name: found["IntegrationUri"] for name, found in integrations.items()} == {
        name: uri for name, (uri, _) in functions.items()
    }
    found = {
        route["RouteKey"]: (functions[route["Target"]["Fn::Join"][1][1]["Ref"]][1], route.get("AuthorizationType"))
        for route in of_type(template, "AWS::ApiGatewayV2::Route").values()
    }
    assert found == {"GET /openapi.json": ("search", None), "GET /docs": ("search", None)} | {
        f"{row.method} {row.path}": (row.function, None if row.key == "none" else "CUSTOM") for row in OPERATIONS
    }


def test_each_route_with_a_key_is_throttled_once_it_exists(template: Template) -> None:
    logical = {found["RouteKey"]: name for name, found in of_type(template, "AWS::ApiGatewayV2::Route").items()}
    settings = of_type(template, "AWS::ApiGatewayV2::Stage")["HttpApiStage"]["RouteSettings"]
    assert settings.keys() == {f"{row.method} {row.path}" for row in OPERATIONS if row.key != "none"}
    assert all(found["ThrottlingRateLimit"] > 0 and found["ThrottlingBurstLimit"] > 0 for found in settings.values())
    assert {logical[key] for key in settings} <= set(template["Resources"]["HttpApiStage"]["DependsOn"])


def test_a_kept_yes_of_the_authorizer_opens_one_route_alone(template: Template) -> None:
    (authorizer,) = of_type(template, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["IdentitySource"] == ["$request.header.Authorization", "$context.routeKey"]
    assert (authorizer["AuthorizerResultTtlInSeconds"], authorizer["EnableSimpleResponses"]) == (300, True)
    assert authorizer["AuthorizerPayloadFormatVersion"] == "2.0"


def test_access_logs_have_ids_and_nothing_that_a_caller_typed(template: Template) -> None:
    (stage,) = of_type(template, "AWS::ApiGatewayV2::Stage").values()
    logged = set(json.loads(stage["AccessLogSettings"]["Format"]).values())
    assert {"$context.requestId", "$context.integration.requestId", "$context.routeKey"} <= logged
    typed = ("path", "query", "domain", "identity", "header", "protocol", "integrationError.", "authorizer.principal")
    assert [variable for variable in logged if any(part in variable for part in typed)] == []


def test_each_function_has_a_handler_or_an_image_and_a_role_of_its_own(template: Template, stage: str) -> None:
    functions = {found["FunctionName"]: found for found in of_type(template, "AWS::Lambda::Function").values()}
    names = {path.stem for path in (ROOT / "infra/iam").glob("*.yml")}
    names -= {"batch", "heavy", "heavy-batch", "pipeline", "spark"}  # which are no functions, or are switched off
    assert functions.keys() == {f"aisle-{stage}-{name}" for name in names}
    assert names == {path.parent.name for path in HANDLERS}
    for name in names:
        found = functions[f"aisle-{stage}-{name}"]
        assert found["Role"] == {"Fn::GetAtt": [f"{name.capitalize()}Role", "Arn"]}
        assert found["Architectures"] == [values(stage)["architecture"]]
        if name in OF_THE_IMAGE:
            assert (found["Code"], found["PackageType"]) == ({"ImageUri": NO_IMAGE}, "Image")
            assert found.get("ImageConfig") == OF_THE_IMAGE[name]
            assert "Layers" not in found
        else:
            assert found["Handler"] == f"functions/{name}/handler.handler"
            assert found["Layers"] == [{"Ref": "LightLambdaLayer"}]


@pytest.mark.parametrize("name", sorted({path.parent.name for path in HANDLERS} - OF_THE_IMAGE.keys()))
def test_a_zip_function_loads_from_its_archive_the_layer_and_the_runtime_alone(
    packaged: dict[str, Path], tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(packaged["dev"] / "aisle.zip") as archive:
        archive.extractall(tmp_path / "task")
    (tmp_path / "installed").mkdir()
    here = Path(pytest.__file__).parents[1]  # the same packages, for this machine's processor
    for part in {path.name for path in LAYER.iterdir() if path.name != "bin"} | RUNTIME:
        (tmp_path / "installed" / part).symlink_to(here / part)
    path = os.pathsep.join(str(tmp_path / part) for part in ("task", "installed"))
    load = f"import boto3; from functions.{name}.handler import handler; assert callable(handler)"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", load],
        cwd=tmp_path,
        env={"PYTHONPATH": path, "AWS_DEFAULT_REGION": "us-east-1", "AISLE_OVERLAY_TABLE": "aisle-dev-overlay"},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_archives_hold_what_serves_and_nothing_else(packaged: dict[str, Path]) -> None:
    with zipfile.ZipFile(packaged["dev"] / "aisle.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"aisle", "functions"}
        assert not [name for name in archive.namelist() if "__pycache__" in name]
    with zipfile.ZipFile(packaged["dev"] / "light.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"python"}


def test_the_environment_is_what_the_settings_read(template: Template, stage: str) -> None:
    given: dict[str, Any] = {}
    for function in of_type(template, "AWS::Lambda::Function").values():
        given |= function["Environment"]["Variables"]
    ours = {name for name in given if name.startswith("AISLE_")}
    fields = {f"AISLE_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    elsewhere = {"AISLE_DATA", "AISLE_STATE", "AISLE_THREADS"}  # of a laptop; Lambda's memory says how many threads
    elsewhere |= {"AISLE_BATCH_QUEUE", "AISLE_BATCH_MACHINE", "AISLE_BATCH_FANOUT"}  # of a stage that scores batches
    assert ours == fields - elsewhere
    assert given.keys() - ours == {"POWERTOOLS_SERVICE_NAME"}
    assert given["AISLE_OVERLAY_TABLE"] == of_type(template, "AWS::DynamoDB::Table")["OverlayTable"]["TableName"]
    assert given["AISLE_PROFILES_TABLE"] == of_type(template, "AWS::DynamoDB::Table")["ProfilesTable"]["TableName"]
    assert (
        given["AISLE_PSEUDONYM_SECRET"] == of_type(template, "AWS::SecretsManager::Secret")["PseudonymsSecret"]["Name"]
    )
    assert given["AISLE_KEYS_PARAMETER"] == f"/aisle/{stage}/keys"
    read = {name: value if isinstance(value, str) else "arn" for name, value in given.items()}
    assert Settings.from_env(read).overlay_cache_ms == values(stage)["overlay_cache_ms"]


def test_a_stage_whose_heavy_reranker_is_off_has_nothing_of_it(template: Template, stage: str) -> None:
    assert (values(stage)["heavy"], values(stage)["heavy_batch"]) == ("off", "off")
    assert [name for name in template["Resources"] if "heavy" in name.lower()] == []
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert [kind for kind in kinds if "SageMaker" in kind or "AutoScaling" in kind or "Composite" in kind] == []
    assert "sagemaker" not in json.dumps(statements(template))
    environment = of_type(template, "AWS::Lambda::Function")["SearchLambdaFunction"]["Environment"]["Variables"]
    assert {name: value for name, value in environment.items() if "HEAVY" in name} == dict.fromkeys(
        ["AISLE_HEAVY_ENDPOINT", "AISLE_HEAVY_COMPONENT", "AISLE_HEAVY_MARGIN"], ""
    )


def test_no_role_may_do_everything_or_anything_to_all(template: Template) -> None:
    actions = [action for statement in statements(template) for action in listed(statement["Action"])]
    assert [action for action in actions if "*" in action] == []
    on_all = {
        action
        for statement in statements(template)
        if "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }
    assert on_all <= NO_RESOURCE


def test_what_holds_data_stays_in_prod_and_goes_in_dev(template: Template, stage: str) -> None:
    kept = {"dev": "Delete", "prod": "Retain"}[stage]
    policies = {
        name: (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        for name, resource in template["Resources"].items()
        if resource["Type"] in STATEFUL and not name.startswith("ServerlessDeployment")
    }
    assert policies.pop("IdempotencyTable") == ("Delete", "Delete")
    assert policies == dict.fromkeys(policies, (kept, kept))


def test_buckets_and_queues_refuse_what_does_not_come_by_tls(template: Template) -> None:
    buckets = [policy["Bucket"]["Ref"] for policy in of_type(template, "AWS::S3::BucketPolicy").values()]
    assert sorted(buckets) == sorted(of_type(template, "AWS::S3::Bucket"))
    queues = [
        queue["Ref"] for policy in of_type(template, "AWS::SQS::QueuePolicy").values() for queue in policy["Queues"]
    ]
    assert sorted(queues) == sorted(of_type(template, "AWS::SQS::Queue"))
    for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"):
        for policy in of_type(template, kind).values():
            (deny,) = policy["PolicyDocument"]["Statement"]
            assert (deny["Effect"], deny["Principal"], deny["Action"][-2:]) == ("Deny", "*", ":*")
            assert str(deny["Condition"]["Bool"]["aws:SecureTransport"]).lower() == "false"


def test_a_replay_fits_between_the_timeouts_and_the_slow_alarm_rings_before_them(template: Template) -> None:
    functions = of_type(template, "AWS::Lambda::Function")
    search_s, hook_s = (functions[f"{name}LambdaFunction"]["Timeout"] for name in ("Search", "Pretraffic"))
    assert of_type(template, "AWS::CloudWatch::Alarm")["SearchSlowAlarm"]["Threshold"] < search_s * 1000
    assert 25 <= search_s < 30  # of the HTTP API
    assert search_s + 10 < release._TIMEOUT_S < hook_s / release._TRIES - 5


def test_what_a_queue_hands_out_is_over_before_it_is_seen_again(template: Template) -> None:
    sources = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    found = {source["EventSourceArn"]["Fn::GetAtt"][0]: source for source in sources}
    functions = {queue: source["FunctionName"]["Fn::GetAtt"][0] for queue, source in found.items()}
    assert functions == {"EventsQueue": "IngestLambdaFunction", "NightlyQueue": "NightlyLambdaFunction"}
    for queue, source in found.items():
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        timeout_s = of_type(template, "AWS::Lambda::Function")[functions[queue]]["Timeout"]
        visible_s = of_type(template, "AWS::SQS::Queue")[queue]["VisibilityTimeout"]
        window_s = source.get("MaximumBatchingWindowInSeconds", 0)
        assert 6 * timeout_s + window_s <= visible_s  # as AWS asks
        assert source["BatchSize"] <= 10 or window_s >= 1  # else Lambda refuses it


def test_a_night_begins_where_the_stage_wants_nights(template: Template, stage: str) -> None:
    rules = [rule for rule in of_type(template, "AWS::Events::Rule").values() if "ScheduleExpression" in rule]
    (night,) = (r for r in rules if r["Targets"][0]["Arn"] == {"Fn::GetAtt": ["NightlyLambdaFunction", "Arn"]})
    (target,) = night["Targets"]
    assert night["State"] == {"dev": "DISABLED", "prod": "ENABLED"}[stage]
    assert json.loads(target["Input"]) == {"aisle": "night", "segments": {"dev": 1, "prod": 64}[stage]}


def test_a_compaction_ends_before_its_lease(template: Template) -> None:
    rules = [rule for rule in of_type(template, "AWS::Events::Rule").values() if "ScheduleExpression" in rule]
    targets = [target["Arn"] for rule in rules for target in rule["Targets"]]
    assert targets.count({"Fn::GetAtt": ["CompactLambdaFunction", "Arn"]}) == 1
    timeout_s = of_type(template, "AWS::Lambda::Function")["CompactLambdaFunction"]["Timeout"]
    lease_s = re.findall(r"^LEASE_S = ([\d.]+)", (ROOT / "functions/compact/handler.py").read_text(), re.MULTILINE)
    assert timeout_s < float(lease_s[0]) < timeout_s + 600


def test_what_shoppers_did_is_kept_as_long_as_the_code_says_and_no_longer(template: Template) -> None:
    bucket = of_type(template, "AWS::S3::Bucket")["EventsBucket"]
    assert {
        rule["Id"]: (rule.get("ExpirationInDays"), rule.get("NoncurrentVersionExpiration"))
        for rule in bucket["LifecycleConfiguration"]["Rules"]
    } == {"unfinished": (None, None), "old": (KEPT_DAYS, {"NoncurrentDays": 7})}
    profiles = of_type(template, "AWS::DynamoDB::Table")["ProfilesTable"]
    assert profiles["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_recommendations_get_an_image_after_search_has_proved_it(template: Template) -> None:
    assert "SearchAlias" in template["Resources"]["RecommendLambdaFunction"]["DependsOn"]


def test_a_version_is_kept_for_a_rollback_unless_its_own_deployment_failed(template: Template) -> None:
    (version,) = (found for found in template["Resources"].values() if found["Type"] == "AWS::Lambda::Version")
    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_traffic_moves_once_its_hook_and_its_alarm_know_the_new_version(template: Template) -> None:
    alias = template["Resources"]["SearchAlias"]
    hook = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"]["Ref"]
    version = alias["Properties"]["FunctionVersion"]["Fn::GetAtt"][0]
    knowing = {
        name
        for name, resource in template["Resources"].items()
        if f'"{version}"' in json.dumps(resource.get("Properties", {})) and name != "SearchAlias"
    }
    assert knowing == {hook, "SearchVersionErrorsAlarm"} == set(alias["DependsOn"])


def test_the_tools_are_pinned_without_an_address() -> None:
    tools = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert [tool for tool, version in tools.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert tools["osls"] == "4.3.1"
    lock = (ROOT / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    pins = {line for line in (ROOT / "layers/light.txt").read_text().splitlines() if not line.startswith("#")}
    assert {pin.lower() for pin in pins} <= {pin.lower() for pin in (ROOT / "constraints.txt").read_text().splitlines()}
