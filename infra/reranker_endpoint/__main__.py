"""Serve a sealed reranker over HTTP until SIGTERM: `python -m infra.reranker_endpoint --model HEAVY --port 8080`.

In the image the command is `serve`, as SageMaker calls it, and the model lies where SageMaker puts it. Exit codes:
0 ended after a signal, 2 a configuration, a model or an address that cannot be used.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from types import FrameType

import uvicorn

from aisle.errors import AisleError, BadInput, MissingExtra
from infra.reranker_endpoint.batching import Scorer
from infra.reranker_endpoint.config import DEFAULT, Config, read_config
from infra.reranker_endpoint.logs import log_as_json
from infra.reranker_endpoint.metrics import Metrics
from infra.reranker_endpoint.server import ModelFault, Service, build_app

MODEL = Path("/opt/ml/model")  # where SageMaker unpacks a model
PORT = 8080  # that SageMaker asks
LAST_ANSWERS_S = 2  # for what is still being sent when all is answered or refused
KEPT_S = 75  # an idle connection: longer than callers keep theirs, or they would find it closed as they ask
BACKLOG = 2048  # connections
LARGER = "lower max_batch_tokens or take a larger GPU"

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    asked = arguments().parse_args(argv)

    def work() -> None:
        config = read_config(asked.config)
        serve(lambda: _open_scorer(asked.model, config), config, asked.host, asked.port)

    return ended(work)


def ended(work: Callable[[], None]) -> int:
    """The exit code of `work`, its error told in a sentence."""
    try:
        work()
        return 0
    except AisleError as exc:
        print("reranker:", " ".join(str(exc).split()), file=sys.stderr)
        return 2


def arguments() -> ArgumentParser:
    parser = ArgumentParser("serve", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL, metavar="HEAVY", help=f"sealed folder; default: {MODEL}")
    parser.add_argument("--config", type=Path, default=DEFAULT, metavar="FILE", help=f"default: {DEFAULT}")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on; default: all")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    return parser


def serve(open_scorer: Callable[[], Scorer], config: Config, host: str, port: int) -> None:
    """Listens at once, so that /ping can say 503 while a thread opens the model and warms up; returns after a signal.

    Raises BadInput for an address that cannot be listened on, and what `open_scorer` raises.
    """
    log_as_json()
    service = Service(config, Metrics())
    server = DrainingServer(service)
    listening = _listen(host, port)
    failures: list[AisleError] = []

    def load() -> None:
        try:
            service.open(open_scorer())
        except AisleError as exc:
            failures.append(exc)
        except Exception as exc:  # whatever a device can raise
            log.exception("the model cannot be loaded and warmed up")
            failures.append(
                ModelFault(f"the model failed before it answered anything ({exc})", "where memory ran out, " + LARGER)
            )
        server.should_exit = bool(failures)

    Thread(target=load, daemon=True).start()
    server.run(sockets=[listening])
    for failure in failures:
        raise failure


class DrainingServer(uvicorn.Server):
    """uvicorn, but at a signal it goes on listening, to say 503, until what was accepted is answered; then exits 0."""

    def __init__(self, service: Service) -> None:
        options = uvicorn.Config(
            build_app(service),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=KEPT_S,
            timeout_graceful_shutdown=LAST_ANSWERS_S,
        )
        super().__init__(options)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.service.draining = self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.service.drained()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    """Raises BadInput. TCP by name: asyncio sends small packets at once (TCP_NODELAY) only where a socket says that it
    is TCP, which those of socket.create_server do not; answers would come 40 ms late.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as exc:
        listening.close()
        raise BadInput(f"{host}:{port} cannot be listened on ({exc})", "choose another --host or --port") from exc
    return listening


def _open_scorer(model: Path, config: Config) -> Scorer:
    try:
        from infra.reranker_endpoint.model import open_scorer
    except ImportError as exc:
        raise MissingExtra(exc.name or "torch", "endpoint") from exc
    return open_scorer(model, config)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # A thread may still be inside the model, whose libraries the interpreter's own end would take away beneath it.
    os._exit(status)
