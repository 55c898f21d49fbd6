"""The `aisle` command: what can be typed, and what becomes of an error. What the commands do is in `commands.py`.

Nothing but the parser is loaded until a command is known, so `--help` is quick. `build` and `demo` belong to the
workshop: any package can add a command as an entry point of the group `aisle.commands`, a function of the remaining
arguments.

Exit codes: 0 done, 1 the bundle answers differently here (verify), 2 bad input, a bundle that
cannot be used, a missing extra or a build that failed its gates, 130 interrupted, 141 the reader of a pipe went away.
"""

import argparse
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NoReturn

from aisle import __version__
from aisle.errors import AisleError, BadInput, MissingExtra

GROUP = "aisle.commands"
MEASURES = ["nDCG@10", "RR@10", "R@100"]
RUN_DEPTH = 1000  # the most hits a query, as TREC runs have them
TABLES = "parquet, csv, tsv or jsonl; - is tsv on stdin"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code; every AisleError becomes one sentence on stderr."""
    try:
        status = _obey(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # here, where a reader that went away can still be told from an error
        return status
    except AisleError as exc:
        print("aisle:", " ".join(str(exc).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The interpreter flushes stdout once more on its way out, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _obey(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    # Reading the entry points of a large environment takes as long as a search.
    registered = {} if name in COMMANDS else {point.name: point for point in entry_points(group=GROUP)}
    if name in registered:
        return _call_registered(registered[name], arguments[1:])
    asked = build_parser(registered).parse_args(arguments)
    from aisle import commands

    status: int = getattr(commands, asked.command)(asked)
    return status


def _call_registered(point: EntryPoint, arguments: list[str]) -> int:
    """Raises MissingExtra where the command's packages are not there."""
    try:
        point.load()(arguments)
    except ImportError as exc:
        own = ("aisle", point.module.partition(".")[0])
        if exc.name and "." in exc.name and exc.name.partition(".")[0] in own:
            raise  # a fault in our own modules, which no installation cures
        raise MissingExtra(exc.name or f"what `aisle {point.name}` needs", "export") from exc
    return 0


class Parser(ArgumentParser):
    """Mistyped arguments are bad input like any other; what is typed is spelt in full."""

    def __init__(self, prog: str | None = None, **options: Any) -> None:
        super().__init__(prog, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise BadInput(message, f"`{self.prog} --help` shows an example")


def build_parser(registered: Mapping[str, EntryPoint]) -> ArgumentParser:
    """The parser of all commands; those of other packages are only listed."""
    parser = Parser(
        prog="aisle",
        description="AI search for online shops, from sealed bundles.",
        epilog="`aisle COMMAND --help` has an example. Results are tables on a terminal and JSON lines in a pipe; run, "
        "score, recommend and verify print the same everywhere.",
    )
    parser.add_argument("--version", action="version", version=f"aisle {__version__}")
    places = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (purpose, example, add_arguments) in COMMANDS.items():
        command = places.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name not in OF_NO_BUNDLE:
            command.add_argument("bundle", metavar="BUNDLE", type=Path, help="folder of a sealed bundle")
        add_arguments(command)
    for name, point in sorted(registered.items()):
        places.add_parser(name, help=f"from {point.module.partition('.')[0]}; see `aisle {name} --help`")
    return parser


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argument's type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


def _index(command: ArgumentParser) -> None:
    command.add_argument("catalogue", metavar="CATALOGUE", type=Path, help=f"products: {TABLES}")
    command.add_argument("--out", metavar="BUNDLE2", type=Path, required=True, help="folder of the new bundle")
    command.add_argument(
        "--merchandising", metavar="FILE", type=Path, help="new rules; without it the old ones stay, less what left"
    )
    place = "put the products into a LanceDB table there, a folder or s3://BUCKET/PREFIX, instead of into BUNDLE2"
    command.add_argument("--catalogue-at", metavar="URI", help=place)


def _search(command: ArgumentParser) -> None:
    command.add_argument("query", help="what a shopper would type")
    command.add_argument("--k", type=whole(1, 200), default=10, help="hits, 1 to 200 (default: 10)")
    command.add_argument("--lang", help="language of the titles shown, such as en")
    command.add_argument("--json", action="store_true", help="the whole response as one JSON document")


def _run(command: ArgumentParser) -> None:
    command.add_argument("queries", metavar="QUERIES", help=f"query_id, query: {TABLES}")
    command.add_argument("--k", type=whole(1, RUN_DEPTH), default=100, help="hits a query, 1 to 1000 (default: 100)")


def _score(command: ArgumentParser) -> None:
    columns = "pair_id, query, title and any of brand, color; description and bullet_points where a title is empty"
    command.add_argument("pairs", metavar="PAIRS", help=f"{columns}: {TABLES}")


def _evaluate(command: ArgumentParser) -> None:
    command.add_argument("--queries", metavar="Q", required=True, help=f"query_id, query: {TABLES}")
    command.add_argument(
        "--qrels", metavar="L", required=True, help=f"TREC, or query_id, product_id, rating or label: {TABLES}"
    )
    command.add_argument("--k", type=whole(1, RUN_DEPTH), default=100, help="hits a query, 1 to 1000 (default: 100)")
    command.add_argument("--measures", nargs="+", default=MEASURES, help="as ir_measures names them")
    command.add_argument("--report", metavar="FILE.html", type=Path, help="also write a page with plots")


def _recommend(command: ArgumentParser) -> None:
    command.add_argument("users", metavar="USERS", help=f"customer_id: {TABLES}")
    command.add_argument(
        "--k", type=whole(1, RUN_DEPTH), default=20, help="products a customer, 1 to 1000 (default: 20)"
    )
    command.add_argument("--new", action="store_true", help="only what the customer has not bought before")


def _publish(command: ArgumentParser) -> None:
    command.add_argument(
        "--stage", type=stage, default="dev", help="whose bundles bucket in this account (default: dev)"
    )
    command.add_argument("--bucket", metavar="NAME", help="another bucket than the stage's")


def _serve(command: ArgumentParser) -> None:
    command.add_argument("--port", type=whole(0, 65535), default=8000, help="default: 8000")
    command.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine reaches")
    kept = "folder for keys and events, kept between runs (default: AISLE_STATE, or memory alone)"
    command.add_argument("--state", metavar="DIR", type=Path, help=kept)


def stage(text: str) -> str:
    """An argument's type: the name of a stage, which names of AWS resources contain."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no stage: 1 to 20 of a-z, 0-9 and -, the first a letter")
    return text


def _keys(command: ArgumentParser) -> None:
    command.add_argument("--stage", type=stage, required=True, help="whose keys, such as dev or prod")
    change = command.add_mutually_exclusive_group()
    kinds = ("publishable", "secret")
    rotated = (*kinds, "pseudonym")
    change.add_argument("--rotate", choices=rotated, help="bring out a new key of this kind beside the old one")
    change.add_argument("--retire", choices=kinds, help="take the older key of this kind out of use")


def _events(command: ArgumentParser) -> None:
    columns = (
        "customer_id (user_id, shopper_id), product_id (stock_code, sku, item_id), timestamp (invoice_date), "
        "and where they are there order_id (invoice_no) and quantity"
    )
    command.add_argument("orders", metavar="ORDERS", help=f"{columns}: {TABLES}")
    command.add_argument("--out", metavar="FILE", type=Path, help="write the events there instead of to stdout")


def _replay(command: ArgumentParser) -> None:
    command.add_argument(
        "log", metavar="LOG", help="UBI events as JSON lines (- is stdin), or the folder of an event log"
    )
    target = command.add_mutually_exclusive_group(required=True)
    target.add_argument("--state", metavar="DIR", type=Path, help="the folder that `aisle serve --state` keeps")
    target.add_argument("--stage", type=stage, help="a deployed stage, such as dev or prod")


def _batch(command: ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    stages = "a deployed stage, such as dev or prod"

    def add(name: str, purpose: str, example: str) -> ArgumentParser:
        return actions.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    run = add(
        "run", "score a file, or go on where that stopped", "aisle batch run bundle pairs.csv --out scored --kind score"
    )
    run.add_argument(
        "bundle", metavar="BUNDLE", type=Path, nargs="?", help="folder of a sealed bundle; not with --stage"
    )
    run.add_argument("file", metavar="FILE", type=Path, help="rows to score: parquet, csv, tsv or jsonl")
    run.add_argument("--out", metavar="DIR", type=Path, help="folder of the job: parts, rejects, manifest.json")
    run.add_argument("--stage", type=stage, help=f"put the file where it starts a job: {stages}")
    told = "what to do with each row; told by the columns where it is not said"
    run.add_argument("--kind", choices=("score", "search", "recommend", "embed"), help=told)
    depth = "products a query or customer, 1 to 1000 (default: 100 of search, 20 of recommend)"
    run.add_argument("--k", type=whole(1, RUN_DEPTH), help=depth)
    run.add_argument("--new", action="store_true", help="recommend only what the customer has not bought before")
    frequent = add(
        "frequent",
        "precompute what the cross-encoder says of frequent queries",
        "aisle batch frequent bundle queries.tsv --out cache",
    )
    frequent.add_argument("bundle", metavar="BUNDLE", type=Path, help="folder of a sealed bundle")
    frequent.add_argument("file", metavar="QUERIES", help=f"query_id, query, the most frequent first: {TABLES}")
    frequent.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for AISLE_QUERY_CACHE")
    job = "folder of a job, or with --stage its name"
    status = add("status", "show how far a job is, or all jobs of a stage", "aisle batch status scored")
    status.add_argument("job", metavar="JOB", nargs="?", help=job)
    status.add_argument("--stage", type=stage, help=stages)
    cancel = add("cancel", "begin no more chunks of a job", "aisle batch cancel scored")
    cancel.add_argument("job", metavar="JOB", help=job)
    cancel.add_argument("--stage", type=stage, help=stages)
    resume = add("resume", "go on with a job of a stage", "aisle batch resume pairs-0123456789 --stage dev")
    resume.add_argument("job", metavar="JOB", help="name of a job; one in a folder goes on with `run`")
    resume.add_argument("--stage", type=stage, required=True, help=stages)


def _bundle_alone(command: ArgumentParser) -> None:
    """verify and inspect take nothing else."""


OF_NO_BUNDLE = {"batch", "events", "keys", "replay"}
# name -> (purpose, example, what adds its arguments)
COMMANDS: dict[str, tuple[str, str, Callable[[ArgumentParser], None]]] = {
    "index": (
        "seal the same models over a new catalogue, without training",
        "aisle index bundle catalogue.csv --out bundle-today",
        _index,
    ),
    "search": ("answer one query", 'aisle search bundle "red running shoes under 50" --k 5', _search),
    "run": ("answer many queries as a TREC run", "aisle run bundle queries.tsv --k 100", _run),
    "score": ("print pair_id <tab> score of query and product pairs", "aisle score bundle pairs.csv", _score),
    "recommend": (
        "print customer_id <tab> product_id <tab> rank <tab> score for many customers",
        "aisle recommend bundle customers.csv --k 20 --new",
        _recommend,
    ),
    "batch": (
        "score, search, recommend or embed a file of any size: run, status, cancel, resume, frequent",
        "aisle batch run bundle pairs.csv --out scored",
        _batch,
    ),
    "evaluate": (
        "measure a bundle against judgements",
        "aisle evaluate bundle --queries queries.tsv --qrels qrels.txt --report report.html",
        _evaluate,
    ),
    "verify": (
        "check the hashes, and that this processor answers as the builder's did",
        "aisle verify bundle",
        _bundle_alone,
    ),
    "inspect": ("show what a bundle is made of", "aisle inspect bundle", _bundle_alone),
    "publish": ("put a bundle into S3, where deployments find it", "aisle publish bundle --stage dev", _publish),
    "serve": ("show a shop and answer over HTTP", "aisle serve bundle --port 8000 --state state", _serve),
    "events": (
        "turn a table of orders into purchase events in the form of UBI 1.3",
        "aisle events orders.csv --out events.jsonl",
        _events,
    ),
    "replay": (
        "tell events of the past to a shop on this machine, or to a stage in AWS",
        "aisle replay events.jsonl --state state",
        _replay,
    ),
    "keys": (
        "make, list, rotate and retire the API keys of a stage in AWS",
        "aisle keys --stage dev",
        _keys,
    ),
}
