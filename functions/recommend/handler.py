"""The door of the recommend function: API Gateway's HTTP events in, its responses out.

It runs from the image of search, so both answer from one bundle, which is opened and asked once at import.
"""

from contextlib import suppress
from typing import Any

from aws_lambda_powertools.metrics import Metrics, MetricUnit
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from aisle.errors import NotFound
from aisle.http import build_app
from aisle.identity import Caller
from aisle.runtime import open_services
from aisle.settings import Settings
from aisle.shoppers import open_identity
from aisle.shopping import RecommendationRequest, RecommendationResponse

metrics = Metrics(namespace="aisle")  # by the service that POWERTOOLS_SERVICE_NAME says
settings = Settings.from_env()
services = open_services(settings)
with suppress(NotFound):  # a bundle whose catalogue lies in a table recommends nothing, and its routes say so
    services.recommend(RecommendationRequest(), "warm-up", Caller("warm-up"))


def count(answer: object) -> None:
    """Counts an answer that had to do without some part; the log says which."""
    if isinstance(answer, RecommendationResponse) and answer.degraded:
        metrics.add_metric(name="Degraded", unit=MetricUnit.Count, value=1)
        metrics.add_metadata(key="degraded", value=answer.degraded)


answer_http = Mangum(
    build_app(services, settings, functions=("recommend",), identify=open_identity(settings), observe=count),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],  # else errors leave base64-encoded
)


@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway's response."""
    metrics.add_metric(name="Requests", unit=MetricUnit.Count, value=1)
    return answer_http(event, context)
