"""The door of the search function: API Gateway's HTTP events in, its responses out.

The bundle is opened and asked once at import, so that a cold start pays for it inside Lambda's initialisation. The
event {"aisle": "replay"}, which only who may invoke the function can send, is answered with whether the golden
queries find here what they found where the bundle was built.
"""

from typing import Any

from aws_lambda_powertools.metrics import Metrics, MetricUnit
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from aisle.http import build_app
from aisle.runtime import open_services
from aisle.settings import Settings
from aisle.shoppers import open_identity
from aisle.types import SearchResponse

REPLAY = {"aisle": "replay"}
HEAVY = "heavy_rerank"  # may be slow or at zero: counted by itself
metrics = Metrics(namespace="aisle")  # by the service that POWERTOOLS_SERVICE_NAME says
settings = Settings.from_env()
services = open_services(settings)
services.warm_up()


def count(answer: object) -> None:
    """Counts a search that had to do without some stage, the log says which, and those that deserved the heavy one."""
    if not isinstance(answer, SearchResponse):
        return
    if answer.degraded:
        metrics.add_metadata(key="degraded", value=answer.degraded)
    if set(answer.degraded) - {HEAVY}:
        metrics.add_metric(name="Degraded", unit=MetricUnit.Count, value=1)
    if HEAVY in answer.degraded or HEAVY in answer.timings_ms:
        metrics.add_metric(name="HeavyReranks", unit=MetricUnit.Count, value=1)
        metrics.add_metric(name="HeavyRerankFailures", unit=MetricUnit.Count, value=int(HEAVY in answer.degraded))


answer_http = Mangum(
    build_app(services, settings, functions=("search",), identify=open_identity(settings), observe=count),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],  # else errors leave base64-encoded
)


@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway's response, or the verdict of a replay."""
    metrics.add_metric(name="Requests", unit=MetricUnit.Count, value=1)
    if event == REPLAY:
        replay = services.replay()
        return {"ok": replay.ok, "reason": replay.reason, "bundle_id": services.bundle_id}
    return answer_http(event, context)
