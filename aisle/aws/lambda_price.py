"""What Lambda's work costs: list prices of us-east-1, November 2026; other regions differ.

https://aws.amazon.com/lambda/pricing/
"""

from __future__ import annotations

import platform

USD_PER_GB_SECOND = {"x86_64": 0.0000166667, "aarch64": 0.0000133334}  # by what Python calls the processor
USD_PER_REQUEST = 0.20 / 1_000_000
GB_MB = 1024


def usd_per_second(memory_mb: int, machine: str | None = None) -> float:
    """Of a function of that memory on this processor, or on the one named."""
    gb_second = USD_PER_GB_SECOND.get(machine or platform.machine(), max(USD_PER_GB_SECOND.values()))
    return memory_mb / GB_MB * gb_second
