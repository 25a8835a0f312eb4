"""``eth_signTransaction`` as the wallet service answers it, honestly or not."""

from typing import Any, Literal

from eth_account import Account

from stack.fakes.remote_signer.vault import StoredWallet
from stack.fakes.remote_signer.words import hex_data, invalid, quantity

Lie = Literal["wrong_key", "changed_field"]


def sign(wallet: StoredWallet, body: dict[str, Any], lie: Lie | None) -> dict[str, Any]:
    """Sign a whole EIP-1559 transaction; nothing is filled in and nothing is sent.

    Args:
        wallet: Whose key signs.
        body: The RPC request.
        lie: What the answer gets wrong.

    Raises:
        Refused: The request is not one to sign, or lacks a field.
    """
    if body.get("method") != "eth_signTransaction":
        raise invalid("this wallet signs transactions and does nothing else")
    params = body.get("params")
    transaction = params.get("transaction") if isinstance(params, dict) else None
    if not isinstance(transaction, dict):
        raise invalid("params.transaction is required")
    fields = _fields(transaction)
    if lie == "changed_field":
        fields["gas"] += 1
    account = Account.create() if lie == "wrong_key" else wallet.account
    signed = account.sign_transaction(fields)
    return {
        "method": "eth_signTransaction",
        "data": {
            "signed_transaction": "0x" + bytes(signed.raw_transaction).hex(),
            "encoding": "rlp",
        },
    }


def _fields(transaction: dict[str, Any]) -> dict[str, Any]:
    to = transaction.get("to")
    if transaction.get("type") != 2 or not isinstance(to, str):  # noqa: PLR2004 - EIP-1559
        raise invalid("only transactions of type 2 with a target are signed")
    return {
        "type": 2,
        "to": to,
        "chainId": quantity(transaction, "chain_id"),
        "nonce": quantity(transaction, "nonce"),
        "value": quantity(transaction, "value"),
        "data": hex_data(transaction),
        "gas": quantity(transaction, "gas_limit"),
        "maxFeePerGas": quantity(transaction, "max_fee_per_gas"),
        "maxPriorityFeePerGas": quantity(transaction, "max_priority_fee_per_gas"),
    }
