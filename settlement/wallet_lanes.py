"""The lanes of the wallets that settlement keeps: opened when one has something to do.

A wallet sends only what it was asked for by an action; payments are the platform's.
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlalchemy import select, union
from sqlalchemy.exc import InterfaceError, OperationalError

from indexer.chain.types import Address, to_checksum
from indexer.errors import LastroError
from settlement.lane import Lane
from settlement.record_tables import actions
from settlement.runner import Runner
from settlement.tables import nonce_slots

log = structlog.get_logger()

TURNS_MAX = 20
"""Wallets in one turn of the platform's lane; the others are next."""
ENDED = ("done", "void", "quarantined")


class WalletLanes:
    """Takes the turns of every wallet that has work on the platform's chain."""

    def __init__(self, lane: Lane) -> None:
        """Prepare.

        Args:
            lane: The platform's; its wallets are those of its signer book.
        """
        self._lane = lane
        self._runners: dict[Address, Runner] = {}
        self._next = 0

    def turn(self) -> int:
        """Take one turn of some; one that fails holds up no other. Returns how many were taken."""
        taken = 0
        waiting = self._at_work()
        start = self._next % max(len(waiting), 1)
        self._next = start + TURNS_MAX
        for account in [*waiting[start:], *waiting[:start]][:TURNS_MAX]:
            try:
                runner = self._runner(account)
                if runner is not None:
                    runner.turn()
                    taken += 1
            except (LastroError, OperationalError, InterfaceError) as trouble:
                log.warning("wallet_turn_failed", account=to_checksum(account), error=str(trouble))
        return taken

    def _at_work(self) -> Sequence[Address]:
        """Wallets with open actions, or with transactions that are not final."""
        lane = self._lane
        wanted = select(actions.c.sender).where(
            actions.c.chain_id == lane.chain_id,
            actions.c.sender.is_not(None),
            actions.c.state.not_in(ENDED),
        )
        sent = select(nonce_slots.c.signer).where(
            nonce_slots.c.chain_id == lane.chain_id, nonce_slots.c.is_final.is_(False)
        )
        with lane.engine.connect() as connection:
            found = connection.execute(union(wanted, sent)).scalars()
            return sorted(Address(account) for account in found if account != lane.sender)

    def _runner(self, account: Address) -> Runner | None:
        """The runner of an account, started; None where nobody signs for it here."""
        if account in self._runners:
            return self._runners[account]
        lane = self._lane
        if lane.book is None:
            return None
        with lane.engine.connect() as connection:
            signer = lane.book.for_account(connection, account)
        if signer is None:
            return None
        runner = Runner(replace(lane, signer=signer, is_platform=False))
        runner.start()
        self._runners[account] = runner
        return runner
