"""The deployed search as a caller meets it: cold and warm, through the gateway, the authorizer and the overlay's table.

    make package && PYTHONPATH=. .venv/bin/python benchmarks/wired.py .aisle/bench-35000

The stack is the compiled one in an emulated account; functions run under the real runtime client and interface
emulator, one instance each. The gateway and the account are emulators on the same machine: what a network and AWS's own
services take is not in these figures, what the emulators take is.
"""

import io
import json
import os
import statistics
import sys
import time
import urllib.request
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from measuring import arguments, asked, milliseconds, percentiles, write

from aisle.bundle import Bundle
from aisle.cli import main as aisle
from infra.deployed import deployed, running
from infra.emulated import emulated_aws
from infra.gateway import Gateway, serving

COLD, WARM, WARM_UP = 7, 300, 10


def main() -> None:
    given = arguments(__doc__.splitlines()[0]).parse_args()
    bundle = Bundle.open(given.bundle)
    queries = asked(bundle, given.queries)
    started = time.monotonic()
    ahead = 0.0
    with emulated_aws() as environment, TemporaryDirectory() as folder:
        os.environ.update(environment)
        api, log = deployed("dev", environment), Path(folder, "functions.log")
        with redirect_stdout(io.StringIO()) as said:
            aisle(["keys", "--stage", "dev"])
        keys = {made["kind"]: made["key"] for made in map(json.loads, said.getvalue().splitlines())}

        def search(url: str, query: str, rerank: str) -> float:
            nonlocal ahead
            ahead += 1  # a second of the gateway's clock, so that its throttling lets every search pass
            link = f"{url}/v1/search?" + urlencode({"q": query, "rerank": rerank, "budget_ms": 10_000})
            request = urllib.request.Request(link, headers={"Authorization": f"Bearer {keys['publishable']}"})
            return milliseconds(lambda: urllib.request.urlopen(request, timeout=60).read())

        cold: list[float] = []
        for _ in range(COLD + 1):
            with (
                running(api, "dev", environment, bundle.path, log) as invoke,
                serving(Gateway(api, invoke, lambda: time.monotonic() - started + ahead)) as url,
            ):
                cold.append(search(url, queries[0], "auto"))
        figures: dict[str, object] = {
            "cold_starts": COLD,
            "first_answer_s": round(statistics.median(cold[1:]) / 1000, 3),  # the first one filled the page cache
        }
        with (
            running(api, "dev", environment, bundle.path, log) as invoke,
            serving(Gateway(api, invoke, lambda: time.monotonic() - started + ahead)) as url,
        ):
            for rerank in ("none", "auto"):
                taken = [search(url, queries[i % len(queries)], rerank) for i in range(WARM_UP + WARM)]
                figures[f"warm_ms, rerank={rerank}"] = percentiles(taken[WARM_UP:])
    out = given.out or given.bundle.with_name(f"{given.bundle.name}.wired.json")
    json.dump(figures, sys.stdout, indent=2)
    print()
    write(out, figures, bundle)


if __name__ == "__main__":
    main()
