"""What a node gets wrong, and what becomes of the rows: a real chain behind the fault proxy.

Each test counts the rows that a sound node gives, those that stand while the fault lasts, and those
that stand afterwards. While it lasts rows may be missing, and then the ledger trusts nothing there;
none is ever false.
"""

from collections.abc import Callable, Iterator

import pytest

from indexer.backfill.ranges import Depth
from indexer.errors import ConfigurationError
from indexer.providers import truth_scores
from stack.fakes.chain_proxy.faults import Fault, Kind
from stack.postgres import EmbeddedPostgres
from tests.support.faulty_chain import (
    BLOCK_NUMBERS,
    BUSY_BLOCKS,
    EMPTY_BETWEEN,
    HISTORY_ROWS,
    NEVER,
    RECEIPTS,
    Bench,
    Indexer,
    Loss,
    Site,
    bench_of,
    require_equal,
    require_nothing_false,
    rows_lost,
    started_site,
)
from tests.support.indexing import CHAIN, NETWORK


@pytest.fixture(scope="module")
def history(
    tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres
) -> Iterator[tuple[Site, Indexer]]:
    """A chain that nobody adds to, and what a sound node says of it."""
    with started_site(tmp_path_factory.mktemp("history") / "anvil.log") as site:
        site.mine_busy(1, BUSY_BLOCKS)
        with bench_of(site, postgres) as bench:
            yield site, bench.sound()


@pytest.fixture
def bench(history: tuple[Site, Indexer], postgres: EmbeddedPostgres) -> Iterator[Bench]:
    with bench_of(history[0], postgres) as one:
        yield one


@pytest.fixture
def sound(history: tuple[Site, Indexer]) -> Indexer:
    return history[1]


@pytest.fixture(scope="module")
def live_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A chain that each test lengthens."""
    with started_site(tmp_path_factory.mktemp("live") / "anvil.log") as site:
        site.mine_busy(1, 2)
        yield site


@pytest.fixture(scope="module")
def other_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Another branch: the same contracts, other blocks."""
    with started_site(tmp_path_factory.mktemp("other") / "anvil.log") as site:
        site.mine_busy(50, 3)
        yield site


@pytest.fixture
def live(live_site: Site, postgres: EmbeddedPostgres) -> Iterator[Bench]:
    with bench_of(live_site, postgres, history_from=NEVER) as one:
        yield one


HISTORY: tuple[tuple[Fault, Depth, bool, Loss], ...] = (
    # Part of a block: its receipts tell, now where they are read, later where they are not.
    (Fault("drop_one_log"), "listed", True, "none"),
    (Fault("drop_one_log"), "checked", True, "some"),
    (Fault("drop_one_log", methods=RECEIPTS), "proven", False, "all"),
    # Whole blocks: the blooms tell, now where headers are read, later where they are not.
    (Fault("empty_answer"), "listed", True, "all"),
    (Fault("empty_answer"), "checked", True, "none"),
    (Fault("empty_answer", methods=RECEIPTS), "proven", False, "all"),
    (Fault("clamp_past_head", blocks=40), "listed", True, "some"),
    (Fault("clamp_past_head", blocks=40), "checked", True, "none"),
    (Fault("pruned_history", blocks=60, silently=True), "listed", True, "some"),
    (Fault("pruned_history", blocks=60, silently=True), "checked", False, "all"),
    # What contradicts itself is not believed.
    (Fault("duplicated_logs"), "checked", True, "none"),
    (Fault("reordered_logs"), "checked", True, "none"),
    # What does not answer is waited for.
    (Fault("lag", blocks=40), "checked", True, "some"),
    (Fault("pruned_history", blocks=60), "checked", False, "all"),
    (Fault("batch_refused"), "checked", True, "none"),
    (Fault("http_429", times=3), "checked", True, "none"),
    (Fault("timeout", times=2, seconds=0.05), "checked", True, "none"),
    (Fault("truncated_json", times=2), "checked", True, "none"),
)
"""A fault, how history is read, whether the indexer goes on meanwhile, and what is lost then."""


@pytest.mark.parametrize(
    ("fault", "depth", "goes_on", "loss"),
    HISTORY,
    ids=[f"{fault.kind}-{depth}-{number}" for number, (fault, depth, *_) in enumerate(HISTORY)],
)
def test_history_equals_a_fresh_index_when_a_node_errs(
    bench: Bench,
    sound: Indexer,
    record_property: Callable[[str, object], None],
    fault: Fault,
    depth: Depth,
    *,
    goes_on: bool,
    loss: Loss,
) -> None:
    faulty = bench.indexer([bench.proxy.url], depth)
    bench.proxy.faults.add(fault)
    assert faulty.follow() == goes_on
    assert bench.proxy.faults.struck[fault.kind] > 0
    during = faulty.rows()
    assert rows_lost(faulty, sound) == loss
    require_nothing_false(faulty, sound)

    bench.proxy.faults.clear()
    assert faulty.follow()
    faulty.idle()
    record_property("rows", f"sound {sound.rows()}, during {during}, after {faulty.rows()}")
    assert (sound.rows(), faulty.rows()) == (HISTORY_ROWS, HISTORY_ROWS)
    require_equal(faulty, sound)


@pytest.mark.parametrize("depth", ["listed", "checked"])
def test_history_equals_a_fresh_index_when_a_node_mixes_forks(
    bench: Bench, sound: Indexer, other_chain: Site, depth: Depth
) -> None:
    faulty = bench.indexer([bench.proxy.url], depth)
    bench.proxy.faults.add(
        Fault("mixed_forks", methods=("eth_getLogs",), target_url=other_chain.anvil.url)
    )
    faulty.follow()
    assert bench.proxy.faults.struck["mixed_forks"] > 0
    require_nothing_false(faulty, sound)
    bench.proxy.faults.clear()
    assert faulty.follow()
    faulty.idle()
    assert rows_lost(faulty, sound) == "none"
    require_equal(faulty, sound)


@pytest.mark.parametrize(
    ("fault", "depth"),
    [
        (Fault("drop_one_log"), "checked"),
        (Fault("empty_answer"), "listed"),
        (Fault("clamp_past_head", blocks=40), "listed"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else value,
)
def test_loss_is_found_by_the_second_node_while_the_first_goes_on_lying(
    bench: Bench, sound: Indexer, fault: Fault, depth: Depth
) -> None:
    """The fault is never mended: what only the liar said is compared, then read from receipts."""
    faulty = bench.indexer([bench.proxy.url, bench.site.anvil.url], depth)
    bench.proxy.faults.add(fault)
    assert faulty.follow()
    assert rows_lost(faulty, sound) != "none"
    require_nothing_false(faulty, sound)

    faulty.idle(history="checked")
    assert rows_lost(faulty, sound) == "none"
    require_equal(faulty, sound)
    with faulty.engine.connect() as connection:
        scores = {one.provider: one.score for one in truth_scores(connection, CHAIN)}
    liar, honest = faulty.reader.providers
    assert scores[liar] < scores.get(honest, 1.0)


def test_nothing_is_written_when_a_node_serves_another_chain(bench: Bench, sound: Indexer) -> None:
    faulty = bench.indexer([bench.proxy.url], "checked")
    fault = bench.proxy.faults.add(Fault("other_chain_id", chain_id=137))
    with pytest.raises(ConfigurationError, match="serves chain 137"):
        faulty.reader.require_network(NETWORK)
    with pytest.raises(ConfigurationError):
        faulty.follow()
    assert (faulty.rows(), sound.rows() > 0) == (0, True)
    bench.proxy.faults.remove(fault)
    assert faulty.follow()
    faulty.idle()
    require_equal(faulty, sound)


TIP: tuple[tuple[Fault, bool, Loss], ...] = (
    (Fault("drop_one_log", methods=RECEIPTS), False, "some"),
    (Fault("empty_answer", methods=RECEIPTS), False, "some"),
    (Fault("duplicated_logs", methods=RECEIPTS), False, "some"),
    (Fault("pruned_history", methods=RECEIPTS, blocks=10**6, silently=True), False, "some"),
    (Fault("lag", blocks=EMPTY_BETWEEN + 1), True, "some"),
    (Fault("batch_refused"), True, "none"),
    (Fault("http_429", times=2), True, "none"),
    (Fault("timeout", times=2, seconds=0.05), True, "none"),
    (Fault("truncated_json", times=2), True, "none"),
)
"""A fault at the tip, whether the indexer goes on meanwhile, and what of the new rows is lost."""


@pytest.mark.parametrize(("fault", "goes_on", "loss"), TIP, ids=[fault.kind for fault, *_ in TIP])
def test_tip_equals_a_fresh_index_when_the_only_node_errs(
    live: Bench, fault: Fault, *, goes_on: bool, loss: Loss
) -> None:
    faulty = live.indexer([live.proxy.url], "proven")
    assert faulty.follow()
    before = faulty.rows()
    live.proxy.faults.add(fault)
    live.site.mine_busy(next(BLOCK_NUMBERS), 1)
    sound = live.sound()
    assert faulty.follow() == goes_on
    assert live.proxy.faults.struck[fault.kind] > 0
    assert rows_lost(faulty, sound) == loss
    assert faulty.rows() == (sound.rows() if loss == "none" else before)
    require_nothing_false(faulty, sound)

    live.proxy.faults.clear()
    assert faulty.follow()
    require_equal(faulty, sound)


@pytest.mark.parametrize("kind", ["drop_one_log", "empty_answer"])
def test_tip_goes_on_through_the_second_node_when_the_first_lies(live: Bench, kind: Kind) -> None:
    faulty = live.indexer([live.proxy.url, live.site.anvil.url], "proven")
    assert faulty.follow()
    live.proxy.faults.add(Fault(kind, methods=RECEIPTS))
    before = faulty.rows()
    live.site.mine_busy(next(BLOCK_NUMBERS), 1)
    sound = live.sound()
    assert faulty.follow()
    assert (before < sound.rows(), faulty.rows()) == (True, sound.rows())
    require_equal(faulty, sound)


def test_tip_is_not_believed_when_receipts_come_from_another_fork(
    live: Bench, other_chain: Site
) -> None:
    faulty = live.indexer([live.proxy.url], "proven")
    assert faulty.follow()
    before = faulty.rows()
    live.proxy.faults.add(Fault("mixed_forks", methods=RECEIPTS, target_url=other_chain.anvil.url))
    live.site.mine_busy(next(BLOCK_NUMBERS), 1)
    sound = live.sound()
    assert not faulty.follow()
    assert faulty.rows() == before < sound.rows()
    live.proxy.faults.clear()
    assert faulty.follow()
    require_equal(faulty, sound)
