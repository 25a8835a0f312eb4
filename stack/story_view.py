"""A payment's story on a terminal: who it is, where it stands, and everything that happened."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.console import Console

from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import to_checksum, to_hex
from settlement.reporting.story import ActionStory, Generation, PaymentStory
from settlement.reporting.transaction_story import AttemptStory, BatchStory
from settlement.reporting.why import TransactionStory
from stack.settlement_view import coins, lasting

Event = tuple[datetime, str, str]
"""When, what, and more about it."""


def timeline(story: PaymentStory) -> list[Event]:
    """Everything that happened to a payment, in order. Pure."""
    events: list[Event] = [
        (story.captured_at, "captured", f"at {story.gateway}" if story.gateway else "")
    ]
    for one in story.generations:
        events += _of_generation(one)
    for action in story.undoing:
        events += _of_action(action)
    return sorted(events, key=_when)


def show_story(story: PaymentStory, console: Console) -> None:
    """Print a payment's story."""
    network = network_by_chain_id(story.chain_id).name
    console.print(f"request {story.root_id} on {network}, pledge {story.pledge_id}")
    console.print(
        f"  {story.amount_base_units} base units of {to_checksum(story.token)} to treasury "
        f"{to_checksum(story.treasury)}"
    )
    for one in story.generations:
        _show_generation(one, console)
    for switch in story.switches:
        console.print(
            f"  switch {switch.scope} {switch.key} is on, by {switch.set_by}: {switch.reason}",
            markup=False,
        )
    _show_events(timeline(story), console)
    for refund in story.refunds:
        final = "final" if refund.is_final else "not final"
        console.print(
            f"refunded in block {refund.block_number} ({final}): {refund.amount} base units to "
            f"{to_checksum(refund.claimer)}, {to_hex(refund.tx_hash)}"
        )


def show_transaction(story: TransactionStory, console: Console) -> None:
    """Print a transaction that carries no payment, or several."""
    console.print(f"transaction {to_hex(story.tx_hash)}")
    if story.batch is None:
        console.print("it is not of ours")
    else:
        _show_events(sorted(_of_batch(story.batch), key=_when), console)
    if story.payments_total:
        console.print(f"it carries {story.payments_total} payments; ask about one of them:")
    for payment in story.payments:
        console.print(f"  {payment.root_id} {to_hex(payment.payment_id)} {payment.state}")


def _show_events(events: Sequence[Event], console: Console) -> None:
    """One line each: a hash that a table would cut cannot be looked up."""
    width = max(len(what) for _, what, _ in events)
    for at, what, more in events:
        console.print(f"{at:%Y-%m-%d %H:%M:%S}  {what:<{width}}  {more}".rstrip(), markup=False)


def _when(event: Event) -> datetime:
    return event[0]


def _show_generation(one: Generation, console: Console) -> None:
    name = f"payment {to_hex(one.payment_id)}"
    if one.generation:
        name += f" (generation {one.generation}, request {one.request_id})"
    console.print(name)
    reason = "" if one.reason is None else f": {one.reason}"
    console.print(f"  {one.state} for {lasting(one.age_s)}{reason}", markup=False)
    if one.awaited is not None:
        console.print(f"  it waits for {one.awaited}", markup=False)
    if one.owner is not None:
        nobody = one.owner == "settlement process"
        console.print(f"  who must act: {'nobody' if nobody else one.owner}")
    fact = one.fact
    if fact is None:
        console.print("  nothing of it is indexed")
        return
    proven = "proven" if fact.is_proven else "not proven"
    final = "final" if fact.is_final else "not final"
    where = (
        f"created in block {fact.created_block}, {to_hex(fact.created_tx)}"
        if fact.confirmed_block is None or fact.confirmed_tx is None
        else f"in block {fact.confirmed_block} ({final}, {proven}), {to_hex(fact.confirmed_tx)}"
    )
    console.print(f"  {fact.state} on-chain, life {fact.life}: {where}")


def _of_generation(one: Generation) -> Iterator[Event]:
    yield one.requested_at, "requested", to_hex(one.payment_id)
    for move in one.moves:
        yield move.at, f"{move.before} → {move.after}", move.reason or ""
    yield from _of_batches(one.batches)


def _of_action(action: ActionStory) -> Iterator[Event]:
    yield action.requested_at, f"{action.kind} asked for", f"by {action.requested_by}"
    if action.state != "requested":
        reason = "" if action.reason is None else f": {action.reason}"
        yield action.state_since, f"{action.kind} {action.state}{reason}", str(action.action_id)
    yield from _of_batches(action.batches)


def _of_batches(batches: Iterable[BatchStory]) -> Iterator[Event]:
    for batch in batches:
        yield from _of_batch(batch)


def _of_batch(batch: BatchStory) -> Iterator[Event]:
    with_others = f", {batch.payments} payments" if batch.payments > 1 else ""
    nonce = f"nonce {batch.nonce}"
    yield (
        batch.sealed_at,
        f"{batch.kind} sealed",
        f"{nonce} of {to_checksum(batch.signer)}{with_others}, gas limit {batch.gas_limit:,}",
    )
    for attempt in batch.attempts:
        yield from _of_attempt(attempt, nonce)
    if batch.mined_at is not None and batch.mined_tx is not None:
        outcome = "mined" if batch.failure is None else f"mined without effect: {batch.failure}"
        where = f"{to_hex(batch.mined_tx)} in block {batch.mined_block}"
        cost = f"{batch.gas_used:,} gas, {coins(batch.cost_wei)} coins"
        yield batch.mined_at, f"{nonce} {outcome}", f"{where}, {cost}"
    elif batch.mined_at is not None:
        yield batch.mined_at, f"{nonce} taken by another", batch.failure or ""
    if batch.final_at is not None:
        yield batch.final_at, f"{nonce} final", ""
    if batch.released_at is not None:
        yield batch.released_at, f"{batch.kind} given back", "to be sealed again"


def _of_attempt(attempt: AttemptStory, nonce: str) -> Iterator[Event]:
    what = f"{nonce} signed" + (" as a no-op" if attempt.is_noop else "")
    offer = f"max fee {attempt.max_fee_per_gas_wei:,} wei"
    yield attempt.signed_at, what, f"{to_hex(attempt.tx_hash)}, {offer}"
    if attempt.first_sent_at is not None:
        answer = attempt.last_answer or "no answer yet"
        yield (
            attempt.first_sent_at,
            f"{nonce} sent",
            f"{to_hex(attempt.tx_hash)}, {attempt.sends} times; the last answer: {answer}",
        )
