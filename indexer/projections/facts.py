"""Events as fact rows. Pure: the same claimed event always gives the same rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from indexer.chain.types import ChainId
from indexer.decode import Event
from indexer.events import (
    CAMPAIGN_CREATED,
    PAYMENT_BATCH_CONFIRMED,
    PAYMENT_CANCELLED,
    PAYMENT_CONFIRMED,
    PAYMENT_CREATED,
    REFUND_CLAIMED,
    SURPLUS_SWEPT,
    TRANSFER,
    TREASURY_DEPLOYED,
)
from indexer.payment_keys import announced_id, created_id
from indexer.tables import (
    campaigns,
    payments_confirmed,
    payments_created,
    payments_ended,
    surplus_sweeps,
    token_transfers,
    treasuries,
)

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FactRow:
    """One row of a fact table."""

    table: Table
    values: Values


def position(chain_id: ChainId, event: Event) -> Values:
    """Where an event stands; the first columns of every fact."""
    log = event.log
    return {
        "chain_id": chain_id,
        "block_number": log.block_number,
        "block_hash": log.block_hash,
        "log_index": log.log_index,
        "tx_hash": log.tx_hash,
    }


def fact_rows(chain_id: ChainId, event: Event) -> Iterator[FactRow]:
    """The facts that a claimed event states; none for events that only stand in ``logs``."""
    at = position(chain_id, event)
    of_treasury = {**at, "treasury": event.log.address}
    kind = event.type
    if kind is CAMPAIGN_CREATED:
        yield FactRow(campaigns, at | _campaign(event))
    elif kind is TREASURY_DEPLOYED:
        yield FactRow(treasuries, at | _treasury(event))
    elif kind is TRANSFER:
        yield FactRow(token_transfers, at | _transfer(event))
    elif kind is PAYMENT_CREATED:
        yield from _created(event, of_treasury)
    elif kind is PAYMENT_CONFIRMED:
        named = {"payment_id": event.bytes_of("paymentId"), "ordinal": 0}
        yield FactRow(payments_confirmed, of_treasury | named)
    elif kind is PAYMENT_BATCH_CONFIRMED:
        for ordinal, payment_id in enumerate(event.hashes_of("paymentIds")):
            named = {"payment_id": payment_id, "ordinal": ordinal}
            yield FactRow(payments_confirmed, of_treasury | named)
    elif kind in (PAYMENT_CANCELLED, REFUND_CLAIMED):
        yield FactRow(payments_ended, of_treasury | _ended(event))
    elif kind is SURPLUS_SWEPT:
        yield FactRow(surplus_sweeps, of_treasury | _swept(event))


def _campaign(event: Event) -> Values:
    return {
        "campaign": event.address_of("campaignInfoAddress"),
        "identifier_hash": event.bytes_of("identifierHash"),
    }


def _treasury(event: Event) -> Values:
    return {
        "treasury": event.address_of("treasuryAddress"),
        "campaign": event.address_of("infoAddress"),
        "platform_hash": event.bytes_of("platformHash"),
        "implementation_id": event.integer_of("implementationId"),
    }


def _transfer(event: Event) -> Values:
    return {
        "token": event.log.address,
        "sender": event.address_of("from"),
        "recipient": event.address_of("to"),
        "amount": event.integer_of("value"),
    }


def _swept(event: Event) -> Values:
    return {
        "token": event.address_of("token"),
        "recipient": event.address_of("to"),
        "amount": event.integer_of("amount"),
    }


def _created(event: Event, of_treasury: Values) -> Iterator[FactRow]:
    """A crypto payment is confirmed by the event that creates it; it has no PaymentConfirmed.

    Source: ``PaymentTreasury.processCryptoPayment`` of the Oak contracts.
    """
    payment_id, announced = created_id(event), announced_id(event)
    values = {
        "payment_id": payment_id,
        "announced_id": announced,
        "buyer": event.address_of("buyerAddress"),
        "buyer_id": event.bytes_of("buyerId"),
        "item_id": event.bytes_of("itemId"),
        "token": event.address_of("paymentToken"),
        "amount": event.integer_of("amount"),
        "expiration": event.integer_of("expiration"),
        "is_crypto": announced is not None,
    }
    yield FactRow(payments_created, of_treasury | values)
    if announced is not None:
        confirmed = {"payment_id": payment_id, "ordinal": 0}
        yield FactRow(payments_confirmed, of_treasury | confirmed)


def _ended(event: Event) -> Values:
    if event.type is PAYMENT_CANCELLED:
        amount, claimer = None, None
    else:
        amount, claimer = event.integer_of("refundAmount"), event.address_of("claimer")
    return {
        "payment_id": event.bytes_of("paymentId"),
        "outcome": "cancelled" if event.type is PAYMENT_CANCELLED else "refunded",
        "amount": amount,
        "claimer": claimer,
    }
