"""The Spark session a job runs in: what spark-submit has set up, or else the cores of this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aisle.errors import MissingExtra, Unavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SUBMITTED = "PYSPARK_GATEWAY_PORT"  # of the environment that spark-submit starts Python in
_LOGGING = Path(__file__).with_name("log4j2.properties")


@contextmanager
def spark_session(name: str, cores: int | None = None) -> Iterator[SparkSession]:
    """A session called `name`; on this machine `cores` of it (all) where nobody has submitted the job.

    It ends with the block, unless there was one before. Raises MissingExtra without pyspark, Unavailable where Spark
    does not start, as without Java.
    """
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as exc:
        raise MissingExtra("pyspark", "spark") from exc
    if running := SparkSession.getActiveSession():
        yield running
        return
    made = SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC")
    if _SUBMITTED not in os.environ:
        if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
            raise Unavailable("Spark needs Java, and there is none", "install Java 17 or set JAVA_HOME")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        for key, value in _local(cores or os.cpu_count() or 1).items():
            made = made.config(key, value)
    session: SparkSession
    try:
        session = made.getOrCreate()
    except (PySparkException, Py4JError, OSError) as exc:
        said = str(exc).partition("\n")[0]
        raise Unavailable(f"Spark did not start ({said})", "install Java 17 and let JAVA_HOME name it") from exc
    try:
        yield session
    finally:
        session.stop()


def _local(cores: int) -> dict[str, str]:
    return {
        "spark.master": f"local[{cores}]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}",
        "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",  # a process a core: its products share nothing
        "spark.sql.shuffle.partitions": str(2 * cores),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
    }
