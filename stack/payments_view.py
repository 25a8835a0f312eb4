"""How payments that wait, and one payment's story, look to a person."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from offchain.money import MINOR_DIGITS
from offchain.payments.reviewing import Payment, Story


def show_held(payments: Sequence[Payment], total: int, console: Console) -> None:
    """Print what waits for a person, the longest first, and how much of it is not shown."""
    if not payments:
        console.print("nothing waits for a person")
        return
    table = Table(
        Column("payment", no_wrap=True),
        Column("came in", no_wrap=True),
        Column("where it stands", overflow="fold"),
    )
    for one in payments:
        words = f"{_statuses(one)}: {one.reason or 'its money is held'}"
        came = money(one.received_minor, one.received_currency)
        table.add_row(str(one.payment_id), came, words)
    console.print(table)
    if total > len(payments):
        console.print(f"{total - len(payments)} more wait: --limit {total} shows all")
    console.print(
        "accept or return held money, close what was looked at; "
        "'lastro payments show PAYMENT' tells all about one"
    )


def show_story(story: Story, console: Console) -> None:
    """Print all about one payment."""
    one = story.payment
    console.print(f"payment {one.payment_id}", markup=False)
    console.print(f"  campaign {one.campaign}, pledge {one.pledge_id}", markup=False)
    console.print(
        f"  {one.method} at {one.gateway}: {one.provider_payment_id or '-'}", markup=False
    )
    came = money(one.received_minor, one.received_currency)
    console.print(f"  asked for {money(one.amount_minor, one.currency)}, came in {came}")
    console.print(f"  {_statuses(one)}; the ledger has it as {one.booked_to or 'nothing'}")
    if one.settlement_id is not None:
        console.print(f"  called back once, and with settlement as {one.settlement_id} since")
    if one.reason is not None:
        console.print(f"  NEEDS A PERSON: {one.reason}", markup=False)
    _show_claims(story, console)
    console.print("what happened")
    for event in story.events:  # in lines, which a narrow terminal does not cut
        move = f"{event.lattice} {event.from_status} → {event.to_status}, by {event.source}"
        console.print(f"  {event.at:%Y-%m-%d %H:%M:%S} {move}", markup=False)
        console.print(f"    {_told(event.evidence)}", markup=False, style="dim")
    console.print("in the ledger")
    for line in story.ledger:
        what = f"{line.source} {line.kind}: {line.amount:,} {line.currency}"
        console.print(f"  {line.at:%Y-%m-%d %H:%M:%S} {what}", markup=False)
        console.print(f"    {line.debit} → {line.credit}", markup=False, style="dim")


def _show_claims(story: Story, console: Console) -> None:
    if story.refunds:
        refunds = Table(
            Column("refund", no_wrap=True), "amount", "state", Column("why", overflow="fold")
        )
        for one in story.refunds:
            amount = money(one.amount.minor, one.amount.currency)
            words = f"{one.origin}, by {one.requested_by}"
            words += "" if one.reason is None else f": {one.reason}"
            refunds.add_row(str(one.id), amount, one.state, words)
        console.print(refunds)
    if story.disputes:
        disputes = Table("dispute", "amount", "state", "since")
        for dispute in story.disputes:
            amount = money(dispute.amount.minor, dispute.amount.currency)
            since = f"{dispute.opened_at:%Y-%m-%d}"
            disputes.add_row(dispute.provider_dispute_id, amount, dispute.state, since)
        console.print(disputes)


def _statuses(one: Payment) -> str:
    words = [one.fiat_status]
    if one.chain_status != "none":
        words.append(f"on-chain {one.chain_status}")
    if one.claim_status != "none":
        words.append(one.claim_status.replace("_", " "))
    return ", ".join(words)


def _told(evidence: Mapping[str, Any]) -> str:
    told = {name: value for name, value in evidence.items() if value is not None}
    lists = {name: ", ".join(value) for name, value in told.items() if isinstance(value, list)}
    return ", ".join(f"{name} {value}" for name, value in (told | lists).items()) or "-"


def money(minor: int | None, currency: str | None) -> str:
    """An amount in its major unit, as ``50.00 BRL``."""
    if minor is None or currency is None:
        return "-"
    return f"{Decimal(minor).scaleb(-MINOR_DIGITS):,f} {currency.upper()}"
