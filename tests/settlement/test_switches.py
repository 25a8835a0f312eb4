from collections.abc import Collection

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from indexer.chain.types import Address, ChainId, to_checksum
from settlement.nonces import lock_signer
from settlement.record_tables import switches
from settlement.switches import (
    GLOBAL_KEY,
    Scope,
    Stops,
    Switch,
    account_key,
    all_switches,
    chain_key,
    concerns,
    set_switch,
    stopping,
)
from settlement.tables import requests
from tests.settlement.builders import NOW, TREASURY
from tests.settlement.stored import CHAIN, SIGNER, Store

OTHER_CHAIN = ChainId(31338)
OTHER = Address(b"\x0b" * 20)
OPEN = Stops(lane=None, treasuries=frozenset(), gateways=frozenset())


def turn(store: Store, scope: Scope, key: str, *, stopped: bool, by: str = "ana") -> bool:
    with store.engine.begin() as connection:
        return set_switch(connection, scope, key, stopped=stopped, reason="storm", set_by=by)


def stops(store: Store, chain_id: ChainId = CHAIN, signer: Address = SIGNER) -> Stops:
    with store.engine.connect() as connection:
        return stopping(connection, chain_id=chain_id, signer=signer)


@pytest.mark.parametrize(
    ("scope", "key", "words", "elsewhere"),
    [
        ("global", GLOBAL_KEY, "everything is stopped: storm", True),
        ("chain", chain_key(CHAIN), "the chain is stopped: storm", False),
        ("signer", account_key(CHAIN, SIGNER), "the signer is stopped: storm", False),
        ("signer", account_key(CHAIN, OTHER), None, False),
        ("chain", chain_key(OTHER_CHAIN), None, True),
    ],
)
def test_lane_stops_by_its_own_switches_alone(
    store: Store,
    scope: Scope,
    key: str,
    words: str | None,
    elsewhere: bool,  # noqa: FBT001
) -> None:
    assert stops(store) == OPEN
    assert turn(store, scope, key, stopped=True)
    assert stops(store).lane == words
    assert (stops(store, OTHER_CHAIN, OTHER).lane is not None) == elsewhere
    assert turn(store, scope, key, stopped=False)
    assert stops(store) == OPEN


def test_treasuries_and_gateways_stop_beside_the_lane(store: Store) -> None:
    turn(store, "treasury", account_key(CHAIN, TREASURY), stopped=True)
    turn(store, "treasury", account_key(OTHER_CHAIN, OTHER), stopped=True)
    turn(store, "gateway", "crowdsplit", stopped=True)
    assert stops(store) == Stops(None, frozenset({TREASURY}), frozenset({"crowdsplit"}))
    assert stops(store, OTHER_CHAIN).treasuries == frozenset({OTHER})


@pytest.mark.parametrize(
    ("found", "treasury", "gateways", "refusal"),
    [
        (OPEN, TREASURY, {"crowdsplit"}, None),
        (Stops("storm", frozenset(), frozenset()), None, (), "storm"),
        (
            Stops(None, frozenset({TREASURY}), frozenset()),
            TREASURY,
            (),
            f"treasury {to_checksum(TREASURY)} is stopped",
        ),
        (Stops(None, frozenset({TREASURY}), frozenset()), None, (), None),
        (
            Stops(None, frozenset(), frozenset({"a", "b"})),
            OTHER,
            {"b", "c"},
            "gateway b is stopped",
        ),
        (Stops(None, frozenset(), frozenset({"a", "b"})), OTHER, {"c"}, None),
    ],
)
def test_refusal_names_what_stops_a_plan(
    found: Stops, treasury: Address | None, gateways: Collection[str], refusal: str | None
) -> None:
    assert found.refusal(treasury=treasury, gateways=gateways) == refusal


def test_requests_are_admitted_unless_their_treasury_or_gateway_is_stopped(store: Store) -> None:
    silent = store.request()
    named = store.request(gateway="crowdsplit")
    elsewhere = store.request(treasury=OTHER, gateway="other")

    def admitted(found: Stops) -> set[object]:
        with store.engine.connect() as connection:
            query = select(requests.c.request_id).where(found.admits())
            return set(connection.execute(query).scalars())

    assert admitted(OPEN) == {silent, named, elsewhere}
    assert admitted(Stops(None, frozenset({TREASURY}), frozenset())) == {elsewhere}
    assert admitted(Stops(None, frozenset(), frozenset({"crowdsplit"}))) == {silent, elsewhere}


def test_first_who_stops_is_kept_and_only_what_stopped_goes_on(store: Store) -> None:
    assert not turn(store, "global", GLOBAL_KEY, stopped=False), "it never stopped"
    assert turn(store, "global", GLOBAL_KEY, stopped=True, by="ana")
    assert not turn(store, "global", GLOBAL_KEY, stopped=True, by="bia")
    assert [one.set_by for one in store.rows(switches)] == ["ana"]
    assert turn(store, "global", GLOBAL_KEY, stopped=False, by="bia")
    assert not turn(store, "global", GLOBAL_KEY, stopped=False, by="ana")
    with store.engine.connect() as connection:
        (known,) = all_switches(connection)
    assert (known.is_stopped, known.set_by) == (False, "bia")


def test_setting_a_switch_is_logged_once(store: Store) -> None:
    with capture_logs() as logs:
        turn(store, "gateway", "crowdsplit", stopped=True)
        turn(store, "gateway", "crowdsplit", stopped=True)
    assert [(line["event"], line["stopped"], line["set_by"]) for line in logs] == [
        ("switch_set", True, "ana")
    ]


def test_stop_waits_until_the_seal_under_way_has_ended(store: Store) -> None:
    """Survives: a seal that read the switches just before one of them was set."""
    store.signer()
    with store.engine.begin() as sealing, store.engine.connect() as stopping_it:
        lock_signer(sealing, chain_id=CHAIN, address=SIGNER)
        stopping_it.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            set_switch(
                stopping_it, "global", GLOBAL_KEY, stopped=True, reason="storm", set_by="ana"
            )
    assert turn(store, "global", GLOBAL_KEY, stopped=True)


def test_going_on_waits_for_nobody(store: Store) -> None:
    store.signer()
    turn(store, "global", GLOBAL_KEY, stopped=True)
    with store.engine.begin() as sealing:
        lock_signer(sealing, chain_id=CHAIN, address=SIGNER)
        assert turn(store, "global", GLOBAL_KEY, stopped=False)


@pytest.mark.parametrize(
    ("scope", "key", "is_ours"),
    [
        ("global", GLOBAL_KEY, True),
        ("gateway", "crowdsplit", True),
        ("chain", chain_key(CHAIN), True),
        ("chain", chain_key(OTHER_CHAIN), False),
        ("signer", account_key(CHAIN, SIGNER), True),
        ("treasury", account_key(OTHER_CHAIN, TREASURY), False),
        ("chain", f"{CHAIN}0", False),
    ],
)
def test_concerns_a_chain_by_its_key(scope: Scope, key: str, is_ours: bool) -> None:  # noqa: FBT001
    assert concerns(Switch(scope, key, True, "storm", "ana", NOW), CHAIN) == is_ours
