"""Batching with a scorer whose right answers are arithmetic and whose device is the test's to hold and to break."""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from queue import Queue
from threading import Thread

import numpy as np
import pytest

from aisle.errors import Unavailable
from infra.reranker_endpoint.batching import Batcher, Pair, QueueFull
from infra.reranker_endpoint.waiting import Job, Logits, Waiting

WAIT_S = 5  # more than anything here takes


def pair(value: int, length: int = 2) -> Pair:
    """A pair of `length` tokens whose score is `value`."""
    return Pair([value] + [0] * (length - 1), [0] * length)


class Device:
    """Scores a pair with its first token, but only a batch at a time, whenever the test lets one finish."""

    def __init__(self, max_batch_tokens: int, breaks_at: int | None = None) -> None:
        self.max_batch_tokens = max_batch_tokens
        self.breaks_at = breaks_at  # a first token that makes a launch fail
        self.launched = Queue[list[int]]()
        self.finish = Queue[Callable[[Logits], Logits]]()

    def tokenise(self, query: str, texts: Sequence[str]) -> list[Pair]:
        return [pair(len(text)) for text in texts]

    def launch(self, pairs: Sequence[Pair]) -> Callable[[], Logits]:
        values = [pair.ids[0] for pair in pairs]
        self.launched.put(values)
        if self.breaks_at in values:
            raise RuntimeError("out of memory")
        return lambda: self.finish.get(timeout=WAIT_S)(np.array(values, np.float32))

    def next_launch(self) -> list[int]:
        return self.launched.get(timeout=WAIT_S)

    def let_finish(self, batches: int = 1, how: Callable[[Logits], Logits] = lambda logits: logits) -> None:
        for _ in range(batches):
            self.finish.put(how)


class Seen:
    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []  # pairs, tokens
        self.waits = 0

    def job_waited(self, seconds: float) -> None:
        self.waits += 1

    def batch_computed(self, pairs: int, tokens: int, seconds: float) -> None:
        self.batches.append((pairs, tokens))


def scores(job: Job) -> list[float]:
    return [float(score) for score in job.scores.result(timeout=WAIT_S)]


def test_pairs_are_taken_oldest_first_up_to_the_budget_across_jobs() -> None:
    waiting = Waiting()
    first, second = Job([pair(1, 3), pair(2, 4)], 0), Job([pair(3, 2), pair(4, 9), pair(5, 1)], 0)
    waiting.append(first)
    waiting.append(second)
    assert waiting.tokens == 19
    assert waiting.take(8) == [(first, 0, 2)]  # the next pair would be one token too many
    assert waiting.take(8) == [(second, 0, 1)]
    assert waiting.take(8) == [(second, 1, 2)]  # a pair larger than the budget is a batch of its own
    assert (waiting.tokens, len(waiting)) == (1, 1)
    assert waiting.take(8) == [(second, 2, 3)]
    assert (waiting.take(8), waiting.tokens, len(waiting)) == ([], 0, 0)


def test_what_is_dropped_waits_no_more_and_the_rest_keeps_its_order() -> None:
    waiting = Waiting()
    jobs = [Job([pair(1, 4), pair(2, 4)], 0), Job([pair(3, 4)], 0), Job([pair(4, 4)], 0)]
    for job in jobs:
        waiting.append(job)
    assert waiting.take(4) == [(jobs[0], 0, 1)]
    for job in [jobs[0], jobs[1], jobs[1]]:
        waiting.drop(job)
    assert waiting.tokens == 4
    assert waiting.take(99) == [(jobs[2], 0, 1)]


def test_an_idle_device_takes_what_is_there_and_a_busy_one_what_has_gathered() -> None:
    device, seen = Device(max_batch_tokens=8), Seen()
    batcher = Batcher(device, 100, seen)
    jobs = [batcher.submit([pair(1)])]
    assert device.next_launch() == [1]
    jobs += [batcher.submit([pair(2), pair(3)]), batcher.submit([pair(4)])]  # 6 tokens: may still grow
    assert device.launched.empty()
    device.let_finish()
    assert device.next_launch() == [2, 3, 4]
    jobs += [batcher.submit([pair(value) for value in range(5, 11)])]  # 12 tokens: a full batch goes behind
    assert device.next_launch() == [5, 6, 7, 8]
    assert device.launched.empty()  # and none behind that one
    device.let_finish(3)
    assert [scores(job) for job in jobs] == [[1], [2, 3], [4], [5, 6, 7, 8, 9, 10]]
    assert batcher.stop(WAIT_S)
    assert (seen.batches, seen.waits) == ([(1, 2), (3, 6), (4, 8), (2, 4)], 4)


def test_every_score_comes_back_to_its_own_pair_from_many_threads() -> None:
    device = Device(max_batch_tokens=13)
    device.let_finish(5000)
    batcher = Batcher(device, 100_000, Seen())
    wrong: list[object] = []

    def client(number: int) -> None:
        for turn in range(20):
            values = [number * 1000 + turn * 10 + row for row in range(1 + (number + turn) % 7)]
            job = batcher.submit([pair(value, 1 + value % 5) for value in values])
            if scores(job) != values:
                wrong.append((number, turn))

    threads = [Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert batcher.queue_tokens == 0
    assert batcher.stop(WAIT_S)


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    device = Device(max_batch_tokens=10)
    ticks = iter([*range(0, 1000, 5)])  # each look at the clock is 5 s later
    batcher = Batcher(device, 30, Seen(), clock=lambda: next(ticks))
    done = batcher.submit([pair(1, 10)])
    device.let_finish()
    assert scores(done) == [1]  # 10 tokens in 5 s
    running = batcher.submit([pair(2, 10)])
    assert [device.next_launch(), device.next_launch()] == [[1], [2]]
    behind = batcher.submit([pair(3, 10)])
    assert device.next_launch() == [3]
    waiting = batcher.submit([pair(4, 10), pair(5, 14)])
    with pytest.raises(
        QueueFull, match="24 tokens wait already, and 7 more are over 30: send the request again"
    ) as full:
        batcher.submit([pair(6, 7)])
    assert full.value.retry_after_s == 12
    assert batcher.queue_tokens == 24
    fits = batcher.submit([pair(7, 6)])
    device.let_finish(5)
    assert [scores(job) for job in (running, behind, waiting, fits)] == [[2], [3], [4, 5], [7]]
    assert batcher.stop(WAIT_S)


def test_a_first_refusal_knows_no_rate_and_says_one_second() -> None:
    batcher = Batcher(Device(10), 5, Seen())
    with pytest.raises(QueueFull) as full:
        batcher.submit([pair(1, 6)])
    assert full.value.retry_after_s == 1


def test_who_went_away_leaves_the_queue_and_its_place_to_others() -> None:
    device = Device(max_batch_tokens=4)
    batcher = Batcher(device, 12, Seen())
    running = batcher.submit([pair(1, 4)])
    assert device.next_launch() == [1]
    partly = batcher.submit([pair(2, 4), pair(3, 4), pair(4, 4)])
    assert device.next_launch() == [2]
    batcher.withdraw(partly)
    assert batcher.queue_tokens == 0
    after = batcher.submit([pair(5, 4), pair(6, 4)])
    device.let_finish(4)
    assert (scores(running), scores(after)) == ([1], [5, 6])
    assert [device.next_launch(), device.next_launch()] == [[5], [6]]
    with pytest.raises(CancelledError):
        partly.scores.result()
    batcher.withdraw(after)  # too late, and no harm
    assert scores(after) == [5, 6]


def test_no_pairs_are_answered_at_once() -> None:
    assert scores(Batcher(Device(4), 4, Seen()).submit([])) == []


def test_a_batch_that_fails_fails_its_own_requests_and_the_next_is_served() -> None:
    device = Device(max_batch_tokens=4, breaks_at=13)
    batcher = Batcher(device, 100, Seen())
    device.let_finish(9)
    broken = batcher.submit([pair(13, 4), pair(2, 4)])
    with pytest.raises(RuntimeError, match="out of memory"):
        scores(broken)
    assert batcher.queue_tokens == 0
    assert scores(batcher.submit([pair(3)])) == [3]
    assert batcher.works


def test_scores_that_are_too_few_are_nobodys() -> None:
    device = Device(max_batch_tokens=99)
    device.let_finish(how=lambda logits: logits[1:])
    job = Batcher(device, 100, Seen()).submit([pair(1), pair(2)])
    with pytest.raises(ValueError, match=r"the model gave \(1,\) scores for 2 pairs"):
        scores(job)


def test_texts_that_break_every_batch_do_not_condemn_the_device() -> None:
    device = Device(max_batch_tokens=4, breaks_at=13)
    batcher = Batcher(device, 100, Seen())
    device.let_finish(3)  # two trials and one batch
    for _ in range(7):
        with pytest.raises(RuntimeError):
            scores(batcher.submit([pair(13)]))
    assert scores(batcher.submit([pair(3)])) == [3]
    assert batcher.works


def test_a_device_that_fails_a_plain_pair_too_is_lost_and_nobody_waits_for_it() -> None:
    device = Device(max_batch_tokens=4, breaks_at=len("word"))
    batcher = Batcher(device, 100, Seen())
    for _ in range(3):
        assert batcher.works
        with pytest.raises(RuntimeError):
            scores(batcher.submit([pair(len("word"))]))
    with pytest.raises(Unavailable):
        scores(batcher.submit([pair(5)]))
    assert not batcher.works


def test_a_stop_answers_what_is_in_flight_and_refuses_what_waits() -> None:
    device = Device(max_batch_tokens=4)
    batcher = Batcher(device, 100, Seen())
    running = batcher.submit([pair(1, 4)])
    assert device.next_launch() == [1]
    behind = batcher.submit([pair(2, 4), pair(3, 4)])
    assert device.next_launch() == [2]
    waiting = batcher.submit([pair(4, 4)])
    assert not batcher.stop(0.01)  # the device holds a batch
    for job in (behind, waiting):
        with pytest.raises(Unavailable, match="scoring has ended here"):
            scores(job)
    with pytest.raises(Unavailable):
        batcher.submit([pair(5)])
    device.let_finish(2)
    assert scores(running) == [1]
    assert batcher.stop(WAIT_S)
