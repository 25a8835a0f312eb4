"""What readers see while the indexer restarts and reads history."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

from indexer.follow import Follower
from tests.support.fake_chain import FakeChain
from tests.support.indexing import catch_up, follower_of, mine_payments, mine_treasury


@contextmanager
def watching(engine: Engine) -> Iterator[list[tuple[int, int]]]:
    """Read the indexed mark and the number of payments in one snapshot, again and again."""
    seen: list[tuple[int, int]] = []
    over = threading.Event()
    query = text(
        "SELECT coalesce(max(indexed_number), 0) AS indexed,"
        " (SELECT count(*) FROM chain.payments_latest) AS payments FROM chain.marks"
    )

    def watch() -> None:
        with engine.connect() as connection:
            while not over.is_set():
                row = connection.execute(query).one()
                connection.rollback()
                if not seen or seen[-1] != (row.indexed, row.payments):
                    seen.append((row.indexed, row.payments))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join(30)


def test_no_row_goes_backwards_for_readers_through_restarts_and_a_backfill(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    with watching(engine) as seen:
        for number in range(4):
            mine_payments(chain, 30, first=100 * number)
            follower = follower_of(engine, chain, header_scan_blocks_max=5 if number % 2 else 50)
            stepped_to_the_middle(follower)  # and is killed
            catch_up(follower_of(engine, chain, header_scan_blocks_max=5))
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert all(payments == max(indexed - 1, 0) for indexed, payments in seen)
    assert seen[-1] == (121, 120)


def stepped_to_the_middle(follower: Follower) -> None:
    for _ in range(2):
        follower.step()
