"""The stack of a stage whose Spark is on, as osls compiles it, and the image that its jobs may run in."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from stacks import Compiled, Template, failed_checks, lint_errors, listed, of_type, switch, template_in, values

from infra.package import ROOT

IMAGE = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/aisle-spark@sha256:{'1' * 64}"
ON = {"dev": ("spark=on",), "prod": ("spark=on", f"spark_image={IMAGE}")}
DOCKERFILE = ROOT / "infra/images/spark.Dockerfile"


@pytest.mark.parametrize(
    ("name", "stage", "status", "said"),
    [
        ("resources", {"spark": "off"}, 0, "{}"),
        ("rights", {"spark": "off"}, 0, "{}"),
        ("resources", {"spark": True}, 2, 'spark of infra/stages/ is "true": write "on" or "off"'),
        ("capacity", {"spark_cores": 7}, 2, "spark_cores of infra/stages/ has to be a whole number from 8 to 4000"),
        ("capacity", {"spark_cores": 8}, 0, '{"Cpu":"8 vCPU","Memory":"32 GB","Disk":"160 GB"}'),
        ("image", {"spark_image": ""}, 0, '{"Ref":"AWS::NoValue"}'),
        ("image", {"spark_image": IMAGE}, 0, json.dumps({"ImageUri": IMAGE}, separators=(",", ":"))),
        (
            "image",
            {"spark_image": "aisle-spark"},
            2,
            'spark_image of infra/stages/ is "aisle-spark": write an ECR address with a tag or digest, or ""',
        ),
    ],
)
def test_values_of_a_stage_are_checked(name: str, stage: dict[str, object], status: int, said: str) -> None:
    assert switch("spark", name, **stage) == (status, said)


@pytest.fixture(scope="module")
def packaged(compiled: Compiled) -> dict[str, Path]:
    """stage -> folder with the template, Spark on; and `off`, of dev as it stands."""
    return {"off": compiled("dev"), **{stage: compiled(stage, *given) for stage, given in ON.items()}}


@pytest.fixture(scope="module", params=ON)
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def template(packaged: dict[str, Path], stage: str) -> Template:
    return template_in(packaged[stage])


@pytest.mark.slow
def test_a_stage_without_spark_has_nothing_of_it(packaged: dict[str, Path]) -> None:
    off, on = template_in(packaged["off"]), template_in(packaged["dev"])
    assert [values(stage)["spark"] for stage in ON] == ["off", "off"]
    assert on["Resources"].keys() - off["Resources"].keys() == {"SparkApplication", "SparkRole"}
    assert on["Outputs"].keys() - off["Outputs"].keys() == {"SparkApplicationId", "SparkRoleArn"}
    assert off["Resources"].keys() <= on["Resources"].keys()
    assert "emr" not in json.dumps(off).lower()


@pytest.mark.slow
def test_cfn_lint_finds_no_error(packaged: dict[str, Path], stage: str) -> None:
    assert lint_errors(packaged[stage]) == []


@pytest.mark.slow
def test_checkov_finds_nothing_in_it(packaged: dict[str, Path]) -> None:
    failed = failed_checks(packaged["dev"])
    assert {check for check, names in failed.items() for name in names if name.startswith("Spark")} == set()


@pytest.mark.slow
def test_the_application_starts_with_a_job_stops_by_itself_and_has_a_limit(template: Template, stage: str) -> None:
    application = of_type(template, "AWS::EMRServerless::Application")["SparkApplication"]
    cores = values(stage)["spark_cores"]
    assert application["MaximumCapacity"] == {
        "Cpu": f"{cores} vCPU",
        "Memory": f"{4 * cores} GB",
        "Disk": f"{20 * cores} GB",
    }
    assert (application["Type"], application["Architecture"]) == ("SPARK", "ARM64")
    assert [application[f"Auto{what}Configuration"]["Enabled"] for what in ("Start", "Stop")] == [True, True]
    assert "InitialCapacity" not in application  # workers that wait cost
    assert "NetworkConfiguration" not in application  # without a VPC it reaches S3 alone
    images = {"dev": {"Ref": "AWS::NoValue"}, "prod": {"ImageUri": IMAGE}}
    assert application["ImageConfiguration"] == images[stage]


@pytest.mark.slow
def test_a_job_may_do_no_more_than_it_does(template: Template) -> None:
    role = of_type(template, "AWS::IAM::Role")["SparkRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "emr-serverless.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    (policy,) = role["Policies"]
    said: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    assert [action for one in said for action in listed(one["Action"]) if "*" in action] == []
    assert [one for one in said if "*" in listed(one["Resource"])] == []
    places = json.dumps([one["Resource"] for one in said])
    assert {*re.findall(r"\w+Bucket", places)} == {"BatchBucket", "EventsBucket"}  # the bundle lies in the image
    written = {
        place
        for one in said
        if {"s3:PutObject", "s3:DeleteObject"} & {*listed(one["Action"])}
        for place in re.findall(r'"Fn::Sub": "([^"]+)"', json.dumps(one["Resource"]))
    }
    assert written == {"${BatchBucket.Arn}/spark/*", "${BatchBucket.Arn}/spark-logs/*"}
    application = of_type(template, "AWS::EMRServerless::Application")["SparkApplication"]
    logs = application["MonitoringConfiguration"]["S3MonitoringConfiguration"]["LogUri"]["Fn::Sub"]
    assert logs == "s3://${BatchBucket}/spark-logs/"


@pytest.mark.slow
def test_what_a_job_writes_starts_no_batch(template: Template) -> None:
    rules = [json.dumps(rule) for rule in of_type(template, "AWS::Events::Rule").values()]
    watched = [p for rule in rules for p in re.findall(r'"(?:prefix|wildcard)": "([^"*]*)', rule)]
    assert [prefix for prefix in watched if prefix and "spark/".startswith(prefix)] == []
    assert [prefix for prefix in watched if prefix.startswith("spark")] == []


def test_the_image_is_of_the_release_that_the_stages_name() -> None:
    lines = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    told = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    (base,) = (rest for word, rest in told if word == "ARG")
    release = {values(stage)["spark_release"] for stage in ON}
    assert base == f"BASE_IMAGE=public.ecr.aws/emr-serverless/spark/{release.pop()}:latest"
    assert release == set()
    assert [rest for word, rest in told if word == "FROM"] == ["${BASE_IMAGE}"]
    assert [rest for word, rest in told if word == "USER"] == ["root", "hadoop:hadoop"]  # as EMR Serverless asks
    assert {word for word, _ in told} == {"ARG", "FROM", "USER", "RUN", "COPY", "ENV"}  # no command of its own
    copied = [rest.split()[:-1] for word, rest in told if word == "COPY" and not rest.startswith("--from")]
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
    (environment,) = (rest.split() for word, rest in told if word == "ENV")
    python = "/opt/aisle/python/bin/python"
    assert environment == [f"PYSPARK_PYTHON={python}", f"PYSPARK_DRIVER_PYTHON={python}"]
    assert "pyspark" not in " ".join(rest for word, rest in told if word == "RUN")  # the base's own
