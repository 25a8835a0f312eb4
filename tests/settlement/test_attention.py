from dataclasses import replace

import pytest

from indexer.chain.types import Address, Wei
from indexer.lag import LAG_BLOCKS_MAX, silence_max
from settlement.reporting.accounts import with_balance
from settlement.reporting.attention import (
    MENDING_S,
    RUNWAY_MIN_H,
    STUCK_S,
    WAITING_S,
    needing_a_person,
    unready_because,
)
from settlement.reporting.overview import Overview
from settlement.switches import GLOBAL_KEY, account_key, chain_key
from tests.settlement.builders import TREASURY
from tests.settlement.overviews import (
    ACCOUNT,
    WELL,
    account,
    index,
    lowest,
    stopped,
    switched,
    waiting,
)
from tests.settlement.stored import CHAIN, NETWORK, SIGNER

SILENCE_S = int(silence_max(NETWORK.block_time_s).total_seconds())


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (WELL, None),
        (replace(WELL, signers=(), index=None), None),
        (replace(WELL, index=None), "nothing is indexed"),
        (index(indexed=None), "nothing is indexed"),
        (index(degraded_reason="block 5 changed"), "the indexer has halted: block 5 changed"),
        (index(lag_blocks=LAG_BLOCKS_MAX), None),
        (index(lag_blocks=LAG_BLOCKS_MAX + 1), "61 blocks behind"),
        (index(seen_s=SILENCE_S), None),
        (index(seen_s=SILENCE_S + 1), "not seen the head for 61 s"),
        (account(mode="quarantine", mode_reason="foreign"), "is quarantined: foreign"),
        (account(lowest=lowest(STUCK_S)), None),
        (
            account(lowest=lowest(STUCK_S + 1)),
            "nonce 6 (settle_payments) is not mined after 301 s and 3 attempts; the node's last",
        ),
        (account(runway_h=RUNWAY_MIN_H), None),
        (account(runway_h=RUNWAY_MIN_H - 0.1), "has coins for 23.9 hours"),
        (waiting("ready", WAITING_S), None),
        (waiting("ready", WAITING_S + 1), "4 payments are ready, the oldest for 901 s"),
        (waiting("included", WAITING_S + 1), None),
        (stopped("campaign desk", 1), "2 payments blocked (other), the oldest asked for 1 s ago"),
        (stopped("settlement process", MENDING_S), None),
        (stopped("settlement process", MENDING_S + 1), "the settlement on-call must act"),
        (switched("global", GLOBAL_KEY), "global is stopped by ana: storm"),
        (switched("gateway", "crowdsplit"), "gateway crowdsplit is stopped by ana: storm"),
    ],
)
def test_person_is_needed_where_nothing_mends_itself(seen: Overview, words: str | None) -> None:
    found = needing_a_person(seen)
    assert len(found) == (words is not None)
    assert all((words or "") in one for one in found)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (WELL, None),
        (replace(WELL, signers=()), "the signer has not started yet"),
        (account(mode="quarantine", mode_reason="foreign"), "the signer is quarantined: foreign"),
        (switched("global", GLOBAL_KEY), "stopped by ana: storm"),
        (switched("chain", chain_key(CHAIN)), "stopped by ana: storm"),
        (switched("signer", account_key(CHAIN, SIGNER)), "stopped by ana: storm"),
        (switched("signer", account_key(CHAIN, Address(b"\x0b" * 20))), None),
        (switched("treasury", account_key(CHAIN, TREASURY)), None),
        (switched("gateway", "crowdsplit"), None),
        (index(degraded_reason="block 5 changed"), "the indexer has halted: block 5 changed"),
        (account(lowest=lowest(STUCK_S + 1)), None),
    ],
)
def test_lane_is_unready_while_it_seals_nothing(seen: Overview, reason: str | None) -> None:
    assert unready_because(seen, SIGNER) == reason


@pytest.mark.parametrize(
    ("balance", "spent", "hours"), [(48, 24, 48.0), (0, 24, 0.0), (5, 0, None)]
)
def test_balance_brings_the_runway(balance: int, spent: int, hours: float | None) -> None:
    found = with_balance(replace(ACCOUNT, gas_spent_24h_wei=Wei(spent)), Wei(balance))
    assert (found.balance_wei, found.runway_h) == (balance, hours)
    wallet = replace(ACCOUNT, is_wallet=True, gas_spent_24h_wei=Wei(spent))
    assert with_balance(wallet, Wei(balance)).runway_h is None
