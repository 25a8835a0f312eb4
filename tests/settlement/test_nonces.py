import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from indexer.chain.types import Address, ChainId
from settlement.nonces import Plan, StaleSeal, lock_signer, open_signer, quarantine, seal
from settlement.record_tables import actions
from settlement.tables import batch_items, batches, nonce_slots, requests, signers
from settlement.types import BatchKind, Nonce
from tests.settlement.builders import HASH, NOW, TOKEN, TREASURY

CHAIN = ChainId(31337)
SENDER = Address(b"\x0a" * 20)
FIRST = 40


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    opened = engine_as("settlement")
    with opened.begin() as connection:
        open_signer(connection, chain_id=CHAIN, address=SENDER, chain_nonce=Nonce(FIRST))
    return opened


def ready_request(engine: Engine) -> uuid.UUID:
    request_id = uuid.uuid4()
    with engine.begin() as connection:
        connection.execute(
            insert(requests).values(
                request_id=request_id,
                root_id=request_id,
                chain_id=CHAIN,
                treasury=TREASURY,
                pledge_id=uuid.uuid4(),
                generation=0,
                payment_id=request_id.bytes * 2,
                buyer_commitment=HASH,
                item_id=HASH,
                token=TOKEN,
                amount_base_units=1,
                captured_at=NOW,
            )
        )
    return request_id


def seal_one(engine: Engine, *request_ids: uuid.UUID, kind: BatchKind = "create_payments") -> bool:
    plan = Plan(
        kind=kind,
        target=TREASURY,
        treasury=TREASURY,
        calldata=b"",
        gas_limit=21_000,
        request_ids=request_ids,
    )
    try:
        with engine.begin() as connection:
            seal(connection, lock_signer(connection, chain_id=CHAIN, address=SENDER), plan)
    except (StaleSeal, IntegrityError):
        return False
    return True


def test_nonces_stay_dense_when_many_seal_at_once_and_some_fail(engine: Engine) -> None:
    """Survives: sealers that race for the same payment; only one batch gets it, none a gap."""
    contested = [ready_request(engine) for _ in range(6)]
    start = Barrier(8)

    def sealer(_number: int) -> int:
        start.wait()
        return sum(seal_one(engine, request_id) for request_id in contested)

    with ThreadPoolExecutor(8) as pool:
        sealed = sum(pool.map(sealer, range(8)))
    with engine.connect() as connection:
        nonces = list(
            connection.execute(select(nonce_slots.c.nonce).order_by(nonce_slots.c.nonce)).scalars()
        )
        next_nonce = connection.execute(select(signers.c.next_nonce)).scalar_one()
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (batches, batch_items)
        ]
    assert sealed == len(contested)
    assert nonces == list(range(FIRST, FIRST + len(contested)))
    assert next_nonce == FIRST + len(contested)
    assert counts == [len(contested), len(contested)]


def test_sealers_take_turns_so_that_none_is_refused_a_nonce(engine: Engine) -> None:
    """Survives: two sealers that read the same next nonce."""
    own = [ready_request(engine) for _ in range(8)]
    start = Barrier(len(own))

    def sealer(request_id: uuid.UUID) -> bool:
        start.wait()
        return seal_one(engine, request_id)

    with ThreadPoolExecutor(len(own)) as pool:
        assert all(pool.map(sealer, own))


@pytest.mark.parametrize(
    ("under_way", "next_kind", "may"),
    [
        ("create_payments", "create_payments", False),
        ("create_payments", "confirm_payments", True),
        ("create_payments", "settle_payments", False),
        ("confirm_payments", "create_payments", True),
        ("confirm_payments", "confirm_payments", False),
        ("confirm_payments", "settle_payments", False),
        ("settle_payments", "create_payments", False),
        ("settle_payments", "confirm_payments", False),
        ("settle_payments", "settle_payments", False),
    ],
)
def test_payment_is_created_once_and_confirmed_once_whatever_its_state_says(
    engine: Engine, under_way: BatchKind, next_kind: BatchKind, *, may: bool
) -> None:
    """Survives: a wrong move back to ready while the first transaction may still be mined."""
    request_id = ready_request(engine)
    assert seal_one(engine, request_id, kind=under_way)
    with engine.begin() as connection:
        connection.execute(requests.update().values(state="ready"))
    assert seal_one(engine, request_id, kind=next_kind) == may
    if not may:
        with engine.begin() as connection:
            connection.execute(batch_items.update().values(released_at=func.now()))
        assert seal_one(engine, request_id, kind=next_kind)


def test_batch_is_all_or_nothing_when_one_of_its_payments_is_no_longer_ready(
    engine: Engine,
) -> None:
    taken, free = ready_request(engine), ready_request(engine)
    assert seal_one(engine, taken)
    assert not seal_one(engine, free, taken)
    assert seal_one(engine, free)


def test_open_signer_keeps_what_is_known_when_the_chain_lags(engine: Engine) -> None:
    assert seal_one(engine, ready_request(engine))
    with engine.begin() as connection:
        open_signer(connection, chain_id=CHAIN, address=SENDER, chain_nonce=Nonce(FIRST))
        signer = lock_signer(connection, chain_id=CHAIN, address=SENDER)
    assert signer.next_nonce == FIRST + 1
    assert signer.in_flight == 1


def test_quarantine_keeps_the_first_reason(engine: Engine) -> None:
    with engine.begin() as connection:
        for reason in ("first", "second"):
            quarantine(connection, chain_id=CHAIN, address=SENDER, reason=reason)
        row = connection.execute(select(signers)).one()
    assert (row.mode, row.mode_reason) == ("quarantine", "first")


@pytest.mark.parametrize(("state", "may"), [("requested", False), ("done", False), ("void", True)])
def test_payment_that_is_asked_back_is_not_sealed(engine: Engine, state: str, *, may: bool) -> None:
    """Survives: its refund is asked for after a batch was planned with it."""
    asked, other = ready_request(engine), ready_request(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(actions).values(
                action_id=uuid.uuid4(),
                chain_id=CHAIN,
                kind="refund",
                treasury=TREASURY,
                request_id=asked,
                requested_by="off-chain: disputed",
                state=state,
            )
        )
    assert seal_one(engine, asked) == may
    assert seal_one(engine, other)
