"""The deployed stack with another image of search, and nothing else changed: how the pipeline brings a bundle live.

The template is the one that the account has, so the stack stays the truth and the build needs neither Node nor the
right to change anything but search. CloudFormation publishes a version only for a resource with a new name, so the
version's resource gets one; CodeDeploy then shifts the alias as it does for `make deploy`, with hook and alarms.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from aisle.aws.clients import client, told
from aisle.aws.publishing import REMEDY
from aisle.errors import BadInput, Unavailable

FUNCTION = "SearchLambdaFunction"
TEMPLATE_KEY = "pipeline/template.json"
_POLL_S = 15
_POLLS = 480  # two hours: a linear deployment may take one


def with_image(template: dict[str, Any], image: str) -> dict[str, Any]:
    """`template` with this image, and a new version of search published for it."""
    versions = [name for name, resource in template["Resources"].items() if _is_version(resource)]
    if len(versions) != 1:
        raise BadInput(f"the stack's template has {len(versions)} versions of search", "deploy it: make deploy")
    renamed = f"SearchVersion{hashlib.sha256(f'{versions[0]} {image}'.encode()).hexdigest()[:12]}"
    text = json.dumps(template)
    text = re.sub(rf"\b{versions[0]}\b", renamed, text).replace(json.dumps(_image(template)), json.dumps(image))
    changed: dict[str, Any] = json.loads(text)
    return changed


def deploy(stage: str, bucket: str, image: str) -> None:
    """Returns when all traffic is on `image`. Unavailable: the deployment went back, with the reason."""
    stack = f"aisle-{stage}"
    changed = json.dumps(with_image(_template(stage), image))
    cloudformation = client("cloudformation")
    with told(f"stack {stack} could not be updated", REMEDY):
        s3 = client("s3")
        s3.put_object(Bucket=bucket, Key=TEMPLATE_KEY, Body=changed.encode())
        cloudformation.update_stack(
            StackName=stack,
            TemplateURL=template_url(bucket, s3.meta.region_name),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        )
        _await(cloudformation, stack)


def template_url(bucket: str, region: str) -> str:
    """The template's address as CloudFormation takes it; China has a domain of its own."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{bucket}.s3.{region}.{domain}/{TEMPLATE_KEY}"


def _await(cloudformation: Any, stack: str) -> None:
    from botocore.exceptions import WaiterError

    try:
        waiting = {"Delay": _POLL_S, "MaxAttempts": _POLLS}
        cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=waiting)
    except WaiterError as exc:
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]  # the newest first
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        reasons = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}" for event in failed
        ]
        reason = reasons[-1] if reasons else "it took too long"
        raise Unavailable(f"stack {stack} went back to what it was ({reason})", "see its events") from exc


def _template(stage: str) -> dict[str, Any]:
    with told(f"the template of stack aisle-{stage} could not be read", REMEDY):
        asked = client("cloudformation").get_template(StackName=f"aisle-{stage}", TemplateStage="Original")
    body = asked["TemplateBody"]
    template: dict[str, Any] = json.loads(body) if isinstance(body, str) else json.loads(json.dumps(body))
    return template


def _image(template: dict[str, Any]) -> str:
    code = template["Resources"].get(FUNCTION, {}).get("Properties", {}).get("Code", {})
    if "ImageUri" not in code:
        raise BadInput(f"the stack's template has no image of {FUNCTION}", "deploy it: make deploy")
    image: str = code["ImageUri"]
    return image


def _is_version(resource: dict[str, Any]) -> bool:
    frozen = resource.get("Properties", {}).get("FunctionName")
    return bool(resource["Type"] == "AWS::Lambda::Version" and frozen == {"Ref": FUNCTION})
