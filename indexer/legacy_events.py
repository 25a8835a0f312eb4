"""Events whose shape is not today's, and those of Oak's pledge treasuries, as declarations.

A deployment emits what its code was compiled with: clones never upgrade, so every shape that was
ever deployed has to be read for ever. Source: github.com/oak-network/contracts, at the commits that
are named; a commit's events are those of its ``src``.

``abi_version`` is the generation in which a shape first appeared: 1 from c350b01 (August 2025, one
token, buyers by address), 2 from 8e8c727 (August 2025, buyers by id), 3 from bd7ad75 (October 2025,
a token in every event that moves money). Shapes that never changed count as 3.
"""

from dataclasses import dataclass
from typing import Final

from indexer.chain.types import HASH_BYTES, ZERO_ADDRESS

NO_HASH: Final = bytes(HASH_BYTES)
NO_TOKEN: Final = ("token", ZERO_ADDRESS)
"""The treasury's own: treasuries of abi_version 1 and 2 accept one token."""
_REWARDS = "(uint256,bool,bytes32[],uint256[],uint256[])[]"
_CONFIG = "(uint256,uint256,uint256,uint256,bool)"
_FEE_KEYS = "(bytes32,bytes32,bytes32[])"
_FEE_VALUES = "(uint256,uint256,uint256[])"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One event as Solidity declares it."""

    text: str
    abi_version: int = 3
    missing: tuple[tuple[str, bytes | int], ...] = ()
    """Arguments that today's shape has and this one has not, with what stands for them."""
    name: str | None = None
    """Under which rows know it, where the declared name already means something else."""


PAYMENT_CREATED_1: Final = Declaration(  # c350b01
    "PaymentCreated(bytes32 indexed paymentId, address indexed buyerAddress, "
    "bytes32 indexed itemId, uint256 amount, uint256 expiration)",
    abi_version=1,
    missing=(("buyerId", NO_HASH), ("paymentToken", ZERO_ADDRESS), ("isCryptoPayment", False)),
)
PAYMENT_CREATED_2: Final = Declaration(  # 8e8c727
    "PaymentCreated(address buyerAddress, bytes32 indexed paymentId, bytes32 buyerId, "
    "bytes32 indexed itemId, uint256 amount, uint256 expiration, bool isCryptoPayment)",
    abi_version=2,
    missing=(("paymentToken", ZERO_ADDRESS),),
)

TREASURY_DECLARATIONS: Final[tuple[Declaration, ...]] = (
    Declaration(  # c350b01 to bd7ad75
        "FeesDisbursed(uint256 protocolShare, uint256 platformShare)", 1, (NO_TOKEN,)
    ),
    Declaration(  # c350b01
        "WithdrawalSuccessful(address indexed to, uint256 amount)", 1, (NO_TOKEN,)
    ),
    # Oak's BaseTreasury did not index the recipient for a time: same topic0, one topic fewer.
    Declaration("WithdrawalSuccessful(address to, uint256 amount)", 1, (NO_TOKEN,)),
    Declaration(  # 8e8c727 to bd7ad75; KeepWhatsRaised kept it
        "WithdrawalWithFeeSuccessful(address indexed to, uint256 amount, uint256 fee)",
        2,
        (NO_TOKEN,),
    ),
    Declaration(  # KeepWhatsRaised, first version
        "WithdrawalWithFeeSuccessful(address to, uint256 amount, uint256 fee)", 2, (NO_TOKEN,)
    ),
)
"""Payment treasuries of abi_version 1 and 2, but for PaymentCreated."""

GLOBAL_PARAMS_DECLARATIONS: Final[tuple[Declaration, ...]] = (
    # Removed by bd7ad75. Whether the address was indexed is read from the number of topics; the
    # argument's name is ours.
    Declaration("TokenAddressUpdated(address indexed newTokenAddress)", 1),
    Declaration("TokenAddressUpdated(address newTokenAddress)", 1),
)

PLEDGE_DECLARATIONS: Final[tuple[Declaration, ...]] = (
    # AllOrNothing's fourth amount is a shipping fee, KeepWhatsRaised's a tip; one topic0.
    Declaration(
        "Receipt(address indexed backer, address indexed pledgeToken, bytes32 reward, "
        "uint256 pledgeAmount, uint256 tipOrShippingFee, uint256 tokenId, bytes32[] rewards)"
    ),
    Declaration(  # before bd7ad75
        "Receipt(address indexed backer, bytes32 indexed reward, uint256 pledgeAmount, "
        "uint256 tipOrShippingFee, uint256 tokenId, bytes32[] rewards)",
        2,
        (("pledgeToken", ZERO_ADDRESS),),
    ),
    Declaration("WithdrawalSuccessful(address indexed token, address to, uint256 amount)"),
    # A pledge is refunded by its receipt's number, not by a payment id: a name of its own keeps it
    # out of whatever reads RefundClaimed. KeepWhatsRaised indexes, AllOrNothing does not.
    Declaration(
        "RefundClaimed(uint256 indexed tokenId, uint256 refundAmount, address indexed claimer)",
        name="PledgeRefundClaimed",
    ),
    Declaration(
        "RefundClaimed(uint256 tokenId, uint256 refundAmount, address claimer)",
        name="PledgeRefundClaimed",
    ),
    Declaration(f"RewardsAdded(bytes32[] rewardNames, {_REWARDS} rewards)"),
    Declaration("RewardRemoved(bytes32 indexed rewardName)"),
    Declaration("WithdrawalApproved()"),
    Declaration(
        f"TreasuryConfigured({_CONFIG} config, (uint256,uint256,uint256,bytes32) campaignData, "
        f"{_FEE_KEYS} feeKeys, {_FEE_VALUES} feeValues)"
    ),
    Declaration(  # before bd7ad75 campaigns had no currency
        f"TreasuryConfigured({_CONFIG} config, (uint256,uint256,uint256) campaignData, "
        f"{_FEE_KEYS} feeKeys, {_FEE_VALUES} feeValues)",
        2,
    ),
    Declaration("TipClaimed(uint256 amount, address indexed claimer)"),
    Declaration("FundClaimed(uint256 amount, address indexed claimer)"),
    Declaration("KeepWhatsRaisedDeadlineUpdated(uint256 newDeadline)"),
    Declaration("KeepWhatsRaisedGoalAmountUpdated(uint256 newGoalAmount)"),
    Declaration("KeepWhatsRaisedPaymentGatewayFeeSet(bytes32 indexed pledgeId, uint256 fee)"),
    Declaration("SuccessConditionNotFulfilled()"),
)
"""Oak's AllOrNothing and KeepWhatsRaised treasuries."""
