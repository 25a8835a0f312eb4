"""Raw JSON-RPC to Ape's anvil, in batches: thousands of small calls, where Ape takes 20 ms each."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import ape

GAS = 8_000_000


def ask(*requests: tuple) -> list[dict]:
    """Send one batch of (method, *params); returns the answers in its order."""
    body = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, *params) in enumerate(requests)
    ]
    request = Request(  # noqa: S310 -- the address is Ape's own node
        ape.chain.provider.http_uri,
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urlopen(request, timeout=30) as response:  # noqa: S310 -- as above
        answers = json.loads(response.read())
    return sorted(answers, key=lambda answer: answer["id"])


def results(*requests: tuple) -> list:
    return [answer["result"] for answer in ask(*requests)]


def view(target: str, data: bytes) -> tuple:
    """The request of a call at the latest block."""
    return ("eth_call", {"to": target, "data": "0x" + data.hex()}, "latest")


def revert_data(sender: str, target: str, data: bytes, time: int) -> str | None:
    """What a call in a block of that time reverts with; None when it succeeds."""
    call = {"from": sender, "to": target, "data": "0x" + data.hex(), "gas": hex(GAS)}
    (answer,) = ask(("eth_call", call, "latest", None, {"time": hex(time)}))
    return answer["error"]["data"] if "error" in answer else None


def send(sender: str, target: str, data: bytes, time: int) -> bool:
    """Mine a transaction in a block of that time; true when it succeeded."""
    # Not in one batch: its requests run at the same time.
    results(("evm_setNextBlockTimestamp", time))
    call = {"from": sender, "to": target, "data": "0x" + data.hex(), "gas": hex(GAS)}
    (receipt,) = results(("eth_sendTransactionSync", call))
    return receipt["status"] == "0x1"
