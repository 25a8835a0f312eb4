"""Switches: what an operator, or a rule, has stopped. They stop sealing, never sending.

A switch is read under the signer's lock, and whoever stops something waits for that lock first: so
once the stop is committed, nothing more is sealed in its scope.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

import structlog
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from indexer.chain.types import Address, ChainId, address_from_hex, to_checksum, to_hex
from settlement.record_tables import switches
from settlement.tables import requests, signers

log = structlog.get_logger()

Scope = Literal["global", "chain", "signer", "treasury", "gateway"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
GLOBAL_KEY: Final = ""
"""The one key of scope ``global``."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch as it stands, and who put it there."""

    scope: Scope
    key: str
    is_stopped: bool
    reason: str
    set_by: str
    """An operator, or ``auto: `` and the rule that tripped."""
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Stops:
    """All that one signer may not seal now."""

    lane: str | None
    """Why nothing at all may be sealed; None where that is allowed."""
    treasuries: frozenset[Address]
    gateways: frozenset[str]

    def refusal(self, *, treasury: Address | None, gateways: Collection[str] = ()) -> str | None:
        """Why a plan may not be sealed; None when it may.

        Args:
            treasury: The treasury it is for; None for none.
            gateways: Where its payments were captured.
        """
        if self.lane is not None:
            return self.lane
        if treasury in self.treasuries:
            return f"treasury {to_checksum(treasury)} is stopped"
        stopped = self.gateways.intersection(gateways)
        return f"gateway {min(stopped)} is stopped" if stopped else None

    def admits(self) -> ColumnElement[bool]:
        """Condition on ``requests``: neither its treasury nor its gateway is stopped."""
        return and_(
            requests.c.treasury.not_in(sorted(self.treasuries)),
            or_(
                requests.c.gateway.is_(None),
                requests.c.gateway.not_in(sorted(self.gateways)),
            ),
        )


def chain_key(chain_id: ChainId) -> str:
    """Key of scope ``chain``."""
    return str(chain_id)


def account_key(chain_id: ChainId, address: Address) -> str:
    """Key of scopes ``signer`` and ``treasury``."""
    return f"{chain_id}:{to_hex(address)}"


def set_switch(
    connection: Connection, scope: Scope, key: str, *, stopped: bool, reason: str, set_by: str
) -> bool:
    """Stop a scope, or let it go on.

    Args:
        connection: The caller's transaction, as role settlement.
        scope: What kind of thing.
        key: Which one: ``GLOBAL_KEY``, or as ``chain_key`` and ``account_key`` have it, or the
            gateway's name.
        stopped: Whether to stop it.
        reason: Why; kept with the switch.
        set_by: Who says so.

    Returns:
        False if it stood so already: who stopped it first, and why, is kept.
    """
    act = stop if stopped else _let_go
    changed = act(connection, scope, key, reason=reason, set_by=set_by)
    if changed:
        log.warning(
            "switch_set", scope=scope, key=key, stopped=stopped, reason=reason, set_by=set_by
        )
    return changed


def stop(connection: Connection, scope: Scope, key: str, *, reason: str, set_by: str) -> bool:
    """Stop a scope, without a word in the log; as ``set_switch``."""
    _await_seals(connection)
    standing = {"reason": reason, "set_by": set_by, "set_at": func.clock_timestamp()}
    changed = connection.execute(
        upsert(switches)
        .values(scope=scope, key=key, is_stopped=True, **standing)
        .on_conflict_do_update(
            index_elements=[switches.c.scope, switches.c.key],
            set_={"is_stopped": True, **standing},
            where=switches.c.is_stopped.is_(False),
        )
        .returning(switches.c.key)
    ).one_or_none()
    return changed is not None


def stopping(connection: Connection, *, chain_id: ChainId, signer: Address) -> Stops:
    """Read all that a signer may not seal, in one query.

    Args:
        connection: The transaction that seals, once it holds the signer's lock.
        chain_id: The signer's chain.
        signer: The account that would send.
    """
    of_chain = f"{chain_id}:"
    lane = {
        ("global", GLOBAL_KEY): "everything is stopped",
        ("chain", chain_key(chain_id)): "the chain is stopped",
        ("signer", account_key(chain_id, signer)): "the signer is stopped",
    }
    rows = connection.execute(
        select(switches.c.scope, switches.c.key, switches.c.reason).where(switches.c.is_stopped)
    ).all()
    why = [
        f"{words}: {row.reason}"
        for name, words in lane.items()
        for row in rows
        if (row.scope, row.key) == name
    ]
    return Stops(
        lane=why[0] if why else None,
        treasuries=frozenset(
            address_from_hex(row.key.removeprefix(of_chain))
            for row in rows
            if row.scope == "treasury" and row.key.startswith(of_chain)
        ),
        gateways=frozenset(row.key for row in rows if row.scope == "gateway"),
    )


def all_switches(connection: Connection) -> list[Switch]:
    """Every switch that was ever set, those that stop something first."""
    rows = connection.execute(
        select(switches).order_by(switches.c.is_stopped.desc(), switches.c.scope, switches.c.key)
    )
    return [Switch(**row) for row in rows.mappings()]


def concerns(switch: Switch, chain_id: ChainId) -> bool:
    """Whether a switch stops anything of a chain while it is on. Pure."""
    if switch.scope in ("global", "gateway"):
        return True
    return switch.key.partition(":")[0] == chain_key(chain_id)


def _await_seals(connection: Connection) -> None:
    """Wait until every seal under way has ended; those that follow see what is set here."""
    connection.execute(
        select(signers.c.address).order_by(signers.c.chain_id, signers.c.address).with_for_update()
    ).all()


def _let_go(connection: Connection, scope: Scope, key: str, *, reason: str, set_by: str) -> bool:
    changed = connection.execute(
        update(switches)
        .where(switches.c.scope == scope, switches.c.key == key, switches.c.is_stopped)
        .values(is_stopped=False, reason=reason, set_by=set_by, set_at=func.clock_timestamp())
        .returning(switches.c.key)
    ).one_or_none()
    return changed is not None
