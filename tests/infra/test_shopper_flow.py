"""What a shopper does, from the event to another recommendation and until it is forgotten, through the deployed stack.

Calls go through the stack's own routes, functions run under the real Lambda runtime, and the queue is emptied as
Lambda's event source does (infra/poller.py). The last tests read everything that anything wrote.
"""

import base64
import gzip
import json
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from shop import Answer, Service, make_keys, opened

from aisle.events import moment
from aisle.keys import make_key, sign_shopper
from aisle.pseudonyms import Pseudonyms
from infra.poller import Batch, poll

pytestmark = pytest.mark.slow

QUEUE, DEAD = "aisle-dev-events", "aisle-dev-events-dead"
BUCKET, TABLE, SECRET = "aisle-dev-events-123456789012", "aisle-dev-profiles", "aisle/dev/pseudonyms"
WAIT_S = 20  # the most that a test waits for a whole answer


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with opened(tiny_bundle, tmp_path_factory.mktemp("log") / "functions.log") as made:
        yield made


class Shopper:
    """Somebody with a token of the shop, and what they do; nobody has met them before."""

    def __init__(self, service: Service) -> None:
        self.service, self.name = service, f"shopper-{uuid.uuid4().hex}"

    @property
    def token(self) -> str:
        return sign_shopper(self.name, self.service.keys["secret"], int(time.time()))

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        return self.service.call(method, path, "publishable", body, x_shopper_token=self.token)

    def did(self, *events: dict[str, Any], queries: tuple[dict[str, Any], ...] = ()) -> None:
        """Tells it, and lets it arrive."""
        answer = self.call("POST", "/v1/events", {"events": events, "queries": queries})
        assert (answer.status, answer.json) == (202, {"accepted": len(events) + len(queries), "rejected": []})
        ingest(self.service)

    @property
    def known(self) -> list[tuple[str, str]]:
        """What the profile shows: action and product, the newest first."""
        answer = self.call("GET", "/v1/profile")
        assert answer.status == 200
        return [(act["action"], act["product_id"]) for act in answer.json["acts"]]

    def recommended(self, **more: Any) -> Any:
        """The whole answer: the first one after a cold start or a fault may lack the profile or the overlay."""
        until = time.monotonic() + WAIT_S
        while True:
            answer = self.call("POST", "/v1/recommendations", {"k": 5, "explain": True, **more})
            assert answer.status == 200, answer.body
            if answer.json["degraded"] == []:
                return answer.json
            assert time.monotonic() < until
            time.sleep(0.2)


@pytest.fixture
def ann(service: Service) -> Shopper:
    return Shopper(service)


def act(kind: str, product_id: str, **fields: Any) -> dict[str, Any]:
    """As UBI tells it, now."""
    return {
        "action_name": kind,
        "client_id": "browser-1",
        "session_id": "session-1",
        "query_id": "query-1",
        "timestamp": moment(time.time_ns() // 1_000_000),
        "event_attributes": {"object": {"object_id": product_id}, "position": {"ordinal": 1}},
    } | fields


def url(name: str) -> str:
    found: str = boto3.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return found


def ingest(service: Service) -> Batch:
    """What waits in the queue goes through the function."""
    return poll(boto3.client("sqs"), url(QUEUE), lambda event: service.invoke("aisle-dev-ingest", event))


def letters() -> list[tuple[str, str]]:
    """Body and reason of the dead letters, which are taken away."""
    sqs, found = boto3.client("sqs"), []
    while some := sqs.receive_message(QueueUrl=url(DEAD), MessageAttributeNames=["All"]).get("Messages"):
        for message in some:
            found.append((message["Body"], message["MessageAttributes"]["reason"]["StringValue"]))
            sqs.delete_message(QueueUrl=url(DEAD), ReceiptHandle=message["ReceiptHandle"])
    return found


def logged() -> list[dict[str, Any]]:
    """All lines of the event log's files."""
    return [json.loads(line) for text in objects("raw/", "compacted/") for line in text.splitlines()]


def objects(*prefixes: str) -> list[str]:
    """What the bucket's objects hold, unpacked, in all their versions."""
    s3, found = boto3.client("s3"), []
    for prefix in prefixes:
        for version in s3.list_object_versions(Bucket=BUCKET, Prefix=prefix).get("Versions", []):
            if version["IsLatest"] or prefix == "":
                got = s3.get_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
                body = got["Body"].read()
                found.append((gzip.decompress(body) if version["Key"].endswith(".gz") else body).decode())
    return found


def pseudonym(shopper: Shopper) -> str:
    key = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
    return Pseudonyms(key.encode()).of(shopper.name)


# From an event to another recommendation


def test_what_a_shopper_does_changes_what_is_recommended_and_how_it_is_explained(
    service: Service, ann: Shopper
) -> None:
    stranger = service.call("POST", "/v1/recommendations", "publishable", {"k": 5}).json
    before = ann.recommended()
    assert (before["route"], before["hits"] != [], ann.known) == ("popular", True, [])
    product = service.products[7]
    ann.did(act("click", product.product_id), act("purchase", product.product_id))
    assert sorted(ann.known) == [("click", product.product_id), ("purchase", product.product_id)]
    after = ann.recommended()
    assert after["route"] in ("content", "behaviour")
    assert [hit["hit"]["product_id"] for hit in after["hits"]] != [hit["hit"]["product_id"] for hit in before["hits"]]
    assert product.product_id in {named for hit in after["hits"] for named in hit["because"].get("products", [])}
    assert product.product_id not in [hit["hit"]["product_id"] for hit in ann.recommended(new=True)["hits"]]
    assert [
        hit["hit"] for hit in service.call("POST", "/v1/recommendations", "publishable", {"k": 5}).json["hits"]
    ] == [hit["hit"] for hit in stranger["hits"]]


def test_events_that_come_twice_and_in_any_order_count_once(service: Service, ann: Shopper) -> None:
    first, second = act("view", "p-1", timestamp="2026-11-23T10:00:00Z"), act("cart", "p-2")
    second |= {"action_name": "add_to_cart", "timestamp": "2026-11-23T11:00:00Z"}
    for events in ([second], [first, second], [first], [second, first]):
        assert ann.call("POST", "/v1/events", {"events": events}).status == 202
    ingest(service)
    ann.did(first)
    assert ann.known == [("cart", "p-2"), ("view", "p-1")]


def test_what_was_shown_joins_what_was_clicked(service: Service, ann: Shopper) -> None:
    query_id = uuid.uuid4().hex
    query = {"query_id": query_id, "user_query": "red hat", "query_response_hit_ids": ["hat-1", "hat-2"]}
    ann.did(act("click", "hat-2", query_id=query_id), queries=(query,))
    lines = [line for line in logged() if line["shopper"] == pseudonym(ann)]
    shown, clicked = sorted(lines, key=lambda line: str(line["kind"]), reverse=True)
    assert (shown["kind"], shown["hits"], clicked["kind"]) == ("query", ["hat-1", "hat-2"], "click")
    assert shown["query_id"] == clicked["query_id"] != query_id


def test_poison_goes_to_the_dead_letters_with_its_reason_and_its_neighbours_are_kept(
    service: Service, ann: Shopper
) -> None:
    ann.did(act("click", "p-0"))
    letters()
    good = next(line for line in logged() if line["shopper"] == pseudonym(ann))
    neighbour = good | {"event_id": "N" * 22, "product_id": "p-1"}
    poison = good | {"event_id": "P" * 22, "kind": "wish"}
    for body in (json.dumps([neighbour, poison]), "no list"):
        boto3.client("sqs").send_message(QueueUrl=url(QUEUE), MessageBody=body)
    assert len(ingest(service).deleted) == 2
    assert ("click", "p-1") in ann.known
    assert sorted(reason for _, reason in letters()) == [
        "JSON is malformed: invalid character (byte 4)",
        "Not one of those known - at `$.kind`",
    ]


def test_while_the_table_does_not_answer_events_wait_and_answers_say_that_they_lack_the_profile(
    service: Service, ann: Shopper
) -> None:
    product = service.products[3].product_id
    ann.recommended()  # both functions are warm
    assert ann.call("POST", "/v1/events", {"events": [act("click", product)]}).status == 202
    with service.faults.having("DynamoDB", "throttled"):
        waiting = ingest(service)
        assert (waiting.deleted, len(waiting.failed)) == ([], 1)
        answer = ann.call("POST", "/v1/recommendations", {"k": 5})
        assert (answer.status, "profile" in answer.json["degraded"], len(answer.json["hits"])) == (200, True, 5)
        assert ann.call("GET", "/v1/profile").status == 503
    assert ann.known == []
    # What failed comes again, here without the minutes that its visibility lasts.
    for handle in waiting.handles:
        boto3.client("sqs").change_message_visibility(QueueUrl=url(QUEUE), ReceiptHandle=handle, VisibilityTimeout=0)
    assert ingest(service).deleted == waiting.failed
    assert ann.known == [("click", product)]


# Who it is


def test_a_token_that_is_forged_expired_or_foreign_is_nobodys(service: Service, ann: Shopper) -> None:
    ann.did(act("purchase", "p-1"))
    now, secret = int(time.time()), service.keys["secret"]
    foreign = sign_shopper(ann.name, make_key("secret", b"\7" * 32), now)
    head, body, signature = ann.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "bob"}).encode()).rstrip(b"=").decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg": "none", "typ": "JWT"}').rstrip(b"=").decode()
    tokens = {
        "foreign": foreign,
        "expired": sign_shopper(ann.name, secret, now - 3600),
        "lasting": sign_shopper(ann.name, secret, now, 86_400),
        "forged": f"{head}.{other}.{signature}",
        "unsigned": f"{unsigned}.{body}.",
        "cut": ann.token[:-2],
        "none": "",
        "the raw id": ann.name,
        "the key": secret,
    }
    for name, token in tokens.items():
        for method in ("GET", "DELETE"):
            answer = service.call(method, "/v1/profile", "publishable", x_shopper_token=token)
            assert (name, method, answer.status) == (name, method, 401)
        answer = service.call("POST", "/v1/recommendations", "publishable", {"k": 5}, x_shopper_token=token)
        assert (name, answer.json["route"], "profile" in answer.json["degraded"]) == (name, "popular", False)
        service.call("POST", "/v1/events", "publishable", {"events": [act("click", "p-2")]}, x_shopper_token=token)
    for path in (f"/v1/profile?shopper={ann.name}", f"/v1/profile?user_id={ann.name}&shopper_id={pseudonym(ann)}"):
        assert service.call("GET", path, "publishable").status in (400, 401)
    ingest(service)
    assert ann.known == [("purchase", "p-1")]


def test_a_token_of_the_older_secret_key_counts_while_there_are_two(service: Service, ann: Shopper) -> None:
    of_the_old = ann.token
    make_keys("--rotate", "secret")
    assert service.call("GET", "/v1/profile", "publishable", x_shopper_token=of_the_old).status == 200


def test_events_of_the_shops_own_server_are_those_of_the_shopper_they_name(service: Service, ann: Shopper) -> None:
    told = {"events": [act("purchase", "p-9", user_id=ann.name)]}
    assert service.call("POST", "/v1/events", "secret", told).status == 202
    assert (
        service.call("POST", "/v1/events", "publishable", {"events": [act("view", "p-8", user_id=ann.name)]}).status
        == 202
    )
    ingest(service)
    assert ann.known == [("purchase", "p-9")]


# Forgotten


def test_who_is_forgotten_stays_forgotten_in_tables_and_log(service: Service, ann: Shopper) -> None:
    bob = Shopper(service)
    ann.did(act("click", "p-1"), act("purchase", "p-2"))
    bob.did(act("click", "p-3"))
    late, mine, token = act("click", "p-4"), pseudonym(ann), ann.token
    assert ann.call("POST", "/v1/events", {"events": [late]}).status == 202  # still in the queue
    answer = ann.call("DELETE", "/v1/profile")
    assert (answer.status, [*answer.json]) == (200, ["forgotten_at"])
    assert (ann.known, ann.recommended()["route"]) == ([], "popular")
    ingest(service)
    # Who has kept the token and the request may send both again: neither brings anything back.
    again = service.call("POST", "/v1/events", "publishable", {"events": [late]}, x_shopper_token=token)
    assert (again.status, len(ingest(service).deleted)) == (202, 1)
    assert service.call("GET", "/v1/profile", "publishable", x_shopper_token=token).json["acts"] == ann.known == []
    done = service.invoke("aisle-dev-compact", {"source": "aws.events"})
    assert done["written"] != []
    assert mine not in {line["shopper"] for line in logged()}
    assert pseudonym(bob) in {line["shopper"] for line in logged()}
    item = boto3.client("dynamodb").get_item(TableName=TABLE, Key={"shopper_id": {"S": mine}})["Item"]
    assert item.keys() == {"shopper_id", "version", "forgotten_at", "expires"}
    assert bob.known == [("click", "p-3")]
    ann.did(act("view", "p-5"))  # the token counts for who shops on
    assert ann.known == [("view", "p-5")]
    service.invoke("aisle-dev-compact", {})
    assert [(line["kind"], line["product_id"]) for line in logged() if line["shopper"] == mine] == [("view", "p-5")]


def test_two_compactions_at_once_do_no_harm(service: Service, ann: Shopper) -> None:
    ann.did(act("click", "p-1"))
    boto3.client("s3").put_object(Bucket=BUCKET, Key="compacting", Body=b"another")
    try:
        with pytest.raises(Exception, match="somebody else compacts"):
            service.invoke("aisle-dev-compact", {})
    finally:
        boto3.client("s3").delete_object(Bucket=BUCKET, Key="compacting")
    service.invoke("aisle-dev-compact", {})
    assert [line["product_id"] for line in logged() if line["shopper"] == pseudonym(ann)] == ["p-1"]


# What is written down


def written(service: Service) -> str:
    """All that anything kept or wrote: tables, every version of every object, queues, logs of functions and gateway."""
    texts = [service.logged(), *objects("")]
    dynamodb, sqs = boto3.client("dynamodb"), boto3.client("sqs")
    for table in dynamodb.list_tables()["TableNames"]:
        for item in dynamodb.scan(TableName=table)["Items"]:
            packed = item.pop("acts", None)
            texts += [repr(item), zlib.decompress(packed["B"]).decode("utf-8", "replace") if packed else ""]
    for queue in sqs.list_queues()["QueueUrls"]:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "0"})
        for _ in range(30):
            texts.append(
                repr(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]))
            )
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "360"})
    return "\n".join(texts)


def test_no_name_address_or_raw_id_is_written_anywhere(service: Service) -> None:
    """An id in the place of a product's is known for one where the event or its token names somebody by it."""
    mark = uuid.uuid4().hex[:10]
    raw = {
        "id": f"customer{mark}",
        "mail": f"ann.{mark}@example.com",
        "post": f"{mark} Main Street 5, 12345 Springfield",
        "ip": "198.51.100.213",
        "ip6": "2001:db8:85a3::8a2e:370:7334",
        "telephone": "+49 170 555 01 99",
        "words": f"where does {mark} live",
    }
    secret = service.keys["secret"]
    events: list[dict[str, Any]] = []
    queries: list[dict[str, Any]] = []
    for value in raw.values():
        plain = act("click", "hat-1", client_id=value, session_id=value, query_id=value, user_id=value)
        events += [
            plain,
            plain | {"message": value, "message_type": value, "application": value, value: value, "email": value},
            plain | {"event_attributes": {"object": {"object_id": value}}},
            plain | {"event_attributes": {"object": {"object_id": "hat-2", "object_id_field": value, value: value}}},
            plain
            | {"event_attributes": {"object": {"object_id": "hat-3", "internal_id": value}, value: {value: value}}},
            plain | {"event_attributes": {value: value, "position": {"ordinal": value}}},
            plain | {"action_name": value},
            plain | {"timestamp": value},
            {value: value},
        ]
        queries += [
            {"query_id": value, "user_query": value, "client_id": value, "user_id": value, value: value},
            {"query_id": "1", "user_query": value, "client_id": value, "query_response_hit_ids": [value, "hat-1"]},
            {"query_id": value, "user_query": value, "query_attributes": {value: value}, "query_response_id": value},
        ]
    answers: list[Answer] = []
    for name in raw.values():
        token = sign_shopper(name, secret, int(time.time()))
        ascii_name = name if name.isascii() else ""
        for key in ("publishable", "secret"):
            for headers in ({"x_shopper_token": token}, {}):
                more = {"user_agent": ascii_name, "referer": ascii_name, "x_forwarded_for": ascii_name, **headers}
                for start in range(0, len(events), 20):
                    body = {"events": events[start : start + 20], "queries": queries[start : start + 20]}
                    answers.append(service.call("POST", "/v1/events", key, body, **more))
        answers.append(service.call("POST", "/v1/events", "publishable", {name: name}, x_shopper_token=token))
        answers.append(service.call("POST", "/v1/events", "publishable", name.encode(), x_shopper_token=token))
        answers.append(service.call("GET", "/v1/profile", "publishable", x_shopper_token=token))
        answers.append(service.call("POST", "/v1/recommendations", "publishable", {"k": 2}, x_shopper_token=token))
        answers.append(service.call("POST", "/v1/recommendations", "publishable", {name: name}, x_shopper_token=token))
        answers.append(
            service.call(
                "POST",
                "/v1/recommendations",
                "publishable",
                {"events": [{"product_id": name}], "exclude": [name]},
                x_shopper_token=token,
            )
        )
        answers.append(service.call("POST", "/v1/search", "publishable", {"query": name}, x_shopper_token=token))
    assert {answer.status for answer in answers} == {200, 202, 400}
    assert sum(answer.status == 202 for answer in answers) >= 4 * len(raw)
    while ingest(service).deleted:
        pass
    assert service.invoke("aisle-dev-compact", {})["written"] != []
    with service.faults.having("DynamoDB", "throttled"):
        token = sign_shopper(raw["mail"], secret, int(time.time()))
        service.call("POST", "/v1/events", "publishable", {"events": events[:2]}, x_shopper_token=token)
        ingest(service)
        service.call("DELETE", "/v1/profile", "publishable", x_shopper_token=token)
    everything = written(service)
    assert "hat-1" in everything  # what was meant to be kept is there
    assert [(what, value) for what, value in raw.items() if value in everything] == []
    assert mark not in everything
