"""The same reranker behind LitServe, as its documentation would have it: what batching_peers.py holds ours against.

    python benchmarks/litserve_reranker.py HEAVY PORT MAX_BATCH_SIZE BATCH_TIMEOUT plain|fast torch|clocked

The model is the endpoint's own scorer, or the device of clocked_device.py, so that nothing but the serving differs. A
batch is of requests, all of whose pairs are computed in one pass.
"""

import sys
from itertools import pairwise
from pathlib import Path

from clocked_device import ClockedDevice

from infra.reranker_endpoint.batching import Scorer
from infra.reranker_endpoint.config import read_config
from infra.reranker_endpoint.waiting import Pair

try:
    from litserve import LitAPI, LitServer
except ImportError:  # all benchmarks load without what only they need
    LitAPI = LitServer = object


class Reranker(LitAPI):  # type: ignore[misc]  # LitServe has no types
    """Its worker is a process of its own, which imports this module anew."""

    heavy: Path
    kind: str
    scorer: Scorer

    def setup(self, device: str) -> None:
        from infra.reranker_endpoint.model import open_scorer

        config = read_config()
        if self.kind == "clocked":
            self.scorer = ClockedDevice(self.heavy, config.max_batch_tokens)
        else:
            self.scorer = open_scorer(self.heavy, config, device)

    def decode_request(self, request) -> list[Pair]:  # type: ignore[no-untyped-def]  # as LitServe wants plain JSON
        return self.scorer.tokenise(request["query"], request["texts"])

    def batch(self, inputs: list[list[Pair]]) -> list[list[Pair]]:
        return inputs

    def predict(self, batch: list[list[Pair]]) -> list[list[float]]:
        logits = self.scorer.launch([pair for pairs in batch for pair in pairs])().tolist()
        ends = [0]
        for pairs in batch:
            ends.append(ends[-1] + len(pairs))
        return [logits[start:end] for start, end in pairwise(ends)]

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        return output

    def encode_response(self, output):  # type: ignore[no-untyped-def]  # any type here would be checked again
        return [{"index": index, "score": score} for index, score in enumerate(output)]


def main(heavy: str, port: str, max_batch_size: str, batch_timeout: str, queue: str, kind: str) -> None:
    api = Reranker(max_batch_size=int(max_batch_size), batch_timeout=float(batch_timeout))
    api.heavy, api.kind = Path(heavy), kind
    served = LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60, fast_queue=queue == "fast")
    served.run(host="127.0.0.1", port=int(port), generate_client_file=False, log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
