"""aisle: serverless AI search and recommendations for online shops. This package is all that serving needs."""

import os

__version__ = "0.1.0"

# onnxruntime's wheels report to Microsoft unless this is set before they load: what a shop runs is told to nobody.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
