"""The packages of an image into one folder: run while the image is built, by the base's own Python.

    python3 install.py search|batch lambda|slim bundle|table FOLDER

Nothing but the lists beside this file is installed, from wheels alone, and what serving never reads is taken out again.
A company's certificates come as the build secret `certificates`, which leaves no trace in the image.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FUNCTIONS = {"search": ["search"], "batch": ["search", "batch"]}
RUNTIMES = {"lambda": [], "slim": ["runtime"]}
CATALOGUES = {"bundle": [], "table": ["lance"]}
CERTIFICATES = Path("/run/secrets/certificates")
UNREAD = [
    "bin",
    "**/tests",
    "**/*.pyi",
    "**/*.h",
    "**/*.a",
    "onnxruntime/capi/libonnxruntime.so*",  # for programs in C; Python's module has its own
    "onnxruntime/backend",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "numpy/f2py",
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/libarrow_flight.so*",
    "pyarrow/libarrow_s3.so*",
    "pyarrow/_flight*",
    "pyarrow/_s3fs*",
]
SDK_FILES = "botocore/data/*/"
READ_SERVICES = {
    # overlay and profiles; heavy reranker; the cache of queries; keys; nightly's queue
    "search": {"dynamodb", "s3", "sagemaker-runtime", "secretsmanager", "sqs", "ssm"},
    "batch": {"s3", "sqs", "stepfunctions"},
}


def main() -> None:
    function, runtime, catalogue, folder = *sys.argv[1:4], Path(sys.argv[4])
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    pip += ["--no-cache-dir", "--no-compile", "--no-deps", "--only-binary=:all:", "--target", str(folder)]
    for name in FUNCTIONS[function] + RUNTIMES[runtime] + CATALOGUES[catalogue]:
        pip += ["-r", str(Path(__file__).with_name(f"{name}-packages.txt"))]
    certificates = {"PIP_CERT": str(CERTIFICATES)} if CERTIFICATES.exists() else {}
    subprocess.run(pip, check=True, env=os.environ | certificates)
    services = [path for path in folder.glob(SDK_FILES) if path.name not in READ_SERVICES[function]]
    for path in [*services, *(path for pattern in UNREAD for path in folder.glob(pattern))]:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
