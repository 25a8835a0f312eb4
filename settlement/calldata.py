"""Calldata of every call settlement makes, encoded by signature.

Signatures and selectors are Oak's (``ICampaignInfoFactory``, ``ITreasuryFactory``,
``IPaymentTreasury``, ``IGlobalParams``), but for ``settleBatch``, which only our treasuries have; a
test compares them with the committed artifacts.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from indexer.chain.types import ZERO_ADDRESS, Address, PaymentId, TokenAmount
from indexer.errors import InvariantError
from settlement.types import DueRequest

_LINES = "(bytes32,uint256)[][]"
CREATE_CAMPAIGN_SIGNATURE = (
    "createCampaign(address,bytes32,bytes32[],bytes32[],bytes32[],"
    "(uint256,uint256,uint256,bytes32),string,string,string,string)"
)
DEPLOY_SIGNATURE = "deploy(bytes32,address,uint256)"
CREATE_PAYMENTS_SIGNATURE = (
    "createPaymentBatch(bytes32[],bytes32[],bytes32[],address[],uint256[],uint256[],"
    f"{_LINES},{_LINES})"
)
CONFIRM_PAYMENTS_SIGNATURE = "confirmPaymentBatch(bytes32[],address[])"
SETTLE_PAYMENTS_SIGNATURE = "settleBatch(address,(bytes32,bytes32,bytes32,address,uint256)[])"
CANCEL_PAYMENT_SIGNATURE = "cancelPayment(bytes32)"
CLAIM_REFUND_SIGNATURE = "claimRefund(bytes32,address)"
WITHDRAW_SIGNATURE = "withdraw()"
DISBURSE_FEES_SIGNATURE = "disburseFees()"
TRANSFER_SIGNATURE = "transfer(address,uint256)"
BALANCE_OF_SIGNATURE = "balanceOf(address)"
GET_FROM_REGISTRY_SIGNATURE = "getFromRegistry(bytes32)"

RECEIPT_SYMBOL = "LSTR"
TITLE_CHARACTERS_MAX = 64
"""Longer names only cost gas."""

_MAX_PAYMENT_EXPIRATION = keccak(b"maxPaymentExpiration")
_SELECTOR_BYTES = 4
_JSON_UNSAFE = frozenset('"\\')  # CampaignInfo refuses them in a name: they would break its JSON


def selector(signature: str) -> bytes:
    """First four bytes of a signature's hash."""
    return keccak(signature.encode())[:_SELECTOR_BYTES]


@dataclass(frozen=True, slots=True)
class CampaignTerms:
    """What ``createCampaign`` fixes."""

    creator: Address
    identifier_hash: bytes
    platform_hash: bytes
    launch_at: datetime
    deadline_at: datetime
    goal_base_units: TokenAmount
    currency: str
    title: str


def create_campaign(terms: CampaignTerms) -> bytes:
    """``CampaignInfoFactory.createCampaign`` for one platform, without platform data or images."""
    config = (
        int(terms.launch_at.timestamp()),
        int(terms.deadline_at.timestamp()),
        terms.goal_base_units,
        terms.currency.encode("ascii").ljust(32, b"\0"),
    )
    return _call(
        CREATE_CAMPAIGN_SIGNATURE,
        terms.creator,
        terms.identifier_hash,
        [terms.platform_hash],
        [],
        [],
        config,
        receipt_name(terms.title),
        RECEIPT_SYMBOL,
        "",
        "",
    )


def deploy_treasury(platform_hash: bytes, campaign: Address, implementation_id: int) -> bytes:
    """``TreasuryFactory.deploy``."""
    return _call(DEPLOY_SIGNATURE, platform_hash, campaign, implementation_id)


def create_payments(requests: Sequence[DueRequest], expiration: datetime) -> bytes:
    """``createPaymentBatch`` without line items or external fees; one expiry for all."""
    empty: list[list[tuple[bytes, int]]] = [[] for _ in requests]
    return _call(
        CREATE_PAYMENTS_SIGNATURE,
        [request.payment_id for request in requests],
        [request.buyer_commitment for request in requests],
        [request.item_id for request in requests],
        [request.token for request in requests],
        [request.amount_base_units for request in requests],
        [int(expiration.timestamp())] * len(requests),
        empty,
        empty,
    )


def confirm_payments(payment_ids: Sequence[PaymentId]) -> bytes:
    """``confirmPaymentBatch`` without buyer addresses: no receipt NFT, no foreign code runs."""
    return _call(CONFIRM_PAYMENTS_SIGNATURE, list(payment_ids), [ZERO_ADDRESS] * len(payment_ids))


def settle_payments(requests: Sequence[DueRequest]) -> bytes:
    """``settleBatch`` without buyer addresses: nobody may mint a receipt for these payments.

    Raises:
        InvariantError: The payments are of several tokens; one call is of one.
    """
    (token, *others) = {request.token for request in requests}
    if others:
        raise InvariantError("one settleBatch was to carry payments of several tokens")
    settlements = [
        (
            request.payment_id,
            request.buyer_commitment,
            request.item_id,
            ZERO_ADDRESS,
            request.amount_base_units,
        )
        for request in requests
    ]
    return _call(SETTLE_PAYMENTS_SIGNATURE, token, settlements)


def cancel_payment(payment_id: PaymentId) -> bytes:
    """``cancelPayment`` of one that is not confirmed."""
    return _call(CANCEL_PAYMENT_SIGNATURE, payment_id)


def claim_refund(payment_id: PaymentId, recipient: Address) -> bytes:
    """``claimRefund`` of a confirmed payment without receipt, its tokens to ``recipient``."""
    return _call(CLAIM_REFUND_SIGNATURE, payment_id, recipient)


def withdraw() -> bytes:
    """``withdraw``: all that is available, less fees, to the campaign's owner."""
    return _call(WITHDRAW_SIGNATURE)


def disburse_fees() -> bytes:
    """``disburseFees``: what was set aside, to the protocol's and the platform's admins."""
    return _call(DISBURSE_FEES_SIGNATURE)


def transfer(recipient: Address, amount: TokenAmount) -> bytes:
    """ERC-20 ``transfer``."""
    return _call(TRANSFER_SIGNATURE, recipient, amount)


def balance_of(holder: Address) -> bytes:
    """ERC-20 ``balanceOf``."""
    return _call(BALANCE_OF_SIGNATURE, holder)


def max_payment_expiration_keys(platform_hash: bytes) -> tuple[bytes, bytes]:
    """Calldata that reads the longest payment life: the platform's own, then the global one.

    Source: ``DataRegistryKeys.scopedToPlatform``, keccak256(abi.encode(key, platformHash)).
    """
    scoped = keccak(encode(["bytes32", "bytes32"], [_MAX_PAYMENT_EXPIRATION, platform_hash]))
    return (
        _call(GET_FROM_REGISTRY_SIGNATURE, scoped),
        _call(GET_FROM_REGISTRY_SIGNATURE, _MAX_PAYMENT_EXPIRATION),
    )


def read_uint(answer: bytes) -> int:
    """Read the one word that a view answered.

    Raises:
        ValueError: It is not one word.
    """
    if len(answer) != 32:  # noqa: PLR2004 - one ABI word
        raise ValueError(f"expected one word, got {len(answer)} bytes: is a contract there?")
    return int(decode(["uint256"], answer)[0])


def receipt_name(title: str) -> str:
    """Fold a title into what CampaignInfo accepts: printable ASCII, no quotes, no backslashes."""
    folded = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    kept = "".join(sign for sign in folded if sign.isprintable() and sign not in _JSON_UNSAFE)
    return kept.strip()[:TITLE_CHARACTERS_MAX] or "Campaign"


def internal_payment_id(payment_id: PaymentId) -> bytes:
    """The treasury's storage key of an off-chain payment, which ``PaymentAlreadyExist`` names.

    Source: ``BasePaymentTreasury``, keccak256(abi.encodePacked(paymentId, address(0))).
    """
    return keccak(payment_id + ZERO_ADDRESS)


def _call(signature: str, *arguments: object) -> bytes:
    return selector(signature) + encode(_types(signature), arguments)


def _types(signature: str) -> list[str]:
    """Split ``name(a,(b,c)[],d)`` into its top-level argument types."""
    inside = signature[signature.index("(") + 1 : -1]
    if not inside:
        return []
    types, depth, start = [], 0, 0
    for position, sign in enumerate(inside):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            types.append(inside[start:position])
            start = position + 1
    return [*types, inside[start:]]
