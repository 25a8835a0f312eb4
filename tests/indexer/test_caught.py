"""A provider whose answer at the tip was not believed, and what it said before."""

import pytest
from sqlalchemy import Engine, update

from indexer.backfill.ranges import FalseAnswer
from indexer.caught import doubt, finding_of
from indexer.chain.rpc import ChainReader
from indexer.chain.types import BlockNumber
from indexer.errors import ChainContradiction, Lagging
from indexer.events import FILTER_ID
from indexer.finality import Disagreement
from indexer.follow import Follower
from indexer.ledger import holes
from indexer.metrics import IndexerMetrics
from indexer.providers import truth_scores
from indexer.tables import provider_findings, ranges
from indexer.verify import UnprovableHeader
from stack.anvil import Anvil
from stack.fakes.chain_proxy.faults import Fault
from stack.fakes.chain_proxy.proxy import running_proxy
from tests.support.echo import ECHO_CODE, deploy, emit
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    CHAIN,
    NETWORK,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    mine_empty,
    mine_treasury,
    rows_of,
)
from tests.support.protocol_logs import deployment, payment_created


def take_word_of(engine: Engine, provider: str) -> None:
    """Let everything that was read rest on one provider's word."""
    with engine.begin() as connection:
        connection.execute(update(ranges).values(state="fetched", provider=provider))


def holes_of(engine: Engine, high: int) -> list[tuple[int, int]]:
    with engine.connect() as connection:
        return list(holes(connection, CHAIN, FILTER_ID, BlockNumber(1), BlockNumber(high)))


def test_what_a_liar_said_is_read_again_when_it_is_caught_at_the_tip(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    catch_up(follower)
    take_word_of(engine, "fake")
    chain.mine([payment_created(TREASURY, PAYMENT)])
    chain.drops_log_from_receipts = True
    with pytest.raises(ChainContradiction) as caught:
        follower.step()
    assert holes_of(engine, 1) == []
    follower.recover(caught.value)
    assert holes_of(engine, 1) == [(1, 1)]
    assert chain.charged == [("fake", "contradiction")]
    (finding,) = rows_of(engine, provider_findings)
    assert (finding["provider"], finding["kind"]) == ("fake", "contradiction")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(Lagging("behind"), "lagging"), (UnprovableHeader("a new kind"), "unprovable")],
)
def test_nothing_is_taken_back_when_an_answer_is_late_or_of_a_kind_nobody_can_prove(
    engine: Engine, chain: FakeChain, failure: ChainContradiction, kind: str
) -> None:
    mine_treasury(chain)
    catch_up(follower_of(engine, chain))
    take_word_of(engine, "fake")
    doubt(engine, chain, CHAIN, failure)
    assert [row["kind"] for row in rows_of(engine, provider_findings)] == [kind]
    assert holes_of(engine, 1) == []
    assert (chain.charged, chain.distrusted) == ([], 1)


@pytest.mark.parametrize(
    "failure", [Disagreement("two differ"), FalseAnswer("fake", "was charged by who read history")]
)
def test_nobody_is_charged_when_nothing_is_decided_or_it_was_done(
    engine: Engine, chain: FakeChain, failure: Exception
) -> None:
    doubt(engine, chain, CHAIN, failure)
    assert rows_of(engine, provider_findings) == []
    assert (chain.charged, chain.distrusted) == ([], 1)


def test_an_answer_that_fits_no_hash_is_a_lie() -> None:
    assert finding_of(ChainContradiction("another root")) == "contradiction"


def test_node_that_moved_while_it_was_read_is_no_liar(engine: Engine, chain: FakeChain) -> None:
    """An honest node reorganizes between two of our questions."""
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    catch_up(follower)
    mine_empty(chain, 3)
    before = list(chain.blocks)
    chain.fork(2)
    mine_empty(chain, 2)
    chain.blocks = [*before[:-1], chain.blocks[-1]]
    with pytest.raises(Lagging, match="the chain moved while it was read") as caught:
        follower.step()
    follower.recover(caught.value)
    assert chain.charged == []


def test_real_liar_at_the_tip_is_named_and_counted_when_the_one_to_ask_first_was_silent(
    anvil: Anvil, engine: Engine
) -> None:
    """A charged node is asked last, and lies when its turn comes: the silent one said nothing."""
    campaign_factory, treasury_factory, treasury = (deploy(anvil, ECHO_CODE) for _ in range(3))
    metrics = IndexerMetrics(engine, NETWORK)
    with running_proxy(anvil.url) as silent, running_proxy(anvil.url) as liar:
        reader = ChainReader([silent.url, liar.url], observer=metrics)
        metrics.expect(reader.providers)
        genesis = reader.block_by_number(BlockNumber(0))
        assert genesis is not None
        template = deployment(genesis.hash)
        record = template.model_copy(
            update={
                "contracts": template.contracts.model_copy(
                    update={
                        "campaign_info_factory": campaign_factory,
                        "treasury_factory": treasury_factory,
                    }
                )
            }
        )
        follower = Follower(engine, reader, network=NETWORK, deployment=record)
        follower.start()
        catch_up(follower)
        emit(anvil, payment_created(treasury, PAYMENT))
        reader.charge(liar.url, "logs_missing")
        silent.faults.add(Fault("http_429", seconds=60))
        liar.faults.add(Fault("drop_one_log", methods=("eth_getLogs", "eth_getBlockReceipts")))
        with pytest.raises(ChainContradiction) as caught:
            follower.step()
        follower.recover(caught.value)
        counted = metrics.render().decode()
        name = "lastro_indexer_checks_failed_total"
        labels = 'kind="contradiction",network="celo-local",provider='
        assert f'{name}{{{labels}"{liar.url}"}} 1.0' in counted
        assert f'{name}{{{labels}"{silent.url}"}} 0.0' in counted
        with engine.connect() as connection:
            scores = {one.provider: one.score for one in truth_scores(connection, CHAIN)}
        assert scores[liar.url] < 0.55
        assert scores.get(silent.url, 1.0) == 1.0
        reader.close()
