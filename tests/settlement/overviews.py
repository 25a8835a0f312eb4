"""Overviews of a chain on which all is well, but for what a test changes."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from indexer.chain.types import BlockNumber, Wei
from settlement.reporting.accounts import LowestNonce, SignerStanding
from settlement.reporting.overview import (
    IndexStanding,
    Overview,
    RunsStanding,
    StateStanding,
    Stopped,
)
from settlement.reporting.standing import Owner
from settlement.switches import Scope, Switch
from settlement.types import Nonce
from tests.settlement.builders import NOW
from tests.settlement.stored import CHAIN, NETWORK, SIGNER

INDEX = IndexStanding(BlockNumber(100), BlockNumber(100), BlockNumber(90), 0, 0, None)
ACCOUNT = SignerStanding(SIGNER, "active", None, Nonce(7), 0, None, None, Wei(24))
WELL = Overview(
    chain_id=CHAIN,
    network=NETWORK.name,
    as_of=NOW,
    requests=(),
    stopped=(),
    campaigns={},
    actions={},
    slots={},
    runs=RunsStanding(0, 0, 0, None),
    signers=(ACCOUNT,),
    switches=(),
    index=INDEX,
)


def account(**changes: Any) -> Overview:
    return replace(WELL, signers=(replace(ACCOUNT, **changes),))


def index(**changes: Any) -> Overview:
    return replace(WELL, index=replace(INDEX, **changes))


def lowest(age_s: int) -> LowestNonce:
    return LowestNonce(Nonce(6), "settle_payments", age_s, 3, "underpriced")


def waiting(state: Any, oldest_s: int) -> Overview:
    return replace(WELL, requests=(StateStanding(state, 4, oldest_s, ()),))


def stopped(owner: Owner, oldest_s: int) -> Overview:
    one = Stopped("payments", "blocked", "other", owner, 2, oldest_s, "odd", UUID("7" * 32))
    return replace(WELL, stopped=(one,))


def switched(scope: Scope, key: str) -> Overview:
    return replace(WELL, switches=(Switch(scope, key, True, "storm", "ana", NOW),))
