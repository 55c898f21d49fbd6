"""An instance of a queue's function: it takes one message after the other, and is started anew when it is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.emulator import Function, kill, started
from infra.poller import poll

PAUSE_S = 0.1  # before an empty queue is asked again


class Worker(threading.Thread):
    """Runs `handler` in this environment over the queue at `url` until `over` is set.

    What fails is seen again at once, without the time that a queue hides it for.
    """

    def __init__(
        self, handler: str, environment: Mapping[str, str], sqs: Any, url: str, log: Path, timeout_s: int
    ) -> None:
        super().__init__(daemon=True)
        self._handler, self._environment, self._log, self._timeout_s = handler, environment, log, timeout_s
        self._sqs, self._url = sqs, url
        self._function: Function | None = None
        self._busy, self.over, self.killed = threading.Event(), threading.Event(), 0

    def run(self) -> None:
        while not self.over.is_set():
            with started(self._handler, self._environment, self._log, self._timeout_s) as self._function:
                while not self.over.is_set():
                    batch = poll(self._sqs, self._url, self._invoke, most=1)
                    for handle in batch.handles:
                        self._sqs.change_message_visibility(
                            QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0
                        )
                    if batch.failed:
                        break
                    if not batch.deleted:
                        time.sleep(PAUSE_S)

    def kill(self) -> bool:
        """Kills the instance without warning. False, and nothing happens, where it has no message in hand."""
        if not self._busy.is_set() or not self._function:
            return False
        kill(self._function.pid)
        self.killed += 1
        while self._busy.is_set():
            time.sleep(0.01)
        return True

    def _invoke(self, event: Any) -> Any:
        assert self._function
        self._busy.set()
        try:
            return self._function.invoke(event)
        finally:
            self._busy.clear()
