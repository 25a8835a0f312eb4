"""The treasuries' surface is Oak's, and what is more or less than Oak's is listed.

Source: github.com/oak-network/contracts at 8280e7e. An asterisk marks an indexed argument.
"""

from __future__ import annotations

import building
import pytest
import world
from eth_utils import function_signature_to_4byte_selector, keccak

EIP_170_BYTES = 24_576
TREASURIES = sorted(building.TREASURY_KINDS.values())
LIBRARIES = ["CryptoPayments", "LineItems", "Mirrors", "OakCampaigns", "Payouts"]
TIME_CONSTRAINED = "TimeConstrainedPaymentTreasury"
PAIRS = "(bytes32,uint256)[]"
WITNESS = "(bytes32,bytes32,address)"

FUNCTIONS = {  # Oak's, with their selectors
    "initialize(bytes32,address)": "6910e334",
    "initialize(bytes32,address,address)": "88b117b3",  # of January 2026
    f"createPayment(bytes32,bytes32,bytes32,address,uint256,uint256,{PAIRS},{PAIRS})": "94850f1b",
    "createPaymentBatch(bytes32[],bytes32[],bytes32[],address[],uint256[],uint256[],"
    f"{PAIRS}[],{PAIRS}[])": "d0776fb2",
    f"processCryptoPayment(bytes32,bytes32,address,address,uint256,{PAIRS},{PAIRS},"
    "(uint256,uint256,bytes))": "6f269c0d",
    "cancelPayment(bytes32)": "c46e9678",
    "confirmPayment(bytes32,address)": "40158c5a",
    "confirmPaymentBatch(bytes32[],address[])": "6822285a",
    "claimRefund(bytes32,address)": "c6b49688",
    "claimRefund(bytes32)": "71de2ffc",
    "withdraw()": "3ccfd60b",
    "disburseFees()": "b87ea8d4",
    "claimNonGoalLineItems(address)": "f95b351f",
    "claimExpiredFunds()": "6bcefa75",
    "pauseTreasury(bytes32)": "7511edcf",
    "unpauseTreasury(bytes32)": "d0ee7517",
    "cancelTreasury(bytes32)": "a569565f",
    "getPaymentData(bytes32)": "d51ebcdd",
    "getRaisedAmount()": "8e75e482",
    "getAvailableRaisedAmount()": "989bc42b",
    "getLifetimeRaisedAmount()": "70788c2a",
    "getRefundedAmount()": "ba1e9463",
    "getExpectedAmount()": "0187075a",
    "getplatformHash()": "52c819fe",
    "getplatformFeePercent()": "4f15fc06",
    "paused()": "5c975abb",
    "cancelled()": "9a82a09a",
    "cancellationTime()": "4e5bd4d0",
}
ADDED_FUNCTIONS = {
    "MAX_BATCH_SIZE()",
    "settleBatch(address,(bytes32,bytes32,bytes32,address,uint256)[])",
    f"mintReceipt(bytes32,{WITNESS})",
    f"refundBuyer(bytes32,{WITNESS})",
    f"refundMissedGoal(bytes32[],{WITNESS}[])",
    "sweepSurplus(address)",
    f"isPaymentOf(bytes32,{WITNESS})",
    "getGoalOutcome()",
    "getRefundEscrow()",
}
EVENTS = {
    "PaymentCreated(address,bytes32*,bytes32,bytes32*,address*,uint256,uint256,bool)": (
        "ce0b25c06e4687480c23b9e37842cc50895b8ba6a17de6423d2a98f986c64906"
    ),
    "PaymentConfirmed(bytes32*)": (
        "def8694c7464fd7e748576ecb513ee836684badb6af706a381e5f6b1b39fc7cb"
    ),
    "PaymentBatchConfirmed(bytes32[])": (
        "97388dbc83985ff5b0eca6197a83bd165dfd701cf33b622409c86f4f84754897"
    ),
    "PaymentBatchCreated(bytes32[])": (
        "d8ce8c7915348aa947f16f48cf1cf3080b510ffe48dc7b372e3597327a163226"
    ),
    "PaymentCancelled(bytes32*)": (
        "5284be3d3122c1ff1d1ae65992c8c6b2808c7cf72b41d299de6cefc638263b44"
    ),
    "RefundClaimed(bytes32*,uint256,address*)": (
        "a5fb50ca8f94a5d5e25ff24f75846b694241070ab1e5b663109504e54f93dba7"
    ),
    "FeesDisbursed(address*,uint256,uint256)": (
        "e0eb4e005fcd21f2b5f5978c1396a6b78023192fa0cb05b0a66a9ec78279bff2"
    ),
    "WithdrawalWithFeeSuccessful(address*,address*,uint256,uint256)": (
        "71ab1a85f29707988d5ce300d5c5df9cf928e386e296b20f3acb470e4c447aa5"
    ),
    "NonGoalLineItemsClaimed(address*,uint256,address*)": (
        "078020a694384eb71d2f5f28fffdbe424730bdb9327c9a184ea50112135a2706"
    ),
    "ExpiredFundsClaimed(address*,uint256,uint256)": (
        "c5b49b62a89541b0466403403ccf945681a786019546ca6edd17cda1a74c5d94"
    ),
    "Paused(address*,bytes32)": (
        "c343aefb875672fb1857ecda2bdf9fa822ff1e924e3714f6a3d88c5199dee261"
    ),
    "Unpaused(address*,bytes32)": (
        "c8ad0281bc86c10834104cffa2f5420fc4e05ceaac799359ab370c2ff2d3afc0"
    ),
    "Cancelled(address*,bytes32)": (
        "5c073039c0ae8fe0c6f63e2a80f3839841104bb172da658d85947b94d2de2d05"
    ),
    "Initialized(uint64)": "c7f505b2f371ae2175ee4913f4499e1f2633a7b5936321eed1cdaeb6115181d2",
}
ADDED_EVENTS = {
    "PaymentExtrasRecorded(bytes32*,bytes32,bytes32,uint256,uint256,uint256,uint256,uint256)",
    "SurplusSwept(address*,address*,uint256)",
    "GoalReached(uint256,uint256)",
    "GoalMissed(uint256,uint256)",
}
ERRORS = {
    "PaymentTreasuryAlreadyWithdrawn()": "65875eaf",
    "PaymentTreasuryArrayTooLong()": "a2e6e6dd",
    "PaymentTreasuryBatchArrayLengthMismatch()": "1e305278",
    "PaymentTreasuryCampaignInfoIsPaused()": "b00c1e36",
    "PaymentTreasuryClaimWindowNotReached(uint256)": "a1f8c47b",
    "PaymentTreasuryCryptoPayment(bytes32)": "b90e3274",
    "PaymentTreasuryExpirationExceedsMax(uint256,uint256)": "ecab9f18",
    "PaymentTreasuryExpirationNotInFuture()": "715fefd2",
    "PaymentTreasuryInsufficientBalance(uint256,uint256)": "67025eec",
    "PaymentTreasuryInsufficientFundsForFee(uint256,uint256)": "2f7ba798",
    "PaymentTreasuryInvalidInput(uint8)": "16df0875",
    "PaymentTreasuryInvalidSender()": "48850725",
    "PaymentTreasuryNoFundsToClaim()": "157f876d",
    "PaymentTreasuryPaymentAlreadyConfirmed(bytes32)": "d3438c9e",
    "PaymentTreasuryPaymentAlreadyExist(bytes32)": "7c3955a1",
    "PaymentTreasuryPaymentAlreadyExpired(bytes32)": "eb7327a8",
    "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)": "de2e0fec",
    "PaymentTreasuryPaymentNotConfirmed(bytes32)": "e5aaf56e",
    "PaymentTreasuryPaymentNotExist(bytes32)": "2c9e908a",
    "PaymentTreasuryTokenNotAccepted(address)": "59fcbb35",
    "PaymentTreasuryUnAuthorized()": "4eb6bd41",
    "PaymentTreasuryZeroAmount()": "77044ef0",
    "PaymentTreasuryZeroBuyerAddress()": "c5a2b1ab",
    "PaymentTreasuryZeroBuyerId()": "88a4b48b",
    "PaymentTreasuryZeroItemId()": "f8555344",
    "PaymentTreasuryZeroPaymentId()": "f2f8c444",
    "PaymentTreasuryZeroPaymentToken()": "b1ca4fac",
    "AccessCheckerUnauthorized()": "40a0e902",
    "PausedError()": "eced32bc",
    "CancelledError()": "e291b6cf",
    "NotPausedError()": "5e8278e4",
    "NotCancelledError()": "7026d8ba",
    "CannotCancel()": "fbc03578",
    "ReentrancyGuardReentrantCall()": "3ee5aeb5",
    "SafeERC20FailedOperation(address)": "5274afe7",
    "InvalidInitialization()": "f92ee8a9",
    "NotInitializing()": "d7e6bcf8",
}
ADDED_ERRORS = {
    "PaymentTreasuryTooManyTokens(uint256)",
    "BuyerNotNamed(bytes32)",
    "ForeignLiveParams(address)",
    "GoalDeadlinePassed(uint256)",
    "GoalItemsNotRefundable(bytes32)",
    "GoalNotDecided(uint256)",
    "GoalNotReached(uint256,uint256)",
    "GoalRefundsClosed(uint8)",
    "PlatformRefundsClosed(bytes32)",
    "RefundEscrowMissing()",
    "SafeCastOverflowedUintDowncast(uint8,uint256)",
    "WitnessMismatch(bytes32)",
}
# Oak declares these in every treasury and throws them in none.
NEVER_THROWN_BY_OAK = {
    "PaymentTreasuryFeeNotDisbursed()",
    "PaymentTreasurySuccessConditionNotFulfilled()",
}
TIME_CONSTRAINED_ERRORS = {
    "CurrentTimeIsLess(uint256,uint256)",
    "CurrentTimeIsNotWithinRange(uint256,uint256)",
}
# Oak's time-constrained treasury refuses a canceller by a name of its own, ours by the one that
# every treasury has; and it declares a check that it never makes.
MISSING_TIME_CONSTRAINED_ERRORS = {
    "TimeConstrainedPaymentTreasuryUnAuthorized()",
    "CurrentTimeIsGreater(uint256,uint256)",
}


def signatures(name: str, kind: str) -> set[str]:
    """Everything of one kind in a contract's ABI, indexed arguments of events marked."""
    found = set()
    for entry in building.container(name).contract_type.abi:
        if entry.type == kind:
            marks = ["*" if getattr(part, "indexed", False) else "" for part in entry.inputs]
            types = map(world.canonical, entry.inputs)
            arguments = (text + mark for text, mark in zip(types, marks, strict=True))
            found.add(f"{entry.name}({','.join(arguments)})")
    return found


@pytest.mark.parametrize("treasury", TREASURIES)
def test_functions_are_oaks_and_those_listed(treasury):
    assert signatures(treasury, "function") == FUNCTIONS.keys() | ADDED_FUNCTIONS


@pytest.mark.parametrize("treasury", TREASURIES)
def test_events_are_oaks_and_those_listed(treasury):
    assert signatures(treasury, "event") == EVENTS.keys() | ADDED_EVENTS


@pytest.mark.parametrize("treasury", TREASURIES)
def test_errors_are_oaks_and_those_listed(treasury):
    own = TIME_CONSTRAINED_ERRORS if treasury == TIME_CONSTRAINED else set()
    assert signatures(treasury, "error") == ERRORS.keys() | ADDED_ERRORS | own


@pytest.mark.parametrize("treasury", TREASURIES)
def test_errors_that_oak_never_throws_are_not_declared(treasury):
    missing = NEVER_THROWN_BY_OAK | MISSING_TIME_CONSTRAINED_ERRORS
    assert not signatures(treasury, "error") & missing


def test_selectors_are_the_ones_that_oaks_clients_send():
    for table in (FUNCTIONS, ERRORS):
        found = {text: function_signature_to_4byte_selector(text).hex() for text in table}
        assert found == table


def test_topics_are_the_ones_that_oaks_clients_decode():
    found = {text: keccak(text=text.replace("*", "")).hex() for text in EVENTS}
    assert found == EVENTS


@pytest.mark.parametrize("contract", [*TREASURIES, *LIBRARIES])
def test_deployed_code_fits_eip_170(contract):
    code = building.container(contract).contract_type.runtime_bytecode.bytecode
    assert 0 < len(bytes.fromhex(code.removeprefix("0x"))) <= EIP_170_BYTES
