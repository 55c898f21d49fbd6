"""Profiles in the emulated table: the same as in memory, whatever order, and nothing lost to writers that race."""

import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import boto3
import msgspec
import pytest
from world_aws import profiles_table

from aisle.aws.profile_table import ProfileTable
from aisle.errors import Unavailable
from aisle.events import Record, moment
from aisle.profile import DAY_MS, KEPT_DAYS, MemoryProfiles, Profile, ProfileStore
from aisle.shopping import Act

ANN, BOB, OLD = (f"k{letter * 22}" for letter in "abo")
NOW = time.time_ns() // 1_000_000
_ids = count()


def record(product: str, at_ms: int = NOW, **fields: Any) -> Record:
    plain = Record(f"{next(_ids):022}", ANN, False, "", "", "click", product, None, moment(at_ms), moment(NOW))
    return msgspec.structs.replace(plain, **fields)


def act(record: Record, at_ms: int = NOW) -> Act:
    return Act(at_ms, record.event_id, record.kind, record.product_id)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> Iterator[ProfileStore]:
    if request.param == "memory":
        yield MemoryProfiles()
    else:
        request.getfixturevalue("aws")
        yield ProfileTable(profiles_table())


@pytest.fixture
def table(aws: dict[str, str]) -> ProfileTable:
    return ProfileTable(profiles_table())


def items() -> dict[str, dict[str, Any]]:
    """Pseudonym -> its item without the acts."""
    found = boto3.client("dynamodb").scan(TableName="profiles")["Items"]
    return {item.pop("shopper_id")["S"]: {k: v for k, v in item.items() if k != "acts"} for item in found}


def test_what_is_told_later_adds_to_what_is_known(store: ProfileStore) -> None:
    hat, shoe, late = record("hat", NOW - 2), record("shoe", NOW - 1), record("bag", NOW - 9, kind="purchase")
    store.add(ANN, [hat, shoe])
    store.add(ANN, [late])
    store.add(ANN, [shoe])
    assert store.read([ANN]) == Profile((act(late, NOW - 9), act(hat, NOW - 2), act(shoe, NOW - 1)))
    assert store.read([BOB]) == store.read([]) == Profile()


def test_both_pseudonyms_of_a_shopper_are_read_as_one(store: ProfileStore) -> None:
    before, after, other = record("hat", NOW - 5), record("shoe"), record("bag")
    store.add(OLD, [before])
    store.add(ANN, [after])
    store.add(BOB, [other])
    assert store.read([ANN, OLD]) == Profile((act(before, NOW - 5), act(after)))


def test_what_was_received_before_a_shopper_was_forgotten_stays_out(store: ProfileStore) -> None:
    told, told_late, after = record("hat"), record("shoe"), record("bag", NOW + 2, received_at=moment(NOW + 3))
    store.add(ANN, [told])
    store.forget([ANN, BOB], NOW + 1)
    assert store.read([ANN]) == Profile()
    store.add(ANN, [told_late, told, after])
    store.add(BOB, [record("hat")])
    store.add(ANN, [msgspec.structs.replace(told, received_at=moment(NOW + 9))])  # the same request, sent again
    assert (store.read([ANN]), store.read([BOB])) == (Profile((act(after, NOW + 2),)), Profile())


def test_of_two_times_of_forgetting_the_later_counts(store: ProfileStore) -> None:
    store.forget([ANN], NOW + 5)
    store.forget([ANN], NOW - 5)
    store.add(ANN, [record("hat")])
    assert store.read([ANN]) == Profile()


def test_what_changes_nothing_is_not_written(table: ProfileTable) -> None:
    hat = record("hat")
    table.add(ANN, [record("hat", kind="impression")])
    assert items() == {}
    table.add(ANN, [hat])
    table.add(ANN, [hat])
    assert items() == {ANN: {"version": {"N": "1"}, "expires": {"N": str(-(-(NOW + KEPT_DAYS * DAY_MS) // 1000))}}}


def test_an_item_ends_when_its_last_act_or_its_forgetting_is_over(table: ProfileTable) -> None:
    table.add(ANN, [record("hat", NOW - 7000), record("shoe", NOW - 9000)])
    table.forget([BOB], NOW - 3000)
    table.add(BOB, [record("hat", NOW - 8000)])
    ends = {shopper: int(item["expires"]["N"]) for shopper, item in items().items()}
    kept_s = KEPT_DAYS * 86_400
    assert ends == {ANN: -(-(NOW - 7000) // 1000) + kept_s, BOB: -(-(NOW - 3000) // 1000) + kept_s}
    assert items()[BOB]["forgotten_at"] == {"N": str(NOW - 3000)}


def test_what_is_over_is_not_read_before_dynamodb_lets_it_go(table: ProfileTable) -> None:
    long_ago = NOW - KEPT_DAYS * DAY_MS - 1000
    table.add(ANN, [record("hat", long_ago)])
    assert list(items()) == [ANN]
    assert table.read([ANN]) == Profile()
    shoe = record("shoe")
    table.add(ANN, [shoe])
    assert (table.read([ANN]), items()[ANN]["version"]) == (Profile((act(shoe),)), {"N": "2"})


def test_an_act_that_is_over_is_not_read_however_lively_its_shopper_is(table: ProfileTable) -> None:
    long_ago = NOW - KEPT_DAYS * DAY_MS - 1000
    shoe, bag = record("shoe", NOW - 1), record("bag")
    table.add(ANN, [record("hat", long_ago, kind="purchase"), shoe])
    assert table.read([ANN]) == Profile((act(shoe, NOW - 1),))
    table.add(ANN, [bag])
    assert table.read([ANN]) == Profile((act(shoe, NOW - 1), act(bag)))
    (item,) = boto3.client("dynamodb").scan(TableName="profiles")["Items"]
    assert b"hat" not in zlib.decompress(item["acts"]["B"])


def test_the_largest_profile_fits_into_an_item(table: ProfileTable) -> None:
    clicks = [record("红" * 255 + chr(0x4E00 + n), NOW - n) for n in range(150)]
    bought = [record("红" * 255 + chr(0x5E00 + n), NOW - n, kind="purchase") for n in range(150)]
    table.add(ANN, clicks + bought)
    assert len(table.read([ANN]).acts) == 300


def test_writers_that_race_lose_nothing(table: ProfileTable) -> None:
    told = [record(str(n), NOW - n) for n in range(60)]
    with ThreadPoolExecutor(2) as writers:
        list(writers.map(lambda batch: table.add(ANN, batch), [told[n : n + 3] for n in range(0, 60, 3)]))
    assert table.read([ANN]) == Profile(tuple(act(r, NOW - n) for n, r in reversed([*enumerate(told)])))
    assert items()[ANN]["version"] == {"N": "20"}


def test_forgetting_wins_over_a_writer_that_races(table: ProfileTable) -> None:
    told = [record(str(n)) for n in range(40)]
    with ThreadPoolExecutor(3) as writers:
        adding = writers.map(lambda one: table.add(ANN, [one]), told)
        forgetting = writers.submit(table.forget, [ANN], NOW + 1)
        assert (list(adding), forgetting.result()) == ([None] * 40, None)
    assert table.read([ANN]) == Profile()


def test_a_profile_that_others_keep_changing_is_told(table: ProfileTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.aws.profile_table._PAUSE_S", 0.0)
    read = ProfileTable._get

    def overtaken(self: ProfileTable, shopper: str) -> Any:
        kept = read(self, shopper)
        boto3.client("dynamodb").put_item(
            TableName="profiles",
            Item={"shopper_id": {"S": shopper}, "version": {"N": str(kept.version + 1)}, "expires": {"N": str(10**11)}},
        )
        return kept

    monkeypatch.setattr(ProfileTable, "_get", overtaken)
    with pytest.raises(Unavailable, match="a profile of profiles is changed by too many at once"):
        table.add(ANN, [record("hat")])


@pytest.mark.parametrize("item", [{}, {"acts": {"B": b"?"}}, {"expires": {"N": "1.5"}}, {"expires": {"S": "never"}}])
def test_an_item_that_cannot_be_read_is_told_and_left(table: ProfileTable, item: dict[str, Any]) -> None:
    other = {"version": {"N": "1"}, "expires": {"N": str(10**11)}} | item if item else {}
    boto3.client("dynamodb").put_item(TableName="profiles", Item={"shopper_id": {"S": ANN}} | other)
    for call in (lambda: table.read([ANN]), lambda: table.add(ANN, [record("hat")])):
        with pytest.raises(Unavailable, match="a profile is no profile of this version of aisle"):
            call()
    assert items() == {ANN: {name: value for name, value in other.items() if name != "acts"}}


def test_a_missing_table_is_told(aws: dict[str, str]) -> None:
    nowhere = ProfileTable("nowhere")
    for call in (
        lambda: nowhere.read([ANN]),
        lambda: nowhere.add(ANN, [record("hat")]),
        lambda: nowhere.forget([ANN], NOW),
    ):
        with pytest.raises(Unavailable, match="the profile table nowhere: ResourceNotFoundException"):
            call()
