"""Why a call reverted, and whose fault that is. Pure.

Selectors are those of Oak's ``IPaymentTreasury`` and its neighbours, computed from the signatures.
"""

from dataclasses import dataclass
from typing import Final, Literal

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from indexer.chain.types import TokenAmount, to_hex
from settlement.calldata import selector

Blame = Literal["item", "treasury", "funds", "known", "node", "unknown"]
"""item: one payment is at fault, and named. treasury: no payment can pass now. funds: the treasury
holds too few tokens. known: the payment is already where the call would bring it, so the index will
tell. node: no revert at all, the node would not try the call. unknown: not said."""


@dataclass(frozen=True, slots=True)
class Revert:
    """A decoded revert."""

    blame: Blame
    reason: str
    payment: bytes | None = None
    """The payment id the error names; the treasury's internal id if ``known`` by creation."""
    expired: bool = False
    permanent: bool = True
    """False where another node, or the next block, may see it otherwise."""
    missing: TokenAmount | None = None
    """funds: base units that the treasury lacks for the call, beyond all it confirmed before."""
    amount: TokenAmount | None = None
    """The amount at fault, where the error names a value instead of a payment; base units."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing was said at all: so a contract refuses a call it does not know."""
        return self.reason == _SILENT


@dataclass(frozen=True, slots=True)
class _Meaning:
    signature: str
    blame: Blame
    words: str
    names: Literal["payment", "amount"] | None = None
    """What its first, or last, argument names."""


NOT_CREATED = "not created on-chain"
EXPIRED = "expired on-chain"
NOTHING_TO_WITHDRAW = "nothing is left to withdraw"
_SILENT: Final = "reverted without saying why"

_T = "PaymentTreasury"
_SHORT = f"{_T}InsufficientBalance(uint256,uint256)"
_MEANINGS = (
    _Meaning(f"{_T}PaymentNotExist(bytes32)", "item", NOT_CREATED, "payment"),
    _Meaning(f"{_T}PaymentAlreadyExpired(bytes32)", "item", EXPIRED, "payment"),
    _Meaning(f"{_T}CryptoPayment(bytes32)", "item", "a crypto payment has this id", "payment"),
    _Meaning(f"{_T}PaymentAlreadyConfirmed(bytes32)", "known", "already confirmed", "payment"),
    _Meaning(f"{_T}PaymentAlreadyExist(bytes32)", "known", "already created", "payment"),
    _Meaning(
        "SafeCastOverflowedUintDowncast(uint8,uint256)",
        "item",
        "larger than the treasury can keep",
        "amount",
    ),
    _Meaning(_SHORT, "funds", "treasury short of tokens"),
    _Meaning(f"{_T}PaymentNotConfirmed(bytes32)", "item", "not confirmed on-chain", "payment"),
    _Meaning(f"{_T}PaymentNotClaimable(bytes32,uint8)", "treasury", "too few tokens to refund"),
    _Meaning("PlatformRefundsClosed(bytes32)", "treasury", "refunds are the goal's to decide"),
    _Meaning(f"{_T}AlreadyWithdrawn()", "known", NOTHING_TO_WITHDRAW),
    _Meaning(
        f"{_T}InsufficientFundsForFee(uint256,uint256)", "treasury", "less is there than the fees"
    ),
    _Meaning("GoalNotReached(uint256,uint256)", "treasury", "the goal is not reached"),
    _Meaning("GoalNotDecided(uint256)", "treasury", "the goal is not decided"),
    _Meaning("CurrentTimeIsLess(uint256,uint256)", "treasury", "too early"),
    _Meaning(f"{_T}TokenNotAccepted(address)", "treasury", "token not accepted"),
    _Meaning(f"{_T}CampaignInfoIsPaused()", "treasury", "campaign paused or cancelled"),
    _Meaning("PausedError()", "treasury", "treasury paused"),
    _Meaning("CancelledError()", "treasury", "treasury cancelled"),
    _Meaning("AccessCheckerUnauthorized()", "treasury", "the signer is not the platform admin"),
    _Meaning(
        "AdminAccessCheckerUnauthorized()", "treasury", "the signer is not the platform admin"
    ),
    _Meaning("CurrentTimeIsNotWithinRange(uint256,uint256)", "treasury", "outside time window"),
    _Meaning("GlobalParamsPlatformNotListed(bytes32)", "treasury", "platform not listed"),
    _Meaning(f"{_T}ExpirationNotInFuture()", "treasury", "expiration not in the future"),
    _Meaning(f"{_T}ExpirationExceedsMax(uint256,uint256)", "treasury", "expiration too far away"),
    _Meaning(f"{_T}ArrayTooLong()", "unknown", "batch longer than the treasury takes"),
    _Meaning(f"{_T}InvalidInput(uint8)", "unknown", "invalid input"),
    _Meaning(f"{_T}ZeroPaymentId()", "unknown", "zero payment id"),
    _Meaning(f"{_T}ZeroBuyerId()", "unknown", "zero buyer commitment"),
    _Meaning(f"{_T}ZeroItemId()", "unknown", "zero item id"),
    _Meaning(f"{_T}ZeroAmount()", "unknown", "zero amount"),
    _Meaning("CampaignInfoFactoryInvalidInput(uint8)", "unknown", "campaign terms refused"),
    _Meaning(
        "CampaignInfoFactoryCampaignWithSameIdentifierExists(bytes32,address)",
        "known",
        "a campaign has this identifier already",
    ),
    _Meaning("CampaignInfoFactoryPlatformNotListed(bytes32)", "treasury", "platform not listed"),
    _Meaning(
        "CampaignInfoFactoryCampaignInitializationFailed()", "unknown", "campaign terms refused"
    ),
    _Meaning("CampaignInfoInvalidTokenList()", "treasury", "no token stands for the currency"),
    _Meaning(
        "TreasuryFactoryImplementationNotSetOrApproved()",
        "treasury",
        "treasury implementation not approved",
    ),
    _Meaning("TreasuryFactoryInvalidCampaignInfo()", "unknown", "not a campaign of the factory"),
    _Meaning(
        "TreasuryFactorySettingPlatformInfoFailed()",
        "unknown",
        "the campaign refused the treasury: paused, cancelled, over, or it has one already",
    ),
    _Meaning(
        "ERC20InsufficientBalance(address,uint256,uint256)", "funds", "signer short of tokens"
    ),
    _Meaning("Error(string)", "unknown", "refused"),
    _Meaning("Panic(uint256)", "unknown", "panicked"),
)
_BY_SELECTOR = {selector(meaning.signature): meaning for meaning in _MEANINGS}
_SELECTOR_BYTES = 4


def decode_revert(revert: bytes | None) -> Revert:
    """Read revert data.

    Args:
        revert: The node's ``error.data``; None or empty when it gave none.
    """
    if not revert:
        return Revert("unknown", _SILENT)
    meaning = _BY_SELECTOR.get(revert[:_SELECTOR_BYTES])
    if meaning is None:
        return Revert("unknown", f"reverted with {to_hex(revert[:_SELECTOR_BYTES])}")
    arguments = _arguments(meaning, revert[_SELECTOR_BYTES:])
    shown = ", ".join(to_hex(a) if isinstance(a, bytes) else str(a) for a in arguments)
    payment = arguments[0] if meaning.names == "payment" and arguments else None
    amount = arguments[-1] if meaning.names == "amount" and arguments else None
    return Revert(
        blame=meaning.blame,
        reason=f"{meaning.words} ({shown})" if shown else meaning.words,
        payment=payment if isinstance(payment, bytes) else None,
        expired=meaning.words == EXPIRED,
        permanent=meaning.words != NOT_CREATED,
        missing=_missing(meaning, arguments),
        amount=TokenAmount(amount) if isinstance(amount, int) else None,
    )


def _missing(meaning: _Meaning, arguments: tuple[object, ...]) -> TokenAmount | None:
    """What ``InsufficientBalance(required, available)`` says is missing."""
    match arguments:
        case (int(required), int(available)) if meaning.signature == _SHORT:
            return TokenAmount(required - available)
        case _:
            return None


def _arguments(meaning: _Meaning, body: bytes) -> tuple[object, ...]:
    types = meaning.signature[meaning.signature.index("(") + 1 : -1]
    if not types:
        return ()
    try:
        return tuple(decode(types.split(","), body))
    except DecodingError:
        return ()
