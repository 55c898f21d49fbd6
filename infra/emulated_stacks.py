"""What the emulated CloudFormation lacks for a real deployment: versions and aliases of functions, secrets, outputs.

moto makes versions and aliases through Lambda's API but not from a template: it publishes a version without telling its
number, knows no alias, publishes before it changes the function that is to be published, and tells no layer's address.
A stack that a change set updates keeps the outputs it had. Its queues would call functions in containers as soon as a
message comes: here an event source is only noted, and who tests it polls the queue. It names SageMaker's endpoints
itself, and wants a model in each variant, which one for inference components has not. Its buckets tell nobody.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from moto.awslambda.models import EventSourceMapping, LambdaBackend, LayerVersion, lambda_backends
from moto.cloudformation.models import ChangeSet, cloudformation_backends
from moto.cloudformation.parsing import ResourceMap, get_references_from_template
from moto.core.common_models import CloudFormationModel
from moto.s3.models import FakeBucket, s3_backends
from moto.sagemaker.models import FakeEndpoint, SageMakerModelBackend
from moto.secretsmanager.models import secretsmanager_backends


class EmulatedVersion(CloudFormationModel):
    def __init__(self, arn: str, number: str) -> None:
        self.physical_resource_id = arn
        self.number = number

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Version"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Version"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.number

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> EmulatedVersion:
        published = _functions(account_id, region_name).publish_version(
            cloudformation_json["Properties"]["FunctionName"]
        )
        assert published is not None
        return cls(published.function_arn, str(published.version))


class EmulatedAlias(CloudFormationModel):
    def __init__(self, arn: str, name: str, function: str) -> None:
        self.physical_resource_id = arn
        self.name = name
        self.function = function

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Alias"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> EmulatedAlias:
        wanted = cloudformation_json["Properties"]
        functions = _functions(account_id, region_name)
        made = functions.create_alias(wanted["Name"], wanted["FunctionName"], wanted["FunctionVersion"], "", "")
        return cls(made.arn, wanted["Name"], wanted["FunctionName"])

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: EmulatedAlias,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> EmulatedAlias:
        alias = original_resource
        version = cloudformation_json["Properties"]["FunctionVersion"]
        _functions(account_id, region_name).update_alias(alias.name, alias.function, version, "", "")
        return alias

    def delete(self, account_id: str, region_name: str) -> None:
        functions = _functions(account_id, region_name)
        if self.function in [found.function_name for found in functions.list_functions()]:  # else it went with it
            functions.delete_alias(self.name, self.function)


class EmulatedSecret(CloudFormationModel):
    """One that CloudFormation fills: GenerateSecretString with a length alone."""

    def __init__(self, arn: str) -> None:
        self.physical_resource_id = arn

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SecretsManager::Secret"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> EmulatedSecret:
        wanted = cloudformation_json["Properties"]
        length = wanted["GenerateSecretString"]["PasswordLength"]
        made = secretsmanager_backends[account_id][region_name].create_secret(
            name=wanted["Name"],
            secret_string=secrets.token_hex(length)[:length],
            secret_binary=None,
            description=wanted.get("Description"),
            tags=None,
            kms_key_id=None,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
        )
        return cls(json.loads(made)["ARN"])

    @classmethod
    def update_from_cloudformation_json(cls, original_resource: EmulatedSecret, *_: Any) -> EmulatedSecret:
        return original_resource  # what it holds stays, unless GenerateSecretString differs

    def delete(self, account_id: str, region_name: str) -> None:
        secretsmanager_backends[account_id][region_name].delete_secret(self.physical_resource_id, None, True)


def complete_stacks() -> None:
    """Teaches this process's moto the rest of it."""
    update, apply = ResourceMap.update, ChangeSet.apply
    validate_models = SageMakerModelBackend.validate_production_variants

    def update_functions_first(stack: ResourceMap, template: dict[str, Any], parameters: Any = None) -> None:
        before, after = stack._resource_json_map, template["Resources"]
        changed = {
            name: wanted
            for name, wanted in after.items()
            if wanted["Type"] == "AWS::Lambda::Function"
            and name in before
            and not _refers(wanted, set(after) - set(before))
        }
        update(stack, {**template, "Resources": {**before, **changed}}, parameters)
        update(stack, template, parameters)

    def apply_with_outputs(change: ChangeSet) -> None:
        apply(change)
        stack = change.stack
        stack.template_dict = change.template_dict
        stack.output_map = stack._create_output_map()
        exports = cloudformation_backends[stack.account_id][stack.region_name].exports
        exports.update({export.name: export for export in stack.exports})

    def replace_layer(cls: type[LayerVersion], _: object, name: str, resource: Any, account: str, region: str) -> Any:
        return cls.create_from_cloudformation_json(name, resource, account, region)

    def validate_named_models(backend: SageMakerModelBackend, variants: list[dict[str, Any]]) -> None:
        validate_models(backend, [variant for variant in variants if "ModelName" in variant])

    create_bucket = FakeBucket.create_from_cloudformation_json
    update_bucket = FakeBucket.update_from_cloudformation_json

    def create_telling(
        cls: type[FakeBucket], /, name: str, resource: Any, account: str, region: str, **more: Any
    ) -> Any:
        bucket = create_bucket(name, resource, account, region, **more)
        _let_tell(bucket, resource["Properties"], account)
        return bucket

    def update_telling(
        cls: type[FakeBucket], /, was: FakeBucket, name: str, resource: Any, account: str, region: str
    ) -> Any:
        bucket = update_bucket(was, name, resource, account, region)
        _let_tell(bucket, resource["Properties"], account)
        return bucket

    setattr(FakeBucket, "create_from_cloudformation_json", classmethod(create_telling))  # noqa: B010
    setattr(FakeBucket, "update_from_cloudformation_json", classmethod(update_telling))  # noqa: B010
    setattr(SageMakerModelBackend, "validate_production_variants", validate_named_models)  # noqa: B010
    setattr(FakeEndpoint, "cloudformation_name_type", staticmethod(lambda: "EndpointName"))  # noqa: B010
    LayerVersion.physical_resource_id = property(lambda layer: layer.arn)  # type: ignore[attr-defined]
    setattr(LayerVersion, "update_from_cloudformation_json", classmethod(replace_layer))  # noqa: B010
    setattr(ResourceMap, "update", update_functions_first)  # noqa: B010, mypy knows a method there
    setattr(ChangeSet, "apply", apply_with_outputs)  # noqa: B010
    EventSourceMapping.enabled = property(lambda source: False, lambda source, wanted: None)


def _let_tell(bucket: FakeBucket, properties: dict[str, Any], account_id: str) -> None:
    """Queues and topics of the template's NotificationConfiguration hear of objects; EventBridge does not."""
    wanted = properties.get("NotificationConfiguration", {})
    config = {}
    for kind in ("Queue", "Topic"):
        config[f"{kind}Configuration"] = [
            {
                kind: told[kind],
                "Event": [told["Event"]],
                "Filter": {"S3Key": {"FilterRule": told["Filter"]["S3Key"]["Rules"]}},
            }
            for told in wanted.get(f"{kind}Configurations", [])
        ]
    s3_backends[account_id]["aws"].put_bucket_notification_configuration(bucket.name, config)


def _refers(resource: dict[str, Any], names: set[str]) -> bool:
    return not names.isdisjoint(get_references_from_template(resource))


def _functions(account_id: str, region: str) -> LambdaBackend:
    return lambda_backends[account_id][region]
