"""What `aisle keys` does: make the first keys of a stage, list, rotate and retire them.

A new key is printed once and kept nowhere: the parameter holds its hash. The key of the pseudonyms is never printed:
nobody outside needs it. This door alone draws the random bytes.
"""

import secrets
import sys
from argparse import Namespace
from datetime import UTC, datetime

import msgspec

from aisle.aws.key_parameter import parameter_name, read_keys, write_keys
from aisle.aws.pseudonym_secret import put_pseudonym_key, secret_name
from aisle.errors import NotFound
from aisle.keys import KINDS, RANDOM_BYTES, Keys, Kind, make_key, retired, with_key
from aisle.terminal import table


def keys(asked: Namespace) -> int:
    """Prints new keys, else the kept ones: two columns or a table on a terminal, JSON lines in a pipe."""
    if asked.rotate == "pseudonym":
        put_pseudonym_key(secret_name(asked.stage), secrets.token_hex(RANDOM_BYTES))
        _tell("rotated; functions use it within five minutes, and find what the key before it wrote")
        return 0
    name = parameter_name(asked.stage)
    kept = read_keys(name)
    if kept is None:
        if asked.rotate or asked.retire:
            raise NotFound(f"stage {asked.stage} has no keys yet", f"make them by `aisle keys --stage {asked.stage}`")
        _bring_out(name, Keys(), KINDS, replacing=False)
    elif asked.rotate:
        _bring_out(name, kept, (asked.rotate,), replacing=True)
        _tell(f"the older one stays valid until `aisle keys --stage {asked.stage} --retire {asked.rotate}`")
    elif asked.retire:
        left = retired(kept, asked.retire)
        write_keys(name, left, replacing=True)
        _tell("retired; who used it in the last five minutes may be let in until they are over")
        _list(left)
    else:
        _list(kept)
    return 0


def _bring_out(name: str, kept: Keys, kinds: tuple[Kind, ...], replacing: bool) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = {kind: make_key(kind, secrets.token_bytes(RANDOM_BYTES)) for kind in kinds}
    for key in made.values():
        kept = with_key(kept, key, now)
    write_keys(name, kept, replacing)
    for kind, key in made.items():
        print(f"{kind:12} {key}" if sys.stdout.isatty() else _json({"kind": kind, "key": key}))
    _tell("shown this once: aisle keeps only hashes")


def _list(kept: Keys) -> None:
    rows = [(kind, entry.created_at, entry.sha256) for kind in KINDS for entry in getattr(kept, kind)]
    if sys.stdout.isatty():
        print(table(("kind", "created", "sha256"), rows))
        return
    for kind, created_at, sha256 in rows:
        print(_json({"kind": kind, "created_at": created_at, "sha256": sha256}))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)
