"""Calls and transactions at a chosen second, unix time."""

from __future__ import annotations

import ape
import world
from eth_abi import decode


def go_to(second: int) -> None:
    """Make the next transaction's block one of this second."""
    ape.chain.pending_timestamp = second


def call_at(second: int, method, *arguments: object, sender: str = world.ZERO) -> dict:
    """Simulate a transaction in a block of this second."""
    request = {
        "from": sender,
        "to": method.contract.address,
        "data": "0x" + world.calldata(method, *arguments).hex(),
    }
    block = {"time": hex(second)}
    provider = ape.chain.provider.web3.provider
    return provider.make_request("eth_call", [request, "pending", {}, block])


def view_at(second: int, method, types: list[str], *arguments: object) -> tuple:
    """What a view answers in a block of this second."""
    return decode(types, bytes.fromhex(call_at(second, method, *arguments)["result"][2:]))


def assert_reverts_at(second, method, arguments, sender, error: str, *values: object) -> None:
    """Assert that a call reverts in that second with exactly this error and these arguments."""
    answer = call_at(second, method, *arguments, sender=sender.address)
    assert "error" in answer, f"{method} did not revert at {second}"
    assert answer["error"].get("data") == world.error_bytes(error, *values)


def assert_passes_at(second, method, arguments, sender) -> None:
    """Assert that a call does not revert in that second."""
    answer = call_at(second, method, *arguments, sender=sender.address)
    assert "error" not in answer, f"{method} reverted at {second}: {answer['error']}"
