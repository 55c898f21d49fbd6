"""A stage deployed into an emulated account and called through its own routes, as the wiring test and its benchmark do.

osls deploys it; the gateway takes routes, authorizer, limits and environment from the template that was deployed.
Three things stand for what is not there: a bundle on disk for the image's, this environment for image and layer, moto
for AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.compiled import Api, read_api
from infra.gateway import Invoke, functions
from infra.package import ROOT, osls

ACCOUNT = "123456789012"  # moto's
DOCKERFILE = ROOT / "infra" / "images" / "search.Dockerfile"


def deployed(stage: str, environment: Mapping[str, str], *asked: str) -> Api:
    """The HTTP API of the stage, deployed into the account of `environment`, which must be this process's too.

    Each of `asked`, such as "batch=on", stands in place of what the stage's file says.

    Raises RuntimeError where osls fails or a function of the template is not in the account afterwards.
    """
    import boto3

    osls("deploy", stage, environment, *(f"--param={value}" for value in asked))
    stack = f"aisle-{stage}"
    body: Any = boto3.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    template: dict[str, Any] = json.loads(body) if isinstance(body, str) else dict(body)
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
    physical = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in listed if r.get("PhysicalResourceId")}
    arns = {f["FunctionName"]: f["FunctionArn"] for f in boto3.client("lambda").list_functions()["Functions"]}
    values = {"AWS::Partition": "aws", "AWS::Region": environment["AWS_REGION"], "AWS::AccountId": ACCOUNT}
    for logical, resource in template["Resources"].items():
        name = physical.get(logical, logical)  # moto makes nothing of API Gateway, whose ids only refer to one another
        if resource["Type"] == "AWS::Lambda::Function" and name not in arns:
            raise RuntimeError(f"{logical} was not deployed")
        values |= {logical: name, f"{logical}.Arn": arns.get(name, f"arn:aws:emulated:::{name}")}
    return read_api(template, values)


@contextmanager
def running(api: Api, stage: str, environment: Mapping[str, str], bundle: Path, log: Path) -> Iterator[Invoke]:
    """The API's functions against the account of `environment`; those of the image answer from `bundle`."""
    (command,) = re.findall(r'^CMD \["(functions\.search\.[\w.]+)"\]', DOCKERFILE.read_text(), re.MULTILINE)
    around = {name: {**environment} for name in api.functions}
    for name, function in api.functions.items():
        if "AISLE_BUNDLE" in function.environment:
            around[name] |= {"_HANDLER": function.handler or command, "AISLE_BUNDLE": str(bundle.resolve())}
    with functions(api, around, log) as invoke:
        yield invoke
