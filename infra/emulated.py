"""An AWS account that is none: moto's server in a process of its own, spoken to over HTTP.

    python -m infra.emulated 5000

In its own process, because moto warns and patches as it likes. Its ValidateTemplate calls the linter's warnings errors,
so only the linter's errors are kept.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

REGION = "us-east-1"
_START_S = 60


@contextmanager
def emulated_aws() -> Iterator[dict[str, str]]:
    """The environment that points boto3 and osls at a fresh account, for as long as the block lasts."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "infra.emulated", str(port)]) as server:
        try:
            _await(url, server)
            yield {
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "emulated",
                "AWS_SECRET_ACCESS_KEY": "emulated",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        finally:
            server.terminate()


def reset(url: str) -> None:
    """Empties the account at `url`."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST"), timeout=30).close()


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)


def main() -> None:
    import logging

    from moto.cloudformation import models
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    from infra.emulated_stacks import complete_stacks
    from infra.emulated_states import translate_cases

    complete_stacks()
    translate_cases()
    validate = vars(models)["validate_template_cfn_lint"]
    vars(models)["validate_template_cfn_lint"] = lambda template: [
        found for found in validate(template) if found.rule.id.startswith("E")
    ]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    os.environ.setdefault("MOTO_LAMBDA_STUB_ECR", "true")
    run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=True)


if __name__ == "__main__":
    main()
