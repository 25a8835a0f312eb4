"""The events Lastro reads: what each carries, and which kind of contract may emit it.

Source: the contracts' interfaces (``contracts/interfaces``), Oak's history (``legacy_events``) and
OpenZeppelin's ``IERC20``; tests compare this registry with the committed ABIs. topic0 is the
keccak-256 of the signature. OpenZeppelin's own events (ownership, roles, proxies, approvals) are
not read: their topics are everybody's, and no row rests on them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from indexer.chain.trie import keccak
from indexer.legacy_events import (
    GLOBAL_PARAMS_DECLARATIONS,
    PAYMENT_CREATED_1,
    PAYMENT_CREATED_2,
    PLEDGE_DECLARATIONS,
    TREASURY_DECLARATIONS,
    Declaration,
)
from indexer.signatures import split_types

HotFact = Literal["payments_created", "payments_confirmed", "token_transfers"]
"""Fact tables that state all of an event; every other event stands in ``logs``."""


class Emitter(Enum):
    """A kind of contract whose word on an event counts."""

    GLOBAL_PARAMS = "global_params"
    CAMPAIGN_FACTORY = "campaign_factory"
    TREASURY_FACTORY = "treasury_factory"
    CAMPAIGN = "campaign"
    TREASURY = "treasury"
    REFUND_ESCROW = "refund_escrow"
    ERC20 = "erc20"


@dataclass(frozen=True, slots=True)
class Argument:
    """One event argument, as the ABI declares it."""

    name: str
    type: str
    indexed: bool


@dataclass(frozen=True, slots=True)
class EventType:
    """One event in one shape: a name may have several, each with its own topic0."""

    name: str
    """As rows know it; that of the declaration, but for the refunds of pledge treasuries."""
    arguments: tuple[Argument, ...]
    emitters: frozenset[Emitter]
    topic0: bytes
    signature: str
    """Canonical signature, ``Name(type,…)``."""
    abi_version: int = 3
    """Of Oak's: 1 and 2 are the one-token shapes of 2025, 3 is the current one."""
    fact: HotFact | None = None
    """The hot fact table that states this event in full; None: it stands in ``logs``."""
    missing: tuple[tuple[str, bytes | int], ...] = ()
    """What decoding adds, so that every shape of a name has the arguments of the current one."""

    @property
    def indexed(self) -> tuple[Argument, ...]:
        """The arguments that are topics, in order."""
        return tuple(one for one in self.arguments if one.indexed)

    @property
    def plain(self) -> tuple[Argument, ...]:
        """The arguments that are data, in order."""
        return tuple(one for one in self.arguments if not one.indexed)


def _event(
    declaration: str | Declaration, *emitters: Emitter, fact: HotFact | None = None
) -> EventType:
    """Read ``Name(type [indexed] name, …)`` as Solidity writes it."""
    declared = Declaration(declaration) if isinstance(declaration, str) else declaration
    name, _, rest = declared.text.partition("(")
    arguments = []
    for part in split_types(rest[:-1]):
        kind, *modifier, label = part.split()
        arguments.append(Argument(name=label, type=kind, indexed="indexed" in modifier))
    signature = f"{name}({','.join(argument.type for argument in arguments)})"
    return EventType(
        name=declared.name or name,
        arguments=tuple(arguments),
        emitters=frozenset(emitters),
        topic0=keccak(signature.encode()),
        signature=signature,
        abi_version=declared.abi_version,
        fact=fact,
        missing=declared.missing,
    )


CAMPAIGN_CREATED = _event(
    "CampaignInfoFactoryCampaignCreated(bytes32 indexed identifierHash, "
    "address indexed campaignInfoAddress)",
    Emitter.CAMPAIGN_FACTORY,
)
TREASURY_DEPLOYED = _event(
    "TreasuryFactoryTreasuryDeployed(bytes32 indexed platformHash, "
    "uint256 indexed implementationId, address indexed infoAddress, address treasuryAddress)",
    Emitter.TREASURY_FACTORY,
)
PAYMENT_CREATED = _event(
    "PaymentCreated(address buyerAddress, bytes32 indexed paymentId, bytes32 buyerId, "
    "bytes32 indexed itemId, address indexed paymentToken, uint256 amount, uint256 expiration, "
    "bool isCryptoPayment)",
    Emitter.TREASURY,
    fact="payments_created",
)
PAYMENT_CREATED_BY_BUYER_ID = _event(PAYMENT_CREATED_2, Emitter.TREASURY, fact="payments_created")
PAYMENT_CREATED_BY_ADDRESS = _event(PAYMENT_CREATED_1, Emitter.TREASURY, fact="payments_created")
PAYMENT_CONFIRMED = _event(
    "PaymentConfirmed(bytes32 indexed paymentId)", Emitter.TREASURY, fact="payments_confirmed"
)
PAYMENT_BATCH_CONFIRMED = _event(
    "PaymentBatchConfirmed(bytes32[] paymentIds)", Emitter.TREASURY, fact="payments_confirmed"
)
PAYMENT_CANCELLED = _event("PaymentCancelled(bytes32 indexed paymentId)", Emitter.TREASURY)
REFUND_CLAIMED = _event(
    "RefundClaimed(bytes32 indexed paymentId, uint256 refundAmount, address indexed claimer)",
    Emitter.TREASURY,
)
SURPLUS_SWEPT = _event(
    "SurplusSwept(address indexed token, address indexed to, uint256 amount)", Emitter.TREASURY
)
TRANSFER = _event(
    "Transfer(address indexed from, address indexed to, uint256 value)",
    Emitter.ERC20,
    fact="token_transfers",
)

PROTOCOL_EVENTS: Final[tuple[EventType, ...]] = (
    CAMPAIGN_CREATED,
    TREASURY_DEPLOYED,
    PAYMENT_CREATED,
    PAYMENT_CREATED_BY_BUYER_ID,
    PAYMENT_CREATED_BY_ADDRESS,
    PAYMENT_CONFIRMED,
    PAYMENT_BATCH_CONFIRMED,
    PAYMENT_CANCELLED,
    REFUND_CLAIMED,
    SURPLUS_SWEPT,
    _event("PaymentBatchCreated(bytes32[] paymentIds)", Emitter.TREASURY),
    _event(
        "FeesDisbursed(address indexed token, uint256 protocolShare, uint256 platformShare)",
        Emitter.TREASURY,
    ),
    _event(
        "WithdrawalWithFeeSuccessful(address indexed token, address indexed to, uint256 amount, "
        "uint256 fee)",
        Emitter.TREASURY,
    ),
    _event(
        "NonGoalLineItemsClaimed(address indexed token, uint256 amount, "
        "address indexed platformAdmin)",
        Emitter.TREASURY,
    ),
    _event(
        "ExpiredFundsClaimed(address indexed token, uint256 platformAmount, "
        "uint256 protocolAmount)",
        Emitter.TREASURY,
    ),
    _event(
        "PaymentExtrasRecorded(bytes32 indexed paymentId, bytes32 lineItemsHash, "
        "bytes32 externalFeesHash, uint256 goal, uint256 refundable, uint256 claimable, "
        "uint256 instant, uint256 fee)",
        Emitter.TREASURY,
    ),
    _event("GoalReached(uint256 raised, uint256 goal)", Emitter.TREASURY),
    _event("GoalMissed(uint256 raised, uint256 goal)", Emitter.TREASURY),
    _event(
        "RefundDeposited(address indexed treasury, bytes32 indexed paymentId, "
        "address indexed token, uint256 amount)",
        Emitter.REFUND_ESCROW,
    ),
    _event(
        "RefundPaidBack(address indexed treasury, bytes32 indexed paymentId, "
        "address indexed token, uint256 amount, bytes32 fiatRefundReference)",
        Emitter.REFUND_ESCROW,
    ),
    _event("Paused(address indexed account, bytes32 reason)", Emitter.TREASURY, Emitter.CAMPAIGN),
    _event("Unpaused(address indexed account, bytes32 reason)", Emitter.TREASURY, Emitter.CAMPAIGN),
    _event(
        "Cancelled(address indexed account, bytes32 reason)", Emitter.TREASURY, Emitter.CAMPAIGN
    ),
    _event(
        "CampaignInfoPlatformInfoUpdated(bytes32 indexed platformHash, "
        "address indexed platformTreasury)",
        Emitter.CAMPAIGN,
    ),
    _event(
        "CampaignInfoSelectedPlatformUpdated(bytes32 indexed platformHash, bool selection)",
        Emitter.CAMPAIGN,
    ),
    _event("CampaignInfoLaunchTimeUpdated(uint256 newLaunchTime)", Emitter.CAMPAIGN),
    _event("CampaignInfoDeadlineUpdated(uint256 newDeadline)", Emitter.CAMPAIGN),
    _event("CampaignInfoGoalAmountUpdated(uint256 newGoalAmount)", Emitter.CAMPAIGN),
    _event(
        "PledgeNFTMinted(uint256 indexed tokenId, address indexed backer, "
        "address indexed treasury, bytes32 reward)",
        Emitter.CAMPAIGN,
    ),
    _event("ImageURIUpdated(string newImageURI)", Emitter.CAMPAIGN),
    _event("ContractURIUpdated(string newContractURI)", Emitter.CAMPAIGN),
    _event("CampaignInfoFactoryCampaignInitialized()", Emitter.CAMPAIGN_FACTORY),
    _event(
        "CampaignInfoFactoryImplementationUpdated(address indexed newImplementation)",
        Emitter.CAMPAIGN_FACTORY,
    ),
    _event(
        "TreasuryImplementationRegistered(bytes32 indexed platformHash, "
        "uint256 indexed implementationId, address indexed implementation)",
        Emitter.TREASURY_FACTORY,
    ),
    _event(
        "TreasuryImplementationRemoved(bytes32 indexed platformHash, "
        "uint256 indexed implementationId)",
        Emitter.TREASURY_FACTORY,
    ),
    _event(
        "TreasuryImplementationApproval(address indexed implementation, bool isApproved)",
        Emitter.TREASURY_FACTORY,
    ),
    _event(
        "PlatformEnlisted(bytes32 indexed platformHash, address indexed platformAdminAddress, "
        "uint256 platformFeePercent)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event("PlatformDelisted(bytes32 indexed platformHash)", Emitter.GLOBAL_PARAMS),
    _event(
        "PlatformAdminAddressUpdated(bytes32 indexed platformHash, "
        "address indexed newAdminAddress)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event(
        "PlatformAdapterSet(bytes32 indexed platformHash, address indexed adapter)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event("ProtocolAdminAddressUpdated(address indexed newAdminAddress)", Emitter.GLOBAL_PARAMS),
    _event("ProtocolFeePercentUpdated(uint256 newFeePercent)", Emitter.GLOBAL_PARAMS),
    _event(
        "PlatformDataAdded(bytes32 indexed platformHash, bytes32 indexed platformDataKey)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event(
        "PlatformDataRemoved(bytes32 indexed platformHash, bytes32 platformDataKey)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event(
        "TokenAddedToCurrency(bytes32 indexed currency, address indexed token)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event(
        "TokenRemovedFromCurrency(bytes32 indexed currency, address indexed token)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event("DataAddedToRegistry(bytes32 indexed key, bytes32 value)", Emitter.GLOBAL_PARAMS),
    _event(
        "PlatformClaimDelayUpdated(bytes32 indexed platformHash, uint256 claimDelay)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event(
        "PlatformLineItemTypeSet(bytes32 indexed platformHash, bytes32 indexed typeId, "
        "string label, bool countsTowardGoal, bool applyProtocolFee, bool canRefund, "
        "bool instantTransfer)",
        Emitter.GLOBAL_PARAMS,
    ),
    _event(
        "PlatformLineItemTypeRemoved(bytes32 indexed platformHash, bytes32 indexed typeId)",
        Emitter.GLOBAL_PARAMS,
    ),
    *(_event(one, Emitter.TREASURY) for one in (*TREASURY_DECLARATIONS, *PLEDGE_DECLARATIONS)),
    *(_event(one, Emitter.GLOBAL_PARAMS) for one in GLOBAL_PARAMS_DECLARATIONS),
)
"""Events looked for on the whole chain; their signatures are the protocol's own."""

_ALL: Final = (*PROTOCOL_EVENTS, TRANSFER)
EVENTS: Final[dict[bytes, EventType]] = {event.topic0: event for event in reversed(_ALL)}
"""By topic0. ``Transfer`` is everybody's: it counts only on the deployment's tokens."""

SHAPES: Final[dict[tuple[bytes, int], EventType]] = {
    (event.topic0, 1 + len(event.indexed)): event for event in reversed(_ALL)
}
"""By topic0 and number of topics: which arguments are indexed is no part of a signature."""

PROTOCOL_TOPICS: Final[tuple[bytes, ...]] = tuple(
    dict.fromkeys(event.topic0 for event in PROTOCOL_EVENTS)
)
FILTER_ID: Final = keccak(b"".join(sorted(EVENTS)))[:8].hex()
"""Names the set of topics that is asked for: what was read for another set is not complete."""
