"""Who is called when something stops, and lets it go on: only what chaos itself stopped."""

import uuid
from datetime import timedelta

from sqlalchemy import Connection, func, select

from benchmarks.chaos_site import Place
from benchmarks.chaos_tally import Tally
from benchmarks.settlement_site import NETWORK
from indexer.chain.types import Address, address_from_hex
from settlement.control import release_signer, retry_request
from settlement.record_tables import switches
from settlement.switches import set_switch
from settlement.tables import requests, signers
from settlement.types import Nonce
from tests.support.real_protocol import ADMIN

REASON = "looked: it was chaos"
NAME = "operator of chaos"
PATIENCE = timedelta(seconds=2)
"""What stops goes on by itself, more often than not."""


class Operator:
    """Looks now and then, and does what the handbook says."""

    def __init__(self, place: Place, tally: Tally) -> None:
        """Come to work."""
        self._place = place
        self._tally = tally
        self._engine = place.engine_as("settlement")

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def look(self) -> None:
        """Let go on whatever stopped.

        Raises:
            sqlalchemy.exc.OperationalError: Postgres is away, or somebody holds a lock for long.
        """
        account = address_from_hex(ADMIN.address)
        with self._engine.connect() as connection:
            is_halted = self._is_halted(connection, account)
            stopped = connection.execute(
                select(switches.c.scope, switches.c.key).where(switches.c.is_stopped)
            ).all()
            waiting = self._stopped_requests(connection)
        if is_halted:
            self._release(account)
        for switch in stopped:
            with self._engine.begin() as connection:
                self._tally.releases += set_switch(
                    connection, switch.scope, switch.key, stopped=False, reason=REASON, set_by=NAME
                )
        for request_id in waiting:
            with self._engine.begin() as connection:
                self._tally.retries += retry_request(connection, request_id, REASON)

    def _release(self, account: Address) -> None:
        chain_nonce = self._place.reader.nonce(account, "pending")
        with self._engine.begin() as connection:
            self._tally.releases += release_signer(
                connection, NETWORK.chain_id, account, REASON, chain_nonce=Nonce(chain_nonce)
            )

    def _is_halted(self, connection: Connection, account: Address) -> bool:
        mode = connection.execute(
            select(signers.c.mode).where(
                signers.c.chain_id == NETWORK.chain_id, signers.c.address == account
            )
        ).scalar_one_or_none()
        return mode == "quarantine"

    def _stopped_requests(self, connection: Connection) -> list[uuid.UUID]:
        return list(
            connection.execute(
                select(requests.c.request_id).where(
                    requests.c.state.in_(("blocked", "quarantined")),
                    requests.c.state_since < func.now() - PATIENCE,
                )
            ).scalars()
        )
