"""The stack of a stage as osls compiles it, and what the tools that lint and scan templates say of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.package import NO_IMAGE, OSLS, ROOT, TEMPLATE, package

LAYER = ROOT / "build/layers/light/python"
CHECKOV = ROOT / ".venv-infra/bin/checkov"
IMAGES = {name: NO_IMAGE.replace("/aisle@", f"/aisle-dev-{name}@") for name in ("batch", "reranker")}
MODEL = "0123456789abcdef"
GIVEN = {
    "AISLE_IMAGE": NO_IMAGE,
    "AISLE_BATCH_IMAGE": IMAGES["batch"],
    "AISLE_HEAVY_IMAGE": IMAGES["reranker"],
    "AISLE_HEAVY_ID": MODEL,
}
NO_RESOURCE = {  # actions that AWS knows no resource for
    "ecr:GetAuthorizationToken",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
Template = dict[str, Any]
Compiled = Callable[..., Path]  # (stage, *values such as "heavy=on") -> folder with the template and the archives


def compiling(account: Mapping[str, str], folder: Callable[[str], Path]) -> Compiled:
    """Compiles each stack that is asked for once, into a folder of its own."""
    done: dict[tuple[str, ...], Path] = {}

    def compiled(stage: str, *given: str) -> Path:
        if not (OSLS.exists() and LAYER.exists()):
            pytest.skip("compiles the stack: needs Node, and `make package` once")
        if (stage, *given) not in done:
            made = folder(stage)
            package(stage, made, {**account, **GIVEN}, *given)
            done[stage, *given] = made
        return done[stage, *given]

    return compiled


def template_in(folder: Path) -> Template:
    template: Template = json.loads((folder / TEMPLATE).read_text())
    return template


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """Logical id -> properties of the resources of that type."""
    return {
        name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == kind
    }


def one(template: Template, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = of_type(template, kind)[name]
    return found


def statements(template: Template) -> list[dict[str, Any]]:
    roles = of_type(template, "AWS::IAM::Role").values()
    policies = [policy for role in roles for policy in role.get("Policies", [])]
    policies += of_type(template, "AWS::IAM::Policy").values()
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def values(stage: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / f"infra/stages/{stage}.yml").read_text())
    return read


def listed(one_or_more: str | list[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


def lint_errors(folder: Path) -> list[Any]:
    """cfn-lint's."""
    lint = Path(sys.executable).with_name("cfn-lint")
    ran = subprocess.run([lint, "--format", "json", folder / TEMPLATE], capture_output=True, text=True)
    return [found for found in json.loads(ran.stdout) if found["Level"] == "Error"]


def failed_checks(folder: Path) -> dict[str, set[str]]:
    """checkov's: check -> logical ids. Skips without it."""
    if not CHECKOV.exists():
        pytest.skip("scans the template: needs checkov: make infra-tools")
    scan = [str(CHECKOV), "--framework=cloudformation", "--output=json", f"--file={folder / TEMPLATE}"]
    ran = subprocess.run(scan, capture_output=True, text=True, env={**os.environ, "LOG_LEVEL": "ERROR"})
    results = json.loads(ran.stdout)
    assert results["summary"]["parsing_errors"] == 0
    found: dict[str, set[str]] = {}
    for failed in results["results"]["failed_checks"]:
        found.setdefault(failed["check_id"], set()).add(failed["resource"].rpartition(".")[2])
    return found


def accepted_checks(*names: str) -> dict[str, set[str]]:
    """check -> logical ids that infra/checkov/NAME.yml accepts, each check with a reason."""
    accepted: dict[str, set[str]] = {}
    for name in names:
        for check, entry in yaml.safe_load((ROOT / f"infra/checkov/{name}.yml").read_text()).items():
            assert len(entry["why"]) > 20
            accepted.setdefault(check, set()).update(entry["resources"])
    return accepted


def switch(resource: str, name: str, **stage: object) -> tuple[int, str]:
    """Exit code, and what function `name` of infra/resources/RESOURCE.js makes of these values of a stage as JSON, or
    why it refuses. Skips without Node."""
    if not OSLS.exists():
        pytest.skip("runs a file of the stack's: needs Node, and `make package` once")
    asked = json.dumps({"sls:stage": "dev", **{f"param:{key}": value for key, value in stage.items()}})
    script = (
        f"const values = {asked}; const osls = {{ resolveVariable: async (name) => values[name] }};"
        f"require('./infra/resources/{resource}.js').{name}(osls).then((made) => console.log(JSON.stringify(made)))"
        ".catch((error) => { console.log(error.message); process.exit(2); })"
    )
    ran = subprocess.run(["node", "-e", script], cwd=ROOT, capture_output=True, text=True)
    return ran.returncode, ran.stdout.strip()
