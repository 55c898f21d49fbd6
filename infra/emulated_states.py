"""Step Functions' calls of AWS APIs, for the emulated account as the real one has them.

A definition names parameters and reads answers in PascalCase, whatever case an API itself has; moto's interpreter hands
both through as they are.
"""

from __future__ import annotations

from typing import Any

from botocore.model import OperationModel
from botocore.session import get_session
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)


def translate_cases() -> None:
    def parameters(self: Any, values: dict[str, Any], *_: object) -> None:
        self._to_boto_request(values, _operation(self).input_shape)

    def response(self: Any, values: dict[str, Any], *_: object) -> None:
        self._from_boto_response(values, _operation(self).output_shape)

    setattr(StateTaskServiceAwsSdk, "_normalise_parameters", parameters)  # noqa: B010, what mypy knows as a method
    setattr(StateTaskServiceAwsSdk, "_normalise_response", response)  # noqa: B010


def _operation(service: Any) -> OperationModel:
    action: str = service.resource.api_action
    model = get_session().get_service_model(service._get_boto_service_name())
    return model.operation_model(action[0].upper() + action[1:])
