"""What differs between a laptop, a container and a Lambda function: one frozen value, read once at the door.

This is the only module that reads the environment; everything below is handed a `Settings` or a plain number. Choices
about models live in the bundle, not here.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aisle.errors import BadInput

MB_PER_VCPU = 1769  # Lambda gives one vCPU for each 1,769 MB of memory ...
MAX_VCPUS = 6  # ... and six at most


@dataclass(frozen=True)
class Settings:
    """Each field is read from AISLE_<FIELD>; the numbers are positive."""

    bundle: Path = Path("/opt/aisle/bundle")  # folder; the bundle that answers
    threads: int = 1  # threads of one model call; AISLE_THREADS=0 or unset: as many as the machine gives
    data: Path | None = None  # folder; where `aisle build` finds the real data sets
    max_body_bytes: int = 1_000_000  # bytes; a longer request body gets 413
    overlay_table: str = ""  # DynamoDB table of live prices, stock and hidden products; empty: none, kept in memory
    overlay_cache_ms: int = 2000  # milliseconds; how old the overlay that search reads may be
    keys_parameter: str = ""  # SSM parameter that holds the hashed API keys; empty: nobody is asked for a key
    events_queue: str = ""  # URL of the SQS queue that events are put into; empty: they are handled at once
    dead_letters: str = ""  # URL of the SQS queue for events that cannot be read
    events_bucket: str = ""  # S3 bucket of the event log
    profiles_table: str = ""  # DynamoDB table of shoppers' profiles; empty: none, kept in memory
    pseudonym_secret: str = ""  # secret in Secrets Manager whose value shopper ids are hashed with
    profile_budget_ms: int = 30  # milliseconds; how long a personal answer waits for the profile
    query_cache: str = ""  # folder, or s3://bucket/folder; what was precomputed for frequent queries; empty: nothing
    nightly_queue: str = ""  # URL of the SQS queue of what a night has to do
    heavy_endpoint: str = ""  # SageMaker endpoint of the heavy reranker; empty: none
    heavy_component: str = ""  # its inference component; empty: it has none
    heavy_margin: float | None = None  # 0 to 1; rerank=auto asks it below this margin; unset: as the bundle says
    batch_bucket: str = ""  # S3 bucket of files to score and of their jobs
    batch_queue: str = ""  # URL of the SQS queue of files and chunks
    batch_machine: str = ""  # ARN of the state machine that scores a large file's chunks; empty: all go into the queue
    batch_fanout: int = 1000  # chunks; a file with more goes to the state machine
    state: Path | None = None  # folder; where `aisle serve` keeps keys and events between its runs; unset: nowhere
    search_version: str = ""  # ARN of the function version that the pre-traffic hook asks

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of this environment. Raises BadInput where a variable is no number in range."""
        return cls(
            bundle=Path(environ.get("AISLE_BUNDLE") or cls.bundle),
            data=Path(environ["AISLE_DATA"]) if environ.get("AISLE_DATA") else None,
            threads=_whole(environ, "AISLE_THREADS", 0, at_least=0) or _vcpus(environ),
            max_body_bytes=_whole(environ, "AISLE_MAX_BODY_BYTES", cls.max_body_bytes, at_least=1),
            overlay_table=environ.get("AISLE_OVERLAY_TABLE") or cls.overlay_table,
            overlay_cache_ms=_whole(environ, "AISLE_OVERLAY_CACHE_MS", cls.overlay_cache_ms, at_least=1),
            keys_parameter=environ.get("AISLE_KEYS_PARAMETER") or cls.keys_parameter,
            events_queue=environ.get("AISLE_EVENTS_QUEUE") or cls.events_queue,
            dead_letters=environ.get("AISLE_DEAD_LETTERS") or cls.dead_letters,
            events_bucket=environ.get("AISLE_EVENTS_BUCKET") or cls.events_bucket,
            profiles_table=environ.get("AISLE_PROFILES_TABLE") or cls.profiles_table,
            pseudonym_secret=environ.get("AISLE_PSEUDONYM_SECRET") or cls.pseudonym_secret,
            profile_budget_ms=_whole(environ, "AISLE_PROFILE_BUDGET_MS", cls.profile_budget_ms, at_least=1),
            query_cache=environ.get("AISLE_QUERY_CACHE") or cls.query_cache,
            nightly_queue=environ.get("AISLE_NIGHTLY_QUEUE") or cls.nightly_queue,
            heavy_endpoint=environ.get("AISLE_HEAVY_ENDPOINT") or cls.heavy_endpoint,
            heavy_component=environ.get("AISLE_HEAVY_COMPONENT") or cls.heavy_component,
            heavy_margin=_share(environ, "AISLE_HEAVY_MARGIN"),
            batch_bucket=environ.get("AISLE_BATCH_BUCKET") or cls.batch_bucket,
            batch_queue=environ.get("AISLE_BATCH_QUEUE") or cls.batch_queue,
            batch_machine=environ.get("AISLE_BATCH_MACHINE") or cls.batch_machine,
            batch_fanout=_whole(environ, "AISLE_BATCH_FANOUT", cls.batch_fanout, at_least=1),
            state=Path(environ["AISLE_STATE"]) if environ.get("AISLE_STATE") else None,
            search_version=environ.get("AISLE_SEARCH_VERSION") or cls.search_version,
        )


def aws_region(environ: Mapping[str, str] = os.environ) -> str | None:
    """The region of all AWS calls, as Lambda and the AWS command line name it; None: that of the profile."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None  # boto3 reads the second alone


def lambda_memory_mb(environ: Mapping[str, str] = os.environ) -> int:
    """Memory of this Lambda function; 0 where this is none."""
    return _whole(environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0, at_least=0)


def _vcpus(environ: Mapping[str, str]) -> int:
    """vCPUs of this Lambda function, or cores of this machine where it is none."""
    memory_mb = lambda_memory_mb(environ)
    return min(math.ceil(memory_mb / MB_PER_VCPU), MAX_VCPUS) if memory_mb else os.cpu_count() or 1


def _share(environ: Mapping[str, str], name: str) -> float | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise BadInput(f"{name} is {text!r}, which is no number from 0 to 1", f"correct {name} or unset it")
    return share


def _whole(environ: Mapping[str, str], name: str, default: int, at_least: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isdecimal() and len(text) < 16 and int(text) >= at_least):
        raise BadInput(f"{name} is {text!r}, which is no whole number from {at_least}", f"correct {name} or unset it")
    return int(text)
