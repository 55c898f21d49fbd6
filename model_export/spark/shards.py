"""A shard of an index as files, and who reads and writes them.

    statistics/<field>/        what BM25 asks of all products (`postings.Statistics`), of title and body
    shards/00000/              products.jsonl, rows.npy (the row of each in the catalogue), vectors.npy (n, dim)
                               float32, title/ and body/ as `Lexical` saves them
    shards.json                written last: there is an index where there is one

A shard is a range of the hashes of product ids.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aisle.errors import BadInput, NotFound
from aisle.files import Files
from aisle.lexical import Lexical
from model_export.spark.counting import FIELDS
from model_export.spark.postings import Statistics, part
from model_export.spark.products import product_of
from model_export.spark.storage import files_at

HEAD = "shards.json"
_INDEX = ("start.npy", "rows.npy", "weights.npy", "documents.npy", "vocabulary.json")


class Head(Struct, frozen=True):
    """`shards`: their folders; a range of hashes without a product has none. `bytes`: of all shards."""

    bundle_id: str
    catalogue: str
    products: int
    shards: list[str]
    bytes: int


class Shard(Struct, frozen=True):
    """`lines`: the products as JSON.   rows: (n,) int64, rising.   vectors: (n, dim) float32.   fields: the indexes."""

    lines: list[bytes]
    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    fields: dict[str, Lexical]


def folder(shard: int) -> str:
    return f"shards/{shard:05}"


def indexed(out: str, lines: list[bytes], rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> Shard:
    """The shard of these products, by the statistics that lie in `out`."""
    products = [product_of(line) for line in lines]
    fields = {
        field: part([text_of(product) for product in products], _statistics(out, field))
        for field, text_of in FIELDS.items()
    }
    return Shard(lines, rows, vectors, fields)


def write(files: Files, name: str, shard: Shard) -> int:
    """Its bytes. Written twice, it is the same."""
    contents = {"products.jsonl": b"".join(line + b"\n" for line in shard.lines)}
    contents |= {"rows.npy": _npy(shard.rows), "vectors.npy": _npy(shard.vectors)}
    with tempfile.TemporaryDirectory() as made:
        for field, index in shard.fields.items():
            index.save(Path(made) / field)
            contents |= {f"{field}/{file}": (Path(made) / field / file).read_bytes() for file in _INDEX}
    for file, content in contents.items():
        files.write(f"{name}/{file}", content)
    return sum(map(len, contents.values()))


def read(files: Files, name: str) -> Shard:
    """Raises NotFound where a file of it is missing."""
    lines = files.read(f"{name}/products.jsonl").splitlines()
    rows, vectors = (np.load(BytesIO(files.read(f"{name}/{array}.npy"))) for array in ("rows", "vectors"))
    with tempfile.TemporaryDirectory() as made:
        for field in FIELDS:
            (Path(made) / field).mkdir()
            for file in _INDEX:
                (Path(made) / field / file).write_bytes(files.read(f"{name}/{field}/{file}"))
        fields = {field: Lexical.load(Path(made) / field) for field in FIELDS}
    return Shard(lines, rows, vectors, fields)


def read_head(files: Files, out: str) -> Head:
    """Raises BadInput where no index was finished."""
    try:
        return msgspec.json.decode(files.read(HEAD), type=Head)
    except NotFound as exc:
        raise BadInput(f"{out} has no {HEAD}", "name what the job `index` wrote, when it has ended") from exc
    except msgspec.MsgspecError as exc:
        raise BadInput(f"{HEAD} of {out} cannot be read ({exc})", "run the job `index` again") from exc


@lru_cache(maxsize=2)
def _statistics(out: str, field: str) -> Statistics:
    return Statistics.load(files_at(out), f"statistics/{field}")


def _npy(array: NDArray[np.generic]) -> bytes:
    content = BytesIO()
    np.save(content, array)
    return content.getvalue()
