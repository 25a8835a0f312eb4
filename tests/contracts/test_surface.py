"""The surface is Oak's, byte for byte: selectors, topics, sizes. Source: github.com/oak-network."""

from __future__ import annotations

import pytest
import steps
import world
from eth_utils import function_signature_to_4byte_selector, keccak

EIP_170_BYTES = 24_576
CONTRACTS = [
    "GlobalParams",
    "CampaignInfoFactory",
    "CampaignInfo",
    "TreasuryFactory",
    "PaymentTreasury",
]
SELECTORS = {
    "GlobalParams": {
        "initialize": "7377c725",
        "addToRegistry": "a5ad4a1e",
        "addTokenToCurrency": "ba6f80e3",
        "removeTokenFromCurrency": "7b78b7f6",
        "enlistPlatform": "93d25119",
        "delistPlatform": "0181e11b",
        "updatePlatformAdminAddress": "d2893a2a",
        "setPlatformAdapter": "e8d5fac2",
        "updateProtocolFeePercent": "28d07b69",
        "updateProtocolAdminAddress": "eddefd7f",
        "getPlatformAdminAddress": "b97a5985",
        "getPlatformAdapter": "69015f44",
        "getPlatformFeePercent": "2202a57d",
        "getProtocolAdminAddress": "29c0908e",
        "getProtocolFeePercent": "cd3f29e9",
        "getTokensForCurrency": "bc7e9223",
        "getFromRegistry": "92a66806",
        "checkIfPlatformIsListed": "2f2d26bc",
    },
    "CampaignInfoFactory": {
        "createCampaign": "dc6cdc7b",
        "updateImplementation": "025b22bc",
        "isValidCampaignInfo": "d51cc736",
        "identifierToCampaignInfo": "2c67451f",
    },
    "CampaignInfo": {
        "setPlatformInfo": "080e1b0b",
        "pauseCampaign": "52d98083",
        "unpauseCampaign": "f239932d",
        "cancelCampaign": "df8bb140",
        "mintNFTForPledge": "2d01593b",
        "burn": "42966c68",
        "getTotalRaisedAmount": "e5f620b3",
        "getTotalAvailableRaisedAmount": "ee597f01",
        "getTotalLifetimeRaisedAmount": "f0c5f876",
        "getTotalRefundedAmount": "6a5b5e7c",
        "getTotalCancelledAmount": "364cc7da",
        "getTotalExpectedAmount": "0a7eeac7",
        "getCampaignConfig": "3974a17e",
        "getLaunchTime": "b7746086",
        "getDeadline": "5f8d96de",
        "getGoalAmount": "5f410b22",
        "getCampaignCurrency": "7d633820",
        "getAcceptedTokens": "2f757006",
        "isTokenAccepted": "0560bd96",
    },
    "TreasuryFactory": {
        "registerTreasuryImplementation": "0d19b2e4",
        "approveTreasuryImplementation": "7360b45a",
        "disapproveTreasuryImplementation": "49497806",
        "removeTreasuryImplementation": "c8e1d8dc",
        "setCampaignInfoFactory": "f718e4c8",
        "deploy": "e6f5e376",
    },
    "PaymentTreasury": {
        "initialize": "6910e334",
        "createPayment": "94850f1b",
        "createPaymentBatch": "d0776fb2",
        "cancelPayment": "c46e9678",
        "confirmPayment": "40158c5a",
        "confirmPaymentBatch": "6822285a",
        "withdraw": "3ccfd60b",
        "disburseFees": "b87ea8d4",
        "pauseTreasury": "7511edcf",
        "unpauseTreasury": "d0ee7517",
        "cancelTreasury": "a569565f",
        "getPaymentData": "d51ebcdd",
        "getRaisedAmount": "8e75e482",
        "getAvailableRaisedAmount": "989bc42b",
        "getLifetimeRaisedAmount": "70788c2a",
        "getRefundedAmount": "ba1e9463",
        "getExpectedAmount": "0187075a",
        "getplatformHash": "52c819fe",
        "getplatformFeePercent": "4f15fc06",
        "paused": "5c975abb",
        "cancelled": "9a82a09a",
        "cancellationTime": "4e5bd4d0",
    },
}
TOPICS = {
    "PaymentCreated": "ce0b25c06e4687480c23b9e37842cc50895b8ba6a17de6423d2a98f986c64906",
    "PaymentConfirmed": "def8694c7464fd7e748576ecb513ee836684badb6af706a381e5f6b1b39fc7cb",
    "PaymentBatchConfirmed": "97388dbc83985ff5b0eca6197a83bd165dfd701cf33b622409c86f4f84754897",
    "PaymentBatchCreated": "d8ce8c7915348aa947f16f48cf1cf3080b510ffe48dc7b372e3597327a163226",
    "PaymentCancelled": "5284be3d3122c1ff1d1ae65992c8c6b2808c7cf72b41d299de6cefc638263b44",
    "RefundClaimed": "a5fb50ca8f94a5d5e25ff24f75846b694241070ab1e5b663109504e54f93dba7",
    "FeesDisbursed": "e0eb4e005fcd21f2b5f5978c1396a6b78023192fa0cb05b0a66a9ec78279bff2",
    "WithdrawalWithFeeSuccessful": (
        "71ab1a85f29707988d5ce300d5c5df9cf928e386e296b20f3acb470e4c447aa5"
    ),
    "Paused": "c343aefb875672fb1857ecda2bdf9fa822ff1e924e3714f6a3d88c5199dee261",
    "Unpaused": "c8ad0281bc86c10834104cffa2f5420fc4e05ceaac799359ab370c2ff2d3afc0",
    "Cancelled": "5c073039c0ae8fe0c6f63e2a80f3839841104bb172da658d85947b94d2de2d05",
    "CampaignInfoFactoryCampaignCreated": (
        "2102d36566d724f06d3e007e54c23578d1369e01113ce1ea23d2c24647f6dcd6"
    ),
    "TreasuryFactoryTreasuryDeployed": (
        "b8f945e292dd026d0d25c7d92385e71ad65d899a9f12c361c8021ef894a33bd6"
    ),
    "CampaignInfoPlatformInfoUpdated": (
        "1f71934579b71bbcd51b45a745c94f234d17d68a20c6fe39fe2957bd1b723db9"
    ),
    "PledgeNFTMinted": "6fe7c390e70ca319a18a2ad1625ae983037b40a6a6f2026e370e731b8147e34d",
    "TreasuryImplementationRegistered": (
        "d3abfd01df5293212489b8559d32d9b045f9fc63e9048e6f79c6e7a3104e7d86"
    ),
    "TreasuryImplementationRemoved": (
        "a31eac66df6dde8997702fbc44a4d13879dadedd3fa7e72bd04f1116eb2c6a9e"
    ),
    "TreasuryImplementationApproval": (
        "19479c66b1463aa33b32a10e34ec267c6e3c5532516835f4328b42d90d62d041"
    ),
    "PlatformEnlisted": "7f9fe6bfa7474ae33f2f2f357c7a4ebe303e3d4e76de87d67c946587d7548510",
    "PlatformDelisted": "351667fd112ae7e0ae15a90ce691394d29b763c9dfa47c6c1cdb72ccea8bae1c",
    "PlatformAdminAddressUpdated": (
        "98670cc7efd3c477fb4f0a74f17d6431b06a8b72aae79e538761a6ba5ab6a605"
    ),
    "PlatformAdapterSet": "fe0c6e6edf77b2cf9ce7d8f8d82bb713f5c703f8224109b0b383b6508b7aefcc",
    "TokenAddedToCurrency": "4f60ae6a39367bfcd4b166aebf36ca6619e53a6703052782fb86830d3d410fd3",
    "TokenRemovedFromCurrency": (
        "71f251aac4fd23b5954e4ba38b1ca6b15ed749bbd5b7d96194c45404b8b70e21"
    ),
    "DataAddedToRegistry": "52664724b8c1614d1a96282384c42161bc2d298adfa65f90930fed214a54befc",
}
ERRORS = {
    "PaymentTreasuryAlreadyWithdrawn": "65875eaf",
    "PaymentTreasuryArrayTooLong": "a2e6e6dd",
    "PaymentTreasuryBatchArrayLengthMismatch": "1e305278",
    "PaymentTreasuryCampaignInfoIsPaused": "b00c1e36",
    "PaymentTreasuryCryptoPayment": "b90e3274",
    "PaymentTreasuryExpirationExceedsMax": "ecab9f18",
    "PaymentTreasuryExpirationNotInFuture": "715fefd2",
    "PaymentTreasuryInsufficientBalance": "67025eec",
    "PaymentTreasuryInsufficientFundsForFee": "2f7ba798",
    "PaymentTreasuryInvalidInput": "16df0875",
    "PaymentTreasuryInvalidSender": "48850725",
    "PaymentTreasuryPaymentAlreadyConfirmed": "d3438c9e",
    "PaymentTreasuryPaymentAlreadyExist": "7c3955a1",
    "PaymentTreasuryPaymentAlreadyExpired": "eb7327a8",
    "PaymentTreasuryPaymentNotClaimable": "de2e0fec",
    "PaymentTreasuryPaymentNotConfirmed": "e5aaf56e",
    "PaymentTreasuryPaymentNotExist": "2c9e908a",
    "PaymentTreasuryTokenNotAccepted": "59fcbb35",
    "PaymentTreasuryUnAuthorized": "4eb6bd41",
    "PaymentTreasuryZeroAmount": "77044ef0",
    "PaymentTreasuryZeroBuyerId": "88a4b48b",
    "PaymentTreasuryZeroItemId": "f8555344",
    "PaymentTreasuryZeroPaymentId": "f2f8c444",
    "PaymentTreasuryZeroPaymentToken": "b1ca4fac",
    "AccessCheckerUnauthorized": "40a0e902",
    "AdminAccessCheckerUnauthorized": "c0d93b84",
    "PausedError": "eced32bc",
    "CancelledError": "e291b6cf",
    "NotPausedError": "5e8278e4",
    "CannotCancel": "fbc03578",
    "ReentrancyGuardReentrantCall": "3ee5aeb5",
    "ERC721InsufficientApproval": "177e802f",
    "GlobalParamsPlatformNotListed": "49386f04",
}


def entries(name, kind):
    """Name and signature of everything of one kind in a contract's ABI."""
    abi = steps.container(name).contract_type.abi
    for entry in abi:
        if entry.type == kind:
            types = ",".join(world.canonical(part) for part in entry.inputs)
            yield entry.name, f"{entry.name}({types})"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_selectors_are_oaks(contract):
    found = {
        name: function_signature_to_4byte_selector(signature).hex()
        for name, signature in entries(contract, "function")
        if name in SELECTORS[contract]
    }
    assert found == SELECTORS[contract]


def test_both_refund_selectors_are_oaks():
    signatures = {s for name, s in entries("PaymentTreasury", "function") if name == "claimRefund"}
    found = {function_signature_to_4byte_selector(signature).hex() for signature in signatures}
    assert found == {"c6b49688", "71de2ffc"}


def test_event_topics_are_oaks():
    found = {
        name: keccak(text=signature).hex()
        for contract in CONTRACTS
        for name, signature in entries(contract, "event")
    }
    assert {name: found.get(name) for name in TOPICS} == TOPICS


def test_error_selectors_are_oaks():
    found = {
        name: function_signature_to_4byte_selector(signature).hex()
        for contract in CONTRACTS
        for name, signature in entries(contract, "error")
    }
    assert {name: found.get(name) for name in ERRORS} == ERRORS


@pytest.mark.parametrize("contract", CONTRACTS)
def test_deployed_code_fits_eip_170(contract):
    code = steps.container(contract).contract_type.runtime_bytecode.bytecode
    assert 0 < len(bytes.fromhex(code.removeprefix("0x"))) <= EIP_170_BYTES
