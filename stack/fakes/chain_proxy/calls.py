"""The calls of a request: how they came, what each asks, and how it is answered. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec
import rlp
from rlp.exceptions import RLPException

RAW_TRANSACTION_BYTES_MAX = 131_072
"""go-ethereum ``core/txpool/legacypool``: txMaxSize, four slots of 32 KiB."""
TRANSACTION_GAS_MAX = 2**24
"""EIP-7825."""
_TYPED_BELOW = 0xC0
_GAS_PLACE = {0x00: 2, 0x01: 3}
_GAS_PLACE_SINCE_1559 = 4


@dataclass(slots=True)
class CallAsked:
    """One call of a request; ``answer`` is set by whoever answers it."""

    id: Any
    method: str
    params: list[Any]
    answer: dict[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """The call as JSON-RPC writes it."""
        return {"jsonrpc": "2.0", "id": self.id, "method": self.method, "params": self.params}

    def succeed(self, result: object) -> None:
        """Answer with a result."""
        self.answer = {"jsonrpc": "2.0", "id": self.id, "result": result}

    def refuse(self, code: int, message: str) -> None:
        """Answer with an error."""
        self.answer = {"jsonrpc": "2.0", "id": self.id, "error": {"code": code, "message": message}}

    @property
    def result(self) -> Any:  # noqa: ANN401 - JSON-RPC results vary
        """The result of the answer; None without one."""
        return None if self.answer is None else self.answer.get("result")


@dataclass(frozen=True, slots=True)
class Asked:
    """One HTTP request."""

    calls: list[CallAsked]
    is_batch: bool


def read_request(body: bytes) -> Asked:
    """Read a request.

    Raises:
        ValueError: It is no JSON-RPC.
    """
    try:
        parsed = msgspec.json.decode(body)
        raw = parsed if isinstance(parsed, list) else [parsed]
        calls = [CallAsked(one.get("id"), one["method"], one.get("params") or []) for one in raw]
    except (msgspec.DecodeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a JSON-RPC request: {error}") from error
    return Asked(calls, isinstance(parsed, list))


def raw_transaction(call: CallAsked) -> bytes | None:
    """The signed transaction that a call sends; None for any other call."""
    if call.method != "eth_sendRawTransaction":
        return None
    return bytes.fromhex(str(call.params[0]).removeprefix("0x"))


def hold_to_limits(call: CallAsked) -> None:
    """Refuse what public pools refuse; see the constants for where that is written."""
    raw = raw_transaction(call)
    if raw is not None:
        if len(raw) > RAW_TRANSACTION_BYTES_MAX:
            limit = RAW_TRANSACTION_BYTES_MAX
            call.refuse(-32000, f"oversized data: transaction size {len(raw)}, limit {limit}")
            return
        gas = _gas_of(raw)
    elif call.method == "eth_sendTransaction":
        gas = int(call.params[0].get("gas", "0x0"), 16)
    else:
        return
    if gas > TRANSACTION_GAS_MAX:
        cap = TRANSACTION_GAS_MAX
        call.refuse(-32000, f"transaction gas limit too high (cap: {cap}, tx: {gas})")


def block_named(call: CallAsked) -> int | None:
    """The height that a call names, of a range the first; None when it names none."""
    place = {"eth_getBlockByNumber": 0, "eth_getBlockReceipts": 0, "eth_getLogs": 0}.get(
        call.method, 1
    )
    named = call.params[place] if len(call.params) > place else None
    if isinstance(named, dict):
        named = named.get("fromBlock", named.get("blockNumber"))
    return as_height(named)


def as_height(value: object) -> int | None:
    """A height written in hex; None for tags, hashes and anything else."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > len("0x") + 16:
        return None
    return int(value, 16)


def block_answered(call: CallAsked) -> int | None:
    """The height of the block that a call's answer speaks of; None when it names none."""
    result = call.result
    if isinstance(result, list):
        result = result[0] if result else None
    if not isinstance(result, dict):
        return None
    return as_height(result.get("blockNumber", result.get("number")))


def _gas_of(raw: bytes) -> int:
    """Gas limit of a signed transaction; 0 when it cannot be read: its node says so better."""
    try:
        kind = raw[0] if raw[0] < _TYPED_BELOW else 0
        fields = rlp.decode(raw[1:] if raw[0] < _TYPED_BELOW else raw)
        return int.from_bytes(fields[_GAS_PLACE.get(kind, _GAS_PLACE_SINCE_1559)], "big")
    except (RLPException, IndexError, TypeError):
        return 0
