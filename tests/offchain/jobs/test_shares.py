"""Files and money share workers, or have workers of their own: neither keeps the other waiting."""

import itertools
from collections.abc import Iterator
from uuid import UUID

import pytest
import redis
from pydantic import ValidationError
from rq import Queue

from offchain.inbox.store import InboxId
from offchain.jobs.bell import BELLS, FAILURE_LIFE_S, FILE_BELLS, Bell, open_redis, tick_queue
from offchain.jobs.sweeps.registry import MEDIA_SWEEPS, SWEEPS
from offchain.jobs.worker import make_worker
from offchain.settings import WorkerQueues, WorkerSettings
from stack.valkey import EmbeddedValkey
from tests.support.offchain import environment

DATABASE = 11
"""Of the shared Valkey: no other test's worker hears these queues."""
MEDIA = frozenset({FILE_BELLS, *map(tick_queue, MEDIA_SWEEPS)})
MONEY = frozenset({BELLS, *(tick_queue(name) for name in SWEEPS if name not in MEDIA_SWEEPS)})

_served: list[str] = []


def serve(queue: str) -> None:
    """A job that says whose turn it was."""
    _served.append(queue)


@pytest.fixture
def client(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    with open_redis(f"{valkey.url.rstrip('/').removesuffix('/0')}/{DATABASE}") as opened:
        opened.flushdb()
        _served.clear()
        yield opened
        opened.flushdb()


def fill(client: redis.Redis, *, jobs: int) -> None:
    for name in MONEY | MEDIA:
        queue = Queue(name, connection=client)
        for _ in range(jobs):
            queue.enqueue(serve, name, result_ttl=0, failure_ttl=FAILURE_LIFE_S)


def test_every_queue_of_money_is_served_between_two_turns_of_files(client: redis.Redis) -> None:
    fill(client, jobs=5)
    rounds = 4
    make_worker(client).work(
        burst=True, max_jobs=rounds * (len(MONEY) + 1), logging_level="WARNING"
    )
    turns = [place for place, name in enumerate(_served) if name in MEDIA]
    assert {_served[place] for place in turns} == MEDIA, "each queue of files had its turn"
    assert len(turns) == rounds
    for earlier, later in itertools.pairwise(turns):
        assert set(_served[earlier + 1 : later]) == MONEY


@pytest.mark.parametrize(
    ("queues", "served"), [("all", MONEY | MEDIA), ("money", MONEY), ("media", MEDIA)]
)
def test_worker_serves_the_queues_that_it_was_given(
    client: redis.Redis, queues: WorkerQueues, served: frozenset[str]
) -> None:
    fill(client, jobs=1)
    make_worker(client, queues).work(burst=True, logging_level="WARNING")
    assert set(_served) == served
    assert len(_served) == len(served)


def test_bells_of_files_and_of_money_hang_apart(client: redis.Redis) -> None:
    bell = Bell(client)
    bell.ring(InboxId(1))
    bell.ring_file(UUID(int=7))
    assert [Queue(name, connection=client).count for name in (BELLS, FILE_BELLS)] == [1, 1]


def test_queues_of_a_worker_are_a_setting(database_url: str, valkey: EmbeddedValkey) -> None:
    given = environment(database_url, valkey.url)
    assert WorkerSettings.model_validate(given).worker_queues == "all"
    media = WorkerSettings.model_validate(given | {"LASTRO_WORKER_QUEUES": "media"})
    assert media.worker_queues == "media"
    with pytest.raises(ValidationError, match="LASTRO_WORKER_QUEUES"):
        WorkerSettings.model_validate(given | {"LASTRO_WORKER_QUEUES": "none"})
