"""What an account may be made to sign: an allow-list of targets and selectors. Pure.

Everything that is not listed is refused, before any key is asked. Whoever gains the engine can then
still do nothing but what the engine does: create campaigns, settle and undo payments on treasuries
that settlement created, and pay to whom an operator asked for by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from indexer.chain.deployments import Deployment
from indexer.chain.types import ADDRESS_BYTES, Address, ChainId, Wei, address_from_hex, to_checksum
from settlement.calldata import (
    CANCEL_PAYMENT_SIGNATURE,
    CLAIM_REFUND_SIGNATURE,
    CONFIRM_PAYMENTS_SIGNATURE,
    CREATE_CAMPAIGN_SIGNATURE,
    CREATE_PAYMENTS_SIGNATURE,
    DEPLOY_SIGNATURE,
    DISBURSE_FEES_SIGNATURE,
    SETTLE_PAYMENTS_SIGNATURE,
    TRANSFER_SIGNATURE,
    WITHDRAW_SIGNATURE,
    selector,
)
from settlement.routes import EXECUTE_CALL_SIGNATURE, ThroughAdapter
from settlement.transactions import UnsignedTransaction

TREASURY_SIGNATURES: Final = (
    CREATE_PAYMENTS_SIGNATURE,
    CONFIRM_PAYMENTS_SIGNATURE,
    SETTLE_PAYMENTS_SIGNATURE,
    CANCEL_PAYMENT_SIGNATURE,
    CLAIM_REFUND_SIGNATURE,
    WITHDRAW_SIGNATURE,
    DISBURSE_FEES_SIGNATURE,
)
"""What the platform may call on a treasury."""
OWNER_SIGNATURES: Final = (WITHDRAW_SIGNATURE, DISBURSE_FEES_SIGNATURE)
"""What a campaign's creator may call on its treasury (``IPaymentTreasury``)."""

_SELECTOR_BYTES = 4
_WORD = 32
_TRANSFER = selector(TRANSFER_SIGNATURE)
_CLAIM_REFUND = selector(CLAIM_REFUND_SIGNATURE)
_EXECUTE_CALL = selector(EXECUTE_CALL_SIGNATURE)


@dataclass(frozen=True, slots=True)
class Known:
    """The accounts that settlement's own tables name, as far as they concern one account."""

    treasuries: frozenset[Address] = frozenset()
    """For a creator, those of its own campaigns."""
    wallets: frozenset[Address] = frozenset()
    """Accounts that the wallet service keeps for people."""
    token_recipients: frozenset[Address] = frozenset()
    """Whom an operator asked to transfer tokens, or to refund, to."""
    coin_recipients: frozenset[Address] = frozenset()
    """Whom an operator asked to top up with coins for gas."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """All that one account may sign on one chain."""

    chain_id: ChainId
    account: Address
    max_fee_per_gas_wei: Wei
    calls: Mapping[Address, frozenset[bytes]]
    """Contract → selectors, of treasuries and factories."""
    tokens: frozenset[Address] = frozenset()
    """ERC-20 contracts of which the account may transfer to ``token_payees``."""
    token_payees: frozenset[Address] = frozenset()
    refund_payees: frozenset[Address] = frozenset()
    """Whom ``claimRefund`` may pay."""
    coin_payees: frozenset[Address] = frozenset()
    """Whom coins may be sent to, by a transaction without calldata."""
    adapter: Address | None = None
    """The platform's forwarder, whose ``executeCall`` may wrap what the account may call."""


def platform_permissions(
    deployment: Deployment, known: Known, *, account: Address, max_fee_per_gas_wei: Wei
) -> Permissions:
    """What the platform's account may sign.

    Args:
        deployment: Where the protocol stands.
        known: Every account that settlement knows on this chain.
        account: Whose key is asked: the platform's admin, or the admin of its adapter.
        max_fee_per_gas_wei: The operator's cap.
    """
    contracts = deployment.contracts
    on_treasuries = _selectors(*TREASURY_SIGNATURES)
    own = {account, deployment.platform.admin}
    escrow = set() if contracts.refund_escrow is None else {contracts.refund_escrow}
    return Permissions(
        chain_id=ChainId(deployment.chain_id),
        account=account,
        max_fee_per_gas_wei=max_fee_per_gas_wei,
        calls={
            **dict.fromkeys(known.treasuries, on_treasuries),
            contracts.campaign_info_factory: _selectors(CREATE_CAMPAIGN_SIGNATURE),
            contracts.treasury_factory: _selectors(DEPLOY_SIGNATURE),
        },
        tokens=frozenset(token.address for token in deployment.tokens),
        token_payees=known.treasuries | known.token_recipients,
        refund_payees=known.wallets | known.token_recipients | own | escrow,
        coin_payees=known.wallets | known.coin_recipients,
        adapter=deployment.adapter,
    )


def holder_permissions(
    deployment: Deployment, known: Known, *, account: Address, max_fee_per_gas_wei: Wei
) -> Permissions:
    """What the wallet of a creator or backer may sign: no payment, no campaign, no coins.

    Args:
        deployment: Where the protocol stands.
        known: The treasuries of its own campaigns, and whom it was asked to pay.
        account: The wallet.
        max_fee_per_gas_wei: The operator's cap.
    """
    return Permissions(
        chain_id=ChainId(deployment.chain_id),
        account=account,
        max_fee_per_gas_wei=max_fee_per_gas_wei,
        calls=dict.fromkeys(known.treasuries, _selectors(*OWNER_SIGNATURES)),
        tokens=frozenset(token.address for token in deployment.tokens),
        token_payees=known.treasuries | known.token_recipients,
    )


def refusal(permissions: Permissions, transaction: UnsignedTransaction) -> str | None:
    """Why a transaction may not be signed; None when it may.

    A transaction without calldata is a no-op when it goes to the account itself, and else a top-up.
    """
    if transaction.chain_id != permissions.chain_id:
        return f"it is of chain {transaction.chain_id}, not {permissions.chain_id}"
    offered, cap = transaction.fees.max_fee_per_gas_wei, permissions.max_fee_per_gas_wei
    if offered > cap:
        return f"it offers {offered} wei per gas, and the cap is {cap}"
    if not transaction.calldata:
        return _coins_refusal(permissions, transaction.to, transaction.value_wei)
    if transaction.value_wei:
        return f"a call would carry {transaction.value_wei} wei"
    return _call_refusal(permissions, transaction.to, transaction.calldata)


def _coins_refusal(permissions: Permissions, to: Address, value_wei: Wei) -> str | None:
    if to == permissions.account:
        return f"a no-op would move {value_wei} wei" if value_wei else None
    if to not in permissions.coin_payees:
        return f"{to_checksum(to)} is no account to send coins to"
    return None


def _call_refusal(permissions: Permissions, to: Address, calldata: bytes) -> str | None:
    called, arguments = calldata[:_SELECTOR_BYTES], calldata[_SELECTOR_BYTES:]
    if to == permissions.adapter and called == _EXECUTE_CALL:
        return _wrapped_refusal(permissions, permissions.adapter, calldata)
    if to in permissions.tokens and called == _TRANSFER:
        return _payee_refusal(arguments, word=0, payees=permissions.token_payees)
    return _listed_refusal(permissions, to, calldata)


def _wrapped_refusal(permissions: Permissions, adapter: Address, calldata: bytes) -> str | None:
    """Judge what the adapter would call: a listed call, in its one canonical encoding."""
    try:
        to_text, inner = decode(["address", "bytes"], calldata[_SELECTOR_BYTES:])
    except DecodingError:
        return "what the adapter would call cannot be read"
    to = address_from_hex(to_text)
    if ThroughAdapter(adapter).lead(to, inner) != (adapter, calldata):
        return "what the adapter would call is oddly encoded"
    return _listed_refusal(permissions, to, inner)


def _listed_refusal(permissions: Permissions, to: Address, calldata: bytes) -> str | None:
    called, arguments = calldata[:_SELECTOR_BYTES], calldata[_SELECTOR_BYTES:]
    if called not in permissions.calls.get(to, frozenset()):
        return f"0x{called.hex()} on {to_checksum(to)} is no call that it may make"
    if called == _CLAIM_REFUND:
        return _payee_refusal(arguments, word=1, payees=permissions.refund_payees)
    return None


def _payee_refusal(arguments: bytes, *, word: int, payees: frozenset[Address]) -> str | None:
    """Judge whom a call of two static arguments pays.

    Args:
        arguments: Calldata after the selector.
        word: Which of its words is the payee.
        payees: Whom it may pay.
    """
    if len(arguments) != 2 * _WORD:
        return "its arguments are not two words"
    payee = arguments[word * _WORD : (word + 1) * _WORD]
    padding, address = payee[:-ADDRESS_BYTES], Address(payee[-ADDRESS_BYTES:])
    if any(padding) or address not in payees:
        return f"0x{payee.hex()} is no account that it may pay"
    return None


def _selectors(*signatures: str) -> frozenset[bytes]:
    return frozenset(selector(signature) for signature in signatures)
