"""What a node's answer to ``eth_sendRawTransaction`` means. Pure.

Words: go-ethereum ``core/txpool/errors.go`` and ``core/error.go``, Erigon and anvil, lower-cased.
An answer that is not understood is ``unknown``: the node may have taken the transaction.
"""

from typing import Literal

from indexer.errors import RpcError, RpcUnavailable

Answer = Literal[
    "accepted",
    "nonce_too_low",
    "nonce_gap",
    "underpriced",
    "no_gas_money",
    "invalid",
    "unknown",
]

_WORDS: tuple[tuple[Answer, tuple[str, ...]], ...] = (
    (
        "accepted",
        ("already known", "already imported", "same hash was already imported", "alreadyknown"),
    ),
    ("nonce_too_low", ("nonce too low", "nonce is too low", "oldnonce")),
    ("nonce_gap", ("nonce too high", "nonce gap", "gapped")),
    (
        "underpriced",
        (
            "replacement transaction underpriced",
            "transaction underpriced",
            "tip below minimum",
            "less than block base fee",
            "gas tip cap",
            "feetoolow",
        ),
    ),
    ("no_gas_money", ("insufficient funds", "out of gas money", "overshot")),
    (
        "invalid",
        (
            "intrinsic gas",
            "exceeds block gas limit",
            "exceeds transaction gas limit",
            "tx gas cap",
            "gas limit too high",
            "oversized data",
            "invalid sender",
            "invalid chain id",
        ),
    ),
)


def classify(outcome: object) -> Answer:
    """Say what one node's answer means.

    Args:
        outcome: A transaction hash, or the error that was raised instead.
    """
    if isinstance(outcome, RpcUnavailable):
        return "unknown"
    if not isinstance(outcome, RpcError):
        return "accepted"
    words = outcome.message.lower()
    if words.startswith("known transaction"):
        return "accepted"
    for answer, signs in _WORDS:
        if any(sign in words for sign in signs):
            return answer
    return "unknown"


def strongest(answers: list[Answer]) -> Answer:
    """Combine the answers of several nodes: one that took it is enough."""
    order: tuple[Answer, ...] = (
        "accepted",
        "unknown",
        "nonce_too_low",
        "underpriced",
        "no_gas_money",
        "nonce_gap",
        "invalid",
    )
    return next((answer for answer in order if answer in answers), "unknown")
