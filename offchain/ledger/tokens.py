"""The token side of settled payments: what stands in treasuries, to the last base unit.

A payment that is final on-chain moved tokens from the platform's wallet into its campaign's
treasury; taken back or refunded, they went home. Each is a transfer of the journal in which the
same event moves fiat, or a journal of its own where no fiat moves.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import Connection, select

from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import Address, ChainId, TokenAmount, to_hex
from offchain.ledger.accounts import (
    IN_TREASURY,
    Account,
    tokens_in_treasury,
    tokens_platform_wallet,
)
from offchain.ledger.tables import ledger_transfers
from offchain.ledger.transfers import (
    Journal,
    Transfer,
    TransferId,
    post,
    post_journal,
    resolution,
)
from offchain.money import Currency

SETTLED = "tokens_settled"
"""Tokens of a payment whose capture was posted before it was final on-chain."""
REFUNDED = "tokens_refunded"
REFUND_UNDONE = "tokens_refund_undone"
"""The refund's finalized block changed: the tokens stand in the treasury as before."""
TOKEN = "token:"  # noqa: S105 - how the currency of any token begins


_Moved: TypeAlias = tuple[str, str, Currency, int]
"""Debit, credit, token and units."""


@dataclass(frozen=True, slots=True)
class TokenPayment:
    """What a payment is confirmed with on-chain."""

    chain_id: ChainId
    treasury: Address
    token: Address
    units: TokenAmount


def token_currency(chain_id: ChainId, token: Address) -> Currency:
    """How a token is spelled as the currency of an account: ``token:<chain>:<0xaddress>``."""
    return Currency(f"{TOKEN}{network_by_chain_id(chain_id).name}:{to_hex(token)}")


def into_treasury(payment: TokenPayment) -> Transfer:
    """What the confirmation of a payment moves."""
    return Transfer(
        debit=tokens_in_treasury(payment.chain_id, payment.treasury),
        credit=tokens_platform_wallet(payment.chain_id),
        units=payment.units,
        currency=token_currency(payment.chain_id, payment.token),
    )


def standing(connection: Connection, attempt_id: UUID) -> tuple[Transfer, ...]:
    """What stands in treasuries for a payment, as the transfers that take it home again."""
    return _left_of(_moved(connection, attempt_id))


def _moved(connection: Connection, attempt_id: UUID) -> list[_Moved]:
    """Every token transfer of a payment that counts."""
    moved = ledger_transfers.c
    rows = connection.execute(
        select(moved.debit_account, moved.credit_account, moved.currency, moved.amount).where(
            moved.source_id.startswith(str(attempt_id)),
            moved.currency.startswith(TOKEN),
            moved.kind.in_(("single", "post")),
        )
    )
    return [(debit, credit, currency, units) for debit, credit, currency, units in rows]


def _left_of(rows: Iterable[_Moved]) -> tuple[Transfer, ...]:
    stands: Counter[tuple[str, str, Currency]] = Counter()
    for debit, credit, currency, units in rows:
        if debit.startswith(IN_TREASURY):
            stands[debit, credit, currency] += units
        else:
            stands[credit, debit, currency] -= units
    return tuple(
        Transfer(Account(wallet, "debit"), Account(treasury, "debit"), units, currency)
        for (treasury, wallet, currency), units in sorted(stands.items())
        if units > 0
    )


def post_final(
    connection: Connection, pending: TransferId, attempt_id: UUID, payment: TokenPayment
) -> None:
    """Post the capture of a payment that is final on-chain, and its tokens in the same journal.

    Where a claim had it posted before, the tokens are a journal of their own.

    Args:
        connection: The caller's transaction; it holds the attempt's row.
        pending: The capture.
        attempt_id: The payment.
        payment: What was confirmed.

    Raises:
        InvariantError: The capture is not pending, or was voided.
    """
    tokens = into_treasury(payment)
    if resolution(connection, pending) != "post":
        post(connection, pending, at_once=(tokens,))
        return
    before = _moved(connection, attempt_id)
    if not _left_of(before):  # each time that it becomes final anew has a name of its own
        journal = Journal(SETTLED, f"{attempt_id}:{len(before)}", at_once=(tokens,))
        post_journal(connection, journal)


def bring_home(connection: Connection, attempt_id: UUID, *, move_id: int) -> bool:
    """Book that a payment was refunded on-chain; False where none of its tokens stand.

    Args:
        connection: The caller's transaction; it holds the attempt's row.
        attempt_id: The payment.
        move_id: Settlement's move that tells of it.
    """
    transfers = standing(connection, attempt_id)
    if transfers:
        journal = Journal(REFUNDED, f"{attempt_id}:{move_id}", at_once=transfers)
        post_journal(connection, journal)
    return bool(transfers)


def put_back(
    connection: Connection, attempt_id: UUID, payment: TokenPayment, *, move_id: int
) -> bool:
    """Book that a refund on-chain was undone; False where its tokens stand. As ``bring_home``."""
    if standing(connection, attempt_id):
        return False
    journal = Journal(REFUND_UNDONE, f"{attempt_id}:{move_id}", at_once=(into_treasury(payment),))
    post_journal(connection, journal)
    return True
