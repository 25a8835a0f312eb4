import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.types import BlockNumber
from indexer.errors import ChainContradiction
from indexer.headers import Duplicate, Extend, Gap, Reorg, require_linked, standing
from tests.support.fake_chain import FakeChain


def chain_of(height: int) -> FakeChain:
    chain = FakeChain()
    for _ in range(height):
        chain.mine()
    return chain


@given(tip=st.integers(0, 8), asked=st.integers(0, 12), fork=st.integers(0, 13))
def test_standing_follows_from_height_and_fork_point(tip: int, asked: int, fork: int) -> None:
    """Our blocks up to ``tip``; the node's chain of 12 differs from ours from ``fork`` on."""
    ours, theirs = chain_of(12), chain_of(12)
    if 0 < fork <= 12:
        theirs.fork(13 - fork)
        while theirs.height < 12:
            theirs.mine()
    differs = fork if 0 < fork <= 12 else 13
    stored = {BlockNumber(n): ours.blocks[n].header.hash for n in range(tip + 1)}

    found = standing(theirs.blocks[asked].header, tip_number=BlockNumber(tip), stored=stored)

    if asked > tip + 1:
        assert found == Gap(BlockNumber(tip + 1))
    elif asked == tip + 1:
        assert found == (Reorg(BlockNumber(tip)) if differs <= tip else Extend())
    else:
        assert found == (Reorg(BlockNumber(asked)) if differs <= asked else Duplicate())


def test_standing_is_duplicate_when_the_height_is_no_longer_stored() -> None:
    chain = chain_of(5)
    stored = {BlockNumber(5): chain.head.hash}
    found = standing(chain.blocks[2].header, tip_number=BlockNumber(5), stored=stored)
    assert found == Duplicate()


def test_require_linked_refuses_when_a_block_is_skipped() -> None:
    headers = [block.header for block in chain_of(4).blocks]
    require_linked(headers[0].hash, headers[1:])
    with pytest.raises(ChainContradiction, match="block 3 does not follow"):
        require_linked(headers[0].hash, [headers[1], headers[3]])
