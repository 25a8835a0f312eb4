"""Send a deployment's transactions so that each is mined once, through any number of crashes.

An intent is one nonce. It is journalled before it is signed, and every signing before it is sent;
whoever starts after a crash signs the same intent under the same nonce, so that of all attempts
only one can be mined. A receipt ends the intent.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import rlp
from chain import RpcError
from eth_utils import keccak, to_checksum_address
from faults import DeploymentError
from journal import Attempt, Contract, Intent

if TYPE_CHECKING:
    from ape.api import AccountAPI, TransactionAPI
    from chain import Chain
    from journal import Journal

DYNAMIC_FEE = 2
BUMP_PERCENT = 25  # nodes replace a pending transaction for 10 %, Polygon's for 12.5 %
DISPLACED_AFTER_S = 15.0  # nodes behind one URL disagree about the newest block for some seconds


@dataclass(frozen=True, slots=True)
class Request:
    """What a step sends: ``sender`` is a role, ``data`` creates a contract when ``to`` is None."""

    sender: str
    to: str | None
    data: bytes
    value: int = 0
    creates: Contract | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds, and how often to raise the fees before giving up for now."""

    poll_s: float
    attempt_s: float
    attempts: int


LOCAL_PATIENCE = Patience(0.02, 20, 1)
PUBLIC_PATIENCE = Patience(1, 90, 6)


def created_address(sender: str, nonce: int) -> str:
    """Compute the address of the contract that an account creates with a nonce."""
    encoded = rlp.encode([bytes.fromhex(sender[2:]), nonce])
    return str(to_checksum_address(keccak(encoded)[-20:]))


class Sender:
    """Sends for the roles whose accounts it holds."""

    def __init__(
        self, chain: Chain, journal: Journal, accounts: dict[str, AccountAPI], patience: Patience
    ) -> None:
        """Send to a chain, on behalf of accounts by role."""
        self._chain = chain
        self._journal = journal
        self._accounts = accounts
        self._patience = patience

    def send(self, step: str, request: Request) -> None:
        """Journal, sign and send one transaction, and wait until it is mined.

        Raises:
            DeploymentError: It reverted, or is not mined yet.
        """
        account = self._accounts[request.sender]
        sender = str(account.address)
        nonce = max(self._chain.nonce(sender), self._journal.next_nonces.get(sender, 0))
        draft = self._prepare(
            account, receiver=request.to, data=request.data, value=request.value, nonce=nonce
        )
        creates = None
        if request.creates is not None:
            known = {"address": created_address(sender, nonce)}
            creates = Contract(**(asdict(request.creates) | known))
        data = "0x" + request.data.hex()
        self._journal.intend(
            Intent(step, sender, nonce, request.to, data, request.value, draft.gas_limit, creates)
        )
        self._attempt(account, draft)
        self._wait(account)

    def resume(self) -> str | None:
        """Bring the transaction of a crashed run to its end; returns the step it belongs to.

        Raises:
            DeploymentError: As `send`.
        """
        intent = self._journal.intent
        if intent is None:
            return None
        accounts = {str(account.address): account for account in self._accounts.values()}
        if intent.sender not in accounts:
            raise DeploymentError(
                f"{intent.step} was sent by {intent.sender}: resume with that account"
            )
        account = accounts[intent.sender]
        if self._mined() is None and self._chain.nonce(intent.sender) <= intent.nonce:
            self._attempt(account, self._again(account, raise_fees=False))
        self._wait(account)
        return intent.step

    def _wait(self, account: AccountAPI) -> None:
        """Wait for a receipt, raising the fees when none comes."""
        started = time.monotonic()
        displaced_since: float | None = None
        while (receipt := self._mined()) is None:
            intent = self._intent()
            now = time.monotonic()
            if self._chain.nonce(intent.sender) > intent.nonce:
                displaced_since = displaced_since or now
                if now - displaced_since > min(DISPLACED_AFTER_S, self._patience.attempt_s):
                    self._journal.displaced()
                    raise DeploymentError(
                        f"another transaction took nonce {intent.nonce} of {intent.sender}: use "
                        "its key for nothing else meanwhile, and run again"
                    )
            elif now - started > self._patience.attempt_s:
                if len(self._journal.attempts) >= self._patience.attempts:
                    raise DeploymentError(
                        f"{intent.step} is not mined yet ({self._journal.attempts[-1].transaction})"
                        ": run again to go on waiting"
                    )
                self._attempt(account, self._again(account, raise_fees=True))
                started = now
            time.sleep(self._patience.poll_s)
        self._settle(receipt)

    def _settle(self, receipt: dict[str, Any]) -> None:
        step, transaction = self._intent().step, receipt["transactionHash"]
        gas_used = int(receipt["gasUsed"], 16)
        if int(receipt["status"], 16) != 1:
            self._journal.reverted(transaction, gas_used)
            raise DeploymentError(f"{step}: {transaction} reverted; run again to try it once more")
        self._journal.mined(transaction, int(receipt["blockNumber"], 16), gas_used)

    def _mined(self) -> dict[str, Any] | None:
        """Find the receipt of whichever attempt was mined."""
        for attempt in reversed(self._journal.attempts):
            receipt = self._chain.receipt(attempt.transaction)
            if receipt is not None:
                return receipt
        return None

    def _intent(self) -> Intent:
        if self._journal.intent is None:
            raise DeploymentError("nothing is in flight")
        return self._journal.intent

    def _attempt(self, account: AccountAPI, draft: TransactionAPI) -> None:
        """Sign, journal, send."""
        signed = account.sign_transaction(draft)
        if signed is None:
            raise DeploymentError(f"{account.address} did not sign; run again to go on")
        raw = bytes(signed.serialize_transaction())
        transaction = "0x" + keccak(raw).hex()
        if all(attempt.transaction != transaction for attempt in self._journal.attempts):
            self._journal.attempt(Attempt(transaction, draft.max_fee, draft.max_priority_fee))
        try:
            self._chain.broadcast(raw)
        except RpcError as error:
            # A node that knows the transaction, or has mined it, answers with an error too.
            known = self._chain.request("eth_getTransactionByHash", transaction)
            if known is None and self._mined() is None:
                raise DeploymentError(f"{self._intent().step} was refused: {error}") from None

    def _again(self, account: AccountAPI, *, raise_fees: bool) -> TransactionAPI:
        """Prepare the intent anew: at the last attempt's fees, or clearly higher ones."""
        intent, fees = self._intent(), {}
        if self._journal.attempts and not raise_fees:
            last = self._journal.attempts[-1]
            fees = {"max_fee": last.max_fee, "max_priority_fee": last.max_priority_fee}
        draft = self._prepare(
            account,
            receiver=intent.to,
            data=bytes.fromhex(intent.data[2:]),
            value=intent.value,
            nonce=intent.nonce,
            gas_limit=intent.gas,
            **fees,
        )
        if raise_fees:
            last, factor = self._journal.attempts[-1], 100 + BUMP_PERCENT
            draft.max_fee = max(draft.max_fee, last.max_fee * factor // 100 + 1)
            least = last.max_priority_fee * factor // 100 + 1
            draft.max_priority_fee = max(draft.max_priority_fee, least)
        return draft

    def _prepare(self, account: AccountAPI, **fields: Any) -> TransactionAPI:  # noqa: ANN401 -- Ape's
        """Let Ape fill in gas and fees."""
        provider = self._chain.provider
        given = {name: value for name, value in fields.items() if value is not None}
        draft = provider.network.ecosystem.create_transaction(
            type=DYNAMIC_FEE, sender=account.address, chain_id=self._chain.chain_id, **given
        )
        return account.prepare_transaction(draft)
