"""The packages of the search image into one folder: run while the image is built, by the base's own Python.

    python3 install.py lambda|slim FOLDER

Nothing but the lists beside this file is installed, from wheels alone, and what serving never reads is taken out again.
A company's certificates come as the build secret `certificates`, which leaves no trace in the image.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LISTS = {"lambda": ["search"], "slim": ["search", "runtime"]}
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
]
SDK_FILES = "botocore/data/*/"
READ_SERVICES = {"dynamodb", "secretsmanager", "ssm"}  # overlay and profiles, the key of pseudonyms, API keys


def main() -> None:
    lists, folder = LISTS[sys.argv[1]], Path(sys.argv[2])
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
    for name in lists:
        pip += ["-r", str(Path(__file__).with_name(f"{name}-packages.txt"))]
    certificates = {"PIP_CERT": str(CERTIFICATES)} if CERTIFICATES.exists() else {}
    subprocess.run(pip, check=True, env=os.environ | certificates)
    services = [path for path in folder.glob(SDK_FILES) if path.name not in READ_SERVICES]
    for path in [*services, *(path for pattern in UNREAD for path in folder.glob(pattern))]:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
