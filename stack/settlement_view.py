"""How settlement's standing and its report look to a person."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.table import Column, Table

from indexer.chain.deployments import Token
from indexer.chain.types import Address, to_checksum, to_hex
from settlement.reporting.overview import Held, Overview
from settlement.reporting.report import Reliability

GWEI: Final = 10**9
WEI_DIGITS: Final = 18
_ENDED: Final = ("settled", "refunded", "void", "superseded")
_YEAR_H: Final = 8_760
_PARTS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def lasting(seconds: float | None) -> str:
    """A duration in its two largest units, as ``3 h 12 min``."""
    if seconds is None:
        return "-"
    left, words = int(seconds), list[str]()
    for size, unit in _PARTS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not words):
            words.append(f"{count} {unit}")
    return " ".join(words[:2])


def coins(wei: int | None) -> str:
    """An amount of a chain's own coin, without trailing zeros."""
    return "-" if wei is None else _scaled(wei, WEI_DIGITS)


def amounts(held: Iterable[Held], tokens: Mapping[Address, Token]) -> str:
    """Amounts by the names of their tokens; base units of those that have none."""
    words = []
    for one in held:
        token = tokens.get(one.token)
        if token is None:
            words.append(f"{one.amount_base_units} units of {to_hex(one.token)}")
        else:
            words.append(f"{_scaled(one.amount_base_units, token.decimals)} {token.symbol}")
    return ", ".join(words)


def show_overview(
    seen: Overview, needs: Sequence[str], tokens: Mapping[Address, Token], console: Console
) -> None:
    """Print how one chain stands, and what needs a person."""
    payments = Table(
        "payments", "", "oldest", Column("amount", overflow="fold"), title=seen.network
    )
    for standing in seen.requests:
        oldest = lasting(standing.oldest_s) if standing.state not in _ENDED else ""
        payments.add_row(
            standing.state, f"{standing.payments:,}", oldest, amounts(standing.held, tokens)
        )
    console.print(payments)
    if seen.stopped:
        stopped = Table("stopped", "", "oldest", "by", "who must act")
        for one in seen.stopped:
            what = f"{one.what} {one.state}"
            stopped.add_row(
                what, str(one.count), lasting(one.oldest_s), one.reason_class, one.owner
            )
        console.print(stopped)
    _show_accounts(seen, console)
    _show_rest(seen, console)
    console.print("all is well" if not needs else "NEEDS A PERSON:")
    for words in needs:
        console.print(f"  {words}", markup=False)


def _show_accounts(seen: Overview, console: Console) -> None:
    """In lines, which a narrow terminal does not cut."""
    for one in seen.signers:
        mode = "" if one.mode == "active" else f" {one.mode.upper()}: {one.mode_reason}"
        console.print(f"signer {to_checksum(one.address)}{mode}", markup=False)
        lowest, per_slot = one.lowest, one.attempts_per_slot
        waits = (
            ""
            if lowest is None
            else f"; the lowest is {lowest.nonce} ({lowest.kind}), for {lasting(lowest.age_s)}, "
            f"signed {lowest.attempts} times"
        )
        console.print(f"  next nonce {one.next_nonce}, {one.in_flight} in flight{waits}")
        signed = "" if per_slot is None else f", {per_slot:.2f} signed per nonce"
        console.print(f"  gas of 24 h: {coins(one.gas_spent_24h_wei)} coins{signed}")
        runway = "" if one.runway_h is None else f", enough for {_runway(one.runway_h)}"
        console.print(f"  balance: {coins(one.balance_wei)}{runway}")


def _runway(hours: float) -> str:
    return lasting(hours * 3_600) if hours < _YEAR_H else "over a year"


def _show_rest(seen: Overview, console: Console) -> None:
    for name, counts in (
        ("campaigns", seen.campaigns),
        ("actions", seen.actions),
        ("nonces", seen.slots),
    ):
        if counts:
            told = ", ".join(f"{count} {state}" for state, count in counts.items())
            console.print(f"{name}: {told}")
    runs = seen.runs
    if runs.open:
        console.print(
            f"runs: {runs.open} open, {runs.payments:,} payments in {runs.transactions} "
            f"transactions so far, the oldest since {lasting(runs.oldest_s)}"
        )
    index = seen.index
    if index is not None:
        console.print(
            f"index: block {index.indexed}, final {index.finalized}, {index.lag_blocks} behind the "
            f"head, seen {lasting(index.seen_s)} ago"
        )


def show_report(groups: Sequence[Reliability], console: Console) -> None:
    """Print how the groups compare: a column each, so that a narrow terminal holds them."""
    if not groups:
        console.print("nothing was captured")
        return
    columns = [_figures(one) for one in groups]
    table = Table("", *(Column(_title(one), overflow="fold") for one in groups))
    for name in columns[0]:
        table.add_row(name, *(figures[name] for figures in columns))
    console.print(table)


def _title(one: Reliability) -> str:
    return one.group if one.network in (None, one.group) else f"{one.group} on {one.network}"


def _figures(one: Reliability) -> dict[str, str]:
    took, share, per_payment = one.time_to_settled, one.settled_share, one.wei_per_settled
    return {
        "payments": f"{one.payments:,}",
        "settled": "-" if share is None else f"{one.settled:,} ({share:.2%})",
        "refunded": f"{one.refunded:,}",
        "time to settled, p50": "-" if took is None else lasting(took.p50_s),
        "p95": "-" if took is None else lasting(took.p95_s),
        "longest": "-" if took is None else lasting(took.max_s),
        "stopped now": _stopped(one),
        "strikes": f"{one.strikes:,}",
        "transactions": f"{one.transactions:,}",
        "of them failed": f"{one.failed_transactions:,}",
        "gas": f"{one.gas_used:,}",
        "cost in coins": coins(one.cost_wei),
        "Gwei per settled": "-" if per_payment is None else f"{per_payment / GWEI:,.0f}",
    }


def _stopped(one: Reliability) -> str:
    words = [f"{count} {name}" for name, count in one.blocked.items()]
    if one.quarantined:
        words.append(f"{one.quarantined} quarantined")
    return ", ".join(words) or "-"


def _scaled(base_units: int, digits: int) -> str:
    text = f"{Decimal(base_units).scaleb(-digits):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
