"""The journal of an unfinished deployment: what was sent, written down before it is sent.

One JSON document a line, appended and synced: a line that a crash tore was never acted upon, since
what it announces is only sent once the line is on the disk. A created contract's address follows
from sender and nonce, so it is known here first.

The journal lies beside the record as ``<record>.partial``, locked by the process that writes it,
and goes when the record is written.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from faults import DeploymentError, ForeignRecordError

if TYPE_CHECKING:
    from io import TextIOWrapper
    from pathlib import Path

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of the deployment: what it was made of and where it stands.

    ``arguments`` are the constructor's, bytes as hex; ``transaction`` and ``block`` are of its
    creation, empty until it is mined; ``creator`` is the contract that created it, if one did.
    """

    name: str
    artifact: str
    address: str
    arguments: list[Any]
    libraries: dict[str, str]
    transaction: str = ""
    block: int = 0
    creator: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """A transaction to be mined once, under one nonce, whatever it costs; money in wei."""

    step: str
    sender: str
    nonce: int
    to: str | None
    data: str
    value: int
    gas: int
    creates: Contract | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signing of an intent; fees in wei per gas."""

    transaction: str
    max_fee: int
    max_priority_fee: int


@dataclass(slots=True)
class Book:
    """Every contract by name, those they replaced, and the gas each step used."""

    contracts: dict[str, Contract] = field(default_factory=dict)
    retired: list[Contract] = field(default_factory=list)
    gas: dict[str, int] = field(default_factory=dict)

    def add(self, contract: Contract) -> None:
        """Enter a contract; the one it replaces retires."""
        old = self.contracts.get(contract.name)
        if old is not None and old.address != contract.address:
            self.retired.append(old)
        self.contracts[contract.name] = contract


class Journal:
    """The journal of one deployment, held open and locked."""

    def __init__(self, path: Path, book: Book, chain: Json) -> None:
        """Open or begin a journal.

        Args:
            path: Where it lies.
            book: What the last finished deployment's record holds; the journal's lines add to it.
            chain: What tells this chain from another: chain id and genesis hash.

        Raises:
            DeploymentError: Another process is deploying.
            ForeignRecordError: The journal is of another chain.
        """
        self.path = path
        self.book = book
        self.intent: Intent | None = None
        self.attempts: list[Attempt] = []
        self.next_nonces: dict[str, int] = {}
        self._file = self._lock(path)
        lines = self._whole_lines()
        self._empty = len(lines) <= 1
        if not lines:
            self._append("began", chain)
        elif lines[0]["began"] != chain:
            self._file.close()
            raise ForeignRecordError(
                f"{path} is of chain {lines[0]['began']['chain_id']}, genesis "
                f"{lines[0]['began']['genesis_hash']}: connect to that chain, or remove the file"
            )
        for line in lines[1:]:
            ((kind, document),) = line.items()
            self._apply(kind, document)

    @staticmethod
    def _lock(path: Path) -> TextIOWrapper:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise DeploymentError(f"another process is deploying: it holds {path}") from None
        if os.fstat(file.fileno()).st_nlink == 0:
            file.close()
            raise DeploymentError(f"another process just finished with {path}: run again")
        return file

    def _whole_lines(self) -> list[Json]:
        """Read what was written whole, and cut off the line that a crash tore."""
        self._file.seek(0)
        text = self._file.read()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._file.truncate(len(whole.encode()))
        return [json.loads(line) for line in whole.splitlines()]

    def _append(self, kind: str, document: Json) -> None:
        self._file.write(json.dumps({kind: document}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _apply(self, kind: str, document: Json) -> None:
        if kind == "intent":
            creates = document.pop("creates")
            self.intent = Intent(**document, creates=Contract(**creates) if creates else None)
            self.attempts = []
        elif kind == "attempt":
            self.attempts.append(Attempt(**document))
        elif kind == "adopted":
            self.book.add(Contract(**document))
        else:
            self._settle(kind, document)

    def _settle(self, kind: str, document: Json) -> None:
        intent = self.intent
        if intent is None:
            raise DeploymentError(f"{self.path} tells of an end without a beginning")
        self.intent = None
        if kind == "displaced":
            return
        self.next_nonces[intent.sender] = intent.nonce + 1
        self.book.gas[intent.step] = self.book.gas.get(intent.step, 0) + document["gas_used"]
        if kind == "mined" and intent.creates is not None:
            at = {"transaction": document["transaction"], "block": document["block"]}
            self.book.add(replace(intent.creates, **at))

    def intend(self, intent: Intent) -> None:
        """Write down a transaction before its first attempt."""
        self._write("intent", asdict(intent))

    def attempt(self, attempt: Attempt) -> None:
        """Write down a signed transaction before it is sent."""
        self._write("attempt", asdict(attempt))

    def mined(self, transaction: str, block: int, gas_used: int) -> None:
        """Write down that the intent is done."""
        self._write("mined", {"transaction": transaction, "block": block, "gas_used": gas_used})

    def reverted(self, transaction: str, gas_used: int) -> None:
        """Write down that the intent was mined and did nothing."""
        self._write("reverted", {"transaction": transaction, "gas_used": gas_used})

    def displaced(self) -> None:
        """Write down that another transaction took the intent's nonce."""
        self._write("displaced", {})

    def adopt(self, contract: Contract) -> None:
        """Enter a contract that another one created."""
        self._write("adopted", asdict(contract))

    def _write(self, kind: str, document: Json) -> None:
        self._append(kind, document)
        self._apply(kind, document)
        self._empty = False

    def finish(self) -> None:
        """Remove the journal: the record says it all."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the journal, and leave it for the next run, unless nothing was sent."""
        if self._empty:
            self.path.unlink(missing_ok=True)
        self._file.close()
