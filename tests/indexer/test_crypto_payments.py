"""An id that the platform and a buyer used: each payment keeps its own state, as on-chain."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from indexer.chain.types import Address, PaymentId, to_hex
from indexer.payment_keys import crypto_key
from indexer.queries import payments_by_id
from tests.support.fake_blocks import FakeLog
from tests.support.fake_chain import FakeChain
from tests.support.fresh_index import new_network
from tests.support.indexing import (
    CHAIN,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    follower_on,
    forget_all,
    mine_empty,
    mine_treasury,
    present_of,
    state_of,
)
from tests.support.protocol_logs import (
    address,
    batch_confirmed,
    payment_cancelled,
    payment_confirmed,
    payment_created,
    refund_claimed,
    settled,
)

BUYER, OTHER_BUYER = address("buyer"), address("other buyer")
KEY, OTHER_KEY = crypto_key(PAYMENT, BUYER), crypto_key(PAYMENT, OTHER_BUYER)
OWN = 10**18
"""Base units of the platform's payment; of a crypto payment, one."""

Transaction = Sequence[FakeLog]
Found = tuple[str, int, int]
"""State, life, amount."""


def paid(payment_id: PaymentId = PAYMENT, buyer: Address = BUYER) -> Transaction:
    return [payment_created(TREASURY, payment_id, amount=1, is_crypto=True, buyer=buyer)]


CREATED: Transaction = [payment_created(TREASURY, PAYMENT)]
CONFIRMED: Transaction = [payment_confirmed(TREASURY, PAYMENT)]
BATCH_CONFIRMED: Transaction = [batch_confirmed(TREASURY, PAYMENT)]
CANCELLED: Transaction = [payment_cancelled(TREASURY, PAYMENT)]
SETTLED: Transaction = settled(TREASURY, PAYMENT)
REFUNDED: Transaction = [refund_claimed(TREASURY, PAYMENT)]
KEY_REFUNDED: Transaction = [refund_claimed(TREASURY, KEY)]

ORDERS: list[tuple[str, list[Transaction], Found | None, Found | None]] = [
    # name, transactions, the platform's payment, the buyer's
    ("paid", [paid()], None, ("confirmed", 1, 1)),
    ("refunded-by-id", [paid(), REFUNDED], None, ("refunded", 1, 1)),
    ("refunded-by-key", [paid(), KEY_REFUNDED], None, ("refunded", 1, 1)),
    ("paid-twice", [paid(), REFUNDED, paid()], None, ("confirmed", 2, 1)),
    ("platform-creates-after", [paid(), CREATED], ("created", 1, OWN), ("confirmed", 1, 1)),
    (
        "platform-confirms-after",
        [paid(), CREATED, CONFIRMED],
        ("confirmed", 1, OWN),
        ("confirmed", 1, 1),
    ),
    (
        "platform-confirms-in-a-batch-after",
        [paid(), CREATED, BATCH_CONFIRMED],
        ("confirmed", 1, OWN),
        ("confirmed", 1, 1),
    ),
    ("platform-settles-after", [paid(), SETTLED], ("confirmed", 1, OWN), ("confirmed", 1, 1)),
    (
        "platform-cancels-after",
        [paid(), CREATED, CANCELLED],
        ("cancelled", 1, OWN),
        ("confirmed", 1, 1),
    ),
    (
        "refunded-by-id-while-both-live",
        [paid(), SETTLED, REFUNDED],
        ("refunded", 1, OWN),
        ("confirmed", 1, 1),
    ),
    (
        "refunded-by-key-while-both-live",
        [paid(), SETTLED, KEY_REFUNDED],
        ("confirmed", 1, OWN),
        ("refunded", 1, 1),
    ),
    (
        "both-refunded-by-id",
        [paid(), SETTLED, REFUNDED, REFUNDED],
        ("refunded", 1, OWN),
        ("refunded", 1, 1),
    ),
    (
        "refunded-by-id-once-the-platform-cancelled",
        [paid(), CREATED, CANCELLED, REFUNDED],
        ("cancelled", 1, OWN),
        ("refunded", 1, 1),
    ),
    (
        "platform-settles-after-the-refund",
        [paid(), REFUNDED, SETTLED],
        ("confirmed", 1, OWN),
        ("refunded", 1, 1),
    ),
    (
        "paid-after-the-platform-cancelled",
        [CREATED, CANCELLED, paid()],
        ("cancelled", 1, OWN),
        ("confirmed", 1, 1),
    ),
    (
        "paid-after-the-platform-refunded-and-refunded-by-id",
        [SETTLED, REFUNDED, paid(), REFUNDED],
        ("refunded", 1, OWN),
        ("refunded", 1, 1),
    ),
    (
        "platform-settles-again-around-it",
        [SETTLED, REFUNDED, paid(), SETTLED],
        ("confirmed", 2, OWN),
        ("confirmed", 1, 1),
    ),
]
NAMED = [pytest.param(*order, id=name) for name, *order in ORDERS]


def found(engine: Engine) -> dict[PaymentId, Found]:
    return {
        row["payment_id"]: (row["state"], row["life"], row["amount"]) for row in present_of(engine)
    }


def expected(own: Found | None, bought: Found | None) -> dict[PaymentId, Found]:
    return {
        payment_id: one for payment_id, one in ((PAYMENT, own), (KEY, bought)) if one is not None
    }


@pytest.mark.parametrize(("transactions", "own", "bought"), NAMED)
def test_both_payments_of_an_id_are_as_on_chain_when_one_block_holds_any_order(
    engine: Engine,
    chain: FakeChain,
    transactions: list[Transaction],
    own: Found | None,
    bought: Found | None,
) -> None:
    mine_treasury(chain)
    chain.mine(*transactions)
    catch_up(follower_of(engine, chain))
    assert found(engine) == expected(own, bought)


@pytest.mark.parametrize(("transactions", "own", "bought"), NAMED)
def test_rows_equal_a_fresh_index_when_a_reorg_takes_the_end_of_any_order_and_brings_it_back(
    engine: Engine,
    chain: FakeChain,
    transactions: list[Transaction],
    own: Found | None,
    bought: Found | None,
) -> None:
    follower = follower_of(engine, chain)
    mine_treasury(chain)
    for one in transactions:
        chain.mine(one)
        catch_up(follower)
    assert found(engine) == expected(own, bought)
    for depth in range(1, len(transactions) + 1):
        chain.fork(depth)
        mine_empty(chain, depth)
        catch_up(follower)
        assert_fresh(engine, chain)
        chain.fork(depth)
        for one in transactions[-depth:]:
            chain.mine(one)
        catch_up(follower)
        assert found(engine) == expected(own, bought)


def assert_fresh(engine: Engine, chain: FakeChain) -> None:
    """The rows equal those of a fresh index; it is the one that stays."""
    lived_through = state_of(engine)
    forget_all(engine)
    catch_up(follower_of(engine, chain))
    assert lived_through == state_of(engine)


def test_platform_sees_nothing_of_its_payment_when_a_stranger_pays_under_its_id(
    engine: Engine, chain: FakeChain
) -> None:
    """Survives: whoever sees the id pays one unit under it first; no request contradicts that."""
    mine_treasury(chain)
    chain.mine(paid())
    follower = follower_of(engine, chain)
    catch_up(follower)
    assert seen_by_platform(engine) is None
    chain.mine(SETTLED)
    catch_up(follower)
    assert seen_by_platform(engine) == ("confirmed", 1, OWN)


def seen_by_platform(engine: Engine) -> Found | None:
    with engine.connect() as connection:
        fact = payments_by_id(
            connection, chain_id=CHAIN, treasury=TREASURY, payment_ids=[PAYMENT]
        ).get(PAYMENT)
    return None if fact is None else (fact.state, fact.life, fact.amount)


def test_refund_means_the_platforms_payment_when_a_reorg_moves_its_creation_before_it(
    engine: Engine, chain: FakeChain
) -> None:
    follower = follower_of(engine, chain)
    mine_treasury(chain)
    chain.mine(paid())
    chain.mine(REFUNDED)
    chain.mine(SETTLED)
    catch_up(follower)
    assert found(engine) == expected(("confirmed", 1, OWN), ("refunded", 1, 1))

    chain.fork(2)
    chain.mine(SETTLED)
    chain.mine(REFUNDED)
    mine_empty(chain, 1)
    catch_up(follower)
    assert found(engine) == expected(("refunded", 1, OWN), ("confirmed", 1, 1))
    assert_fresh(engine, chain)


def test_refund_means_the_last_buyer_when_two_paid_under_an_id(
    engine: Engine, chain: FakeChain
) -> None:
    mine_treasury(chain)
    chain.mine(paid(), REFUNDED, paid(buyer=OTHER_BUYER))
    follower = follower_of(engine, chain)
    catch_up(follower)
    assert found(engine) == {KEY: ("refunded", 1, 1), OTHER_KEY: ("confirmed", 1, 1)}
    chain.mine(REFUNDED)
    catch_up(follower)
    assert found(engine) == {KEY: ("refunded", 1, 1), OTHER_KEY: ("refunded", 1, 1)}


def test_refund_by_key_finds_the_payment_under_the_key_when_the_key_was_announced_too(
    engine: Engine, chain: FakeChain
) -> None:
    """Survives: a buyer who pays under the key of a payment to come, so that one names two."""
    inner = crypto_key(KEY, BUYER)
    mine_treasury(chain)
    chain.mine(paid(KEY))
    chain.mine(paid())
    follower = follower_of(engine, chain)
    for states in (("refunded", "confirmed"), ("refunded", "refunded")):
        chain.mine(KEY_REFUNDED)
        catch_up(follower)
        assert found(engine) == {KEY: (states[0], 1, 1), inner: (states[1], 1, 1)}
    assert_fresh(engine, chain)


# -- against a model of the treasuries' own rules


@dataclass
class Book:
    """What lives on-chain, by key: amount and whether it is confirmed."""

    one_id_space: bool
    """Oak's: an id used in one space is refused in the other, and keys are not names."""
    alive: dict[PaymentId, tuple[int, bool]] = field(default_factory=dict)
    buyers: dict[PaymentId, Address] = field(default_factory=dict)

    def meant(self, name: PaymentId) -> PaymentId:
        """The key that a name stands for."""
        if name in self.alive or name not in self.buyers:
            return name
        return crypto_key(name, self.buyers[name])

    def perform(self, kind: str, name: PaymentId, buyer: Address, amount: int) -> list[FakeLog]:
        """Do it and log it, or revert: then nothing is logged."""
        key = self.meant(name)
        expected_own = self.alive.get(name, (0, True))[1] is False
        match kind:
            case "pay" if key not in self.alive and crypto_key(name, buyer) not in self.alive:
                self.buyers[name] = buyer
                self.alive[crypto_key(name, buyer)] = amount, True
                return [payment_created(TREASURY, name, amount=amount, is_crypto=True, buyer=buyer)]
            case "create" if (key if self.one_id_space else name) not in self.alive:
                self.alive[name] = amount, False
                return [payment_created(TREASURY, name, amount=amount)]
            case "confirm" if expected_own:
                self.alive[name] = self.alive[name][0], True
                return [payment_confirmed(TREASURY, name)]
            case "cancel" if expected_own:
                del self.alive[name]
                return [payment_cancelled(TREASURY, name)]
            case "refund" if self.alive.get(key, (0, False))[1]:
                del self.alive[key]
                return [refund_claimed(TREASURY, name)]
            case _:
                return []


IDS = (PAYMENT, PaymentId(b"q" * 32))
KEYS = tuple(crypto_key(one, buyer) for one in IDS for buyer in (BUYER, OTHER_BUYER))


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    one_id_space=st.booleans(),
    calls=st.lists(
        st.tuples(
            st.sampled_from(("pay", "create", "confirm", "cancel", "refund")),
            st.integers(0, len(IDS + KEYS) - 1),
            st.sampled_from((BUYER, OTHER_BUYER)),
        ),
        min_size=3,
        max_size=40,
    ),
)
def test_payments_equal_the_treasurys_books_after_any_calls(
    engine: Engine, *, one_id_space: bool, calls: list[tuple[str, int, Address]]
) -> None:
    book = Book(one_id_space)
    names = IDS if one_id_space else IDS + KEYS
    chain = FakeChain()
    mine_treasury(chain)
    for amount, (kind, place, buyer) in enumerate(calls, start=1):
        chain.mine(book.perform(kind, names[place % len(names)], buyer, amount))

    network = new_network()
    catch_up(follower_on(engine, chain, network, genesis=chain.blocks[0].header.hash))
    indexed = {
        row["payment_id"]: (row["amount"], row["state"] == "confirmed")
        for row in present_of(engine, network.chain_id)
        if row["state"] in ("created", "confirmed")
    }
    assert {to_hex(k): v for k, v in indexed.items()} == {
        to_hex(k): v for k, v in book.alive.items()
    }
