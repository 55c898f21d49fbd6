"""Lambda on this machine: a handler under the real runtime client (`awslambdaric`) and AWS's own interface emulator.

The emulator is the one inside the aws-sam-cli wheel, downloaded once. A function gets the environment that it is given
and a PATH, nothing of this process's. It is started by its first event, as in Lambda. The standard library alone is
used, so that benchmarks start functions from an environment of their own.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.emulated import free_port

ROOT = Path(__file__).resolve().parents[1]
SAM_CLI = "aws-sam-cli==1.170.0"  # its wheel carries the emulator
PATIENCE_S = 60  # for a port to open, and beyond a function's own timeout
_FAILED = {"errorMessage", "errorType"}  # what the runtime client answers for a handler that raised


class FunctionFailed(Exception):
    """The function raised, ended or ran out of time; says what the emulator says."""


@dataclass
class Function:
    """A started function. An instance answers one event at a time, as in Lambda; other threads wait."""

    url: str
    pid: int  # of the emulator, whose child is the function
    timeout_s: int
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, event: object) -> Any:
        """The handler's answer. Raises FunctionFailed."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        with self._turn:  # the emulator crashes when two events come at once
            try:
                with urllib.request.urlopen(self.url, body, timeout=self.timeout_s + PATIENCE_S) as response:
                    text = response.read()
            except urllib.error.HTTPError as exc:
                raise FunctionFailed(exc.read().decode(errors="replace")) from exc
            except (OSError, HTTPException) as exc:
                raise FunctionFailed(f"it has ended: {exc}") from exc
        try:
            answer = json.loads(text)
        except ValueError as exc:  # "Task timed out after 3.00 seconds"
            raise FunctionFailed(text.decode(errors="replace")) from exc
        if isinstance(answer, dict) and answer.keys() >= _FAILED:
            raise FunctionFailed(f"{answer['errorType']}: {answer['errorMessage']}")
        return answer


def emulator() -> Path:
    """The emulator of this processor's kind, fetched into .aisle/ by the first call."""
    kind = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    path = ROOT / ".aisle" / f"aws-lambda-rie-{kind}"
    if path.exists():
        return path
    path.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        subprocess.run([sys.executable, "-m", "pip", "-q", "download", "--no-deps", "-d", folder, SAM_CLI], check=True)
        fetched = Path(folder) / path.name
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            fetched.write_bytes(wheel.read(f"samcli/local/rapid/{path.name}"))
        fetched.chmod(0o755)
        fetched.replace(path)
    return path


@contextmanager
def started(
    handler: str, environment: Mapping[str, str], log: Path | None = None, timeout_s: int = 30
) -> Iterator[Function]:
    """The function while the block lasts; what it and the emulator print is added to `log`, else dropped."""
    own = {"PATH": os.environ.get("PATH", os.defpath), "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s)}
    client = [sys.executable, "-m", "awslambdaric", handler]
    with under_emulator([str(emulator())], client, own | dict(environment), log, timeout_s) as function:
        yield function


@contextmanager
def under_emulator(
    start: Sequence[str], client: Sequence[str], environment: Mapping[str, str], log: Path | None, timeout_s: int
) -> Iterator[Function]:
    """As `started`, with commands of one's own: `start` runs the emulator somewhere, `client` the runtime client."""
    door, api = free_port(), free_port()
    command = [*start, "--runtime-interface-emulator-address", f"127.0.0.1:{door}"]
    command += ["--runtime-api-address", f"127.0.0.1:{api}", "--log-level", "error", *client]
    with (
        open(log or os.devnull, "ab") as out,
        subprocess.Popen(
            command, env=dict(environment), cwd=ROOT, stdout=out, stderr=out, start_new_session=True
        ) as process,
    ):
        try:
            _await_port(door, process)
            yield Function(f"http://127.0.0.1:{door}/2015-03-31/functions/function/invocations", process.pid, timeout_s)
        finally:
            kill(process.pid)


def kill(leader: int) -> None:
    """Ends an emulator and its function without warning.

    By their session: the emulator puts the function into a process group of its own, where it would work on for
    seconds after the emulator is gone.
    """
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(place.name)) == leader:
                os.kill(int(place.name), signal.SIGKILL)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.002)
