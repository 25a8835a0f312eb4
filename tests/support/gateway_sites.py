"""A gateway that runs here as a real server, with its adapter and its controls.

The acceptance suite (``tests/offchain/gateways/test_gateway_suite.py``) drives every gateway
through this; what only one gateway has is tested beside its own adapter.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from offchain.gateways.types import NewAccount, NewPayment, Observation, PayoutGateway
from stack.fakes.edge import Mode

FaultyCall = Literal["create", "read", "list", "refund", "transfer"]
DisputeOutcome = Literal["open", "won", "lost"]


class GatewaySite(Protocol):
    """One fake gateway. Payments are named by the observation that their adapter gave."""

    @property
    def name(self) -> str:
        """The adapter's name."""
        ...

    def adapter(self) -> PayoutGateway:
        """A new adapter, which gives up soon and never really pauses."""
        ...

    def new_payment(self, **fields: Any) -> NewPayment:
        """A payment that this gateway takes, unpaid when created; ``fields`` replace its own."""
        ...

    def new_account(self, **fields: Any) -> NewAccount:
        """A receiver that this gateway takes, to whom money can be transferred."""
        ...

    def pay(self, observation: Observation, minor: int | None = None) -> None:
        """Pay it, with another amount than asked for where ``minor`` is given."""
        ...

    def fail(self, observation: Observation) -> None:
        """Let it fail for good."""
        ...

    def settle_refund(self, provider_refund_id: str, *, succeeds: bool) -> None:
        """Decide what becomes of a refund that is pending, or undo one that succeeded."""
        ...

    def settle_transfer(self, provider_transfer_id: str, *, succeeds: bool) -> None:
        """Decide what becomes of a transfer that is pending."""
        ...

    def dispute(self, observation: Observation, outcome: DisputeOutcome) -> None:
        """Dispute a paid payment, or decide the dispute there is."""
        ...

    def fault(self, call: FaultyCall, mode: Mode, **options: Any) -> None:
        """Break the next such call (``times``, ``status``, ``seconds``: as in ``Fault``)."""
        ...

    def calm(self) -> None:
        """End every fault and all chaos."""
        ...

    def created(self, attempt_id: object) -> int:
        """How many payments the gateway holds for an attempt."""
        ...

    def signed(self, body: bytes, age_s: int = 0) -> Mapping[str, str]:
        """The headers of a genuine delivery, stamped so long ago where the gateway stamps."""
        ...

    def some_event(self, observation: Observation) -> bytes:
        """The body of an event about this payment."""
        ...
