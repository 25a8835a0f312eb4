"""What clients of Oak's protocol contracts send and decode. Source: github.com/oak-network."""

from __future__ import annotations

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
        "updatePlatformClaimDelay": "687191ea",
        "setPlatformLineItemType": "a0b01dd6",
        "removePlatformLineItemType": "f91e55cb",
        "addPlatformData": "42f6a946",
        "removePlatformData": "becfcc4b",
        "updateProtocolFeePercent": "28d07b69",
        "updateProtocolAdminAddress": "eddefd7f",
        "getPlatformAdminAddress": "b97a5985",
        "getPlatformAdapter": "69015f44",
        "getPlatformFeePercent": "2202a57d",
        "getPlatformClaimDelay": "cb554d03",
        "getProtocolAdminAddress": "29c0908e",
        "getProtocolFeePercent": "cd3f29e9",
        "getTokensForCurrency": "bc7e9223",
        "getFromRegistry": "92a66806",
        "getPlatformLineItemType": "b125c758",
        "getPermit2Address": "2dab1365",
        "checkIfPlatformIsListed": "2f2d26bc",
        "checkIfPlatformDataKeyValid": "d032745f",
    },
    "CampaignInfoFactory": {
        "createCampaign": "dc6cdc7b",
        "updateImplementation": "025b22bc",
        "isValidCampaignInfo": "d51cc736",
        "identifierToCampaignInfo": "2c67451f",
    },
    "CampaignInfo": {
        "updateLaunchTime": "68027e43",
        "updateDeadline": "42af1884",
        "updateGoalAmount": "ead1b1bf",
        "updateSelectedPlatform": "4cd2cb51",
        "setPlatformInfo": "080e1b0b",
        "pauseCampaign": "52d98083",
        "unpauseCampaign": "f239932d",
        "cancelCampaign": "df8bb140",
        "mintNFTForPledge": "2d01593b",
        "burn": "42966c68",
        "setImageURI": "04787ca2",
        "updateContractURI": "7e5b1e24",
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
}
TOPICS = {
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
    "CampaignInfoSelectedPlatformUpdated": (
        "d63d38e91bf93c6cf0558bd7ad30383d1aaaf98caf35f28226a230a8a60db2b8"
    ),
    "CampaignInfoLaunchTimeUpdated": (
        "18dcc6b242ed9c4c005c09b623110143f43ca0252f9ec7cc970debee6837bb93"
    ),
    "CampaignInfoDeadlineUpdated": (
        "0ceb196d510cf9a65fad8d09952be7a639f282b14b09d15e0958f3c59b3032b0"
    ),
    "CampaignInfoGoalAmountUpdated": (
        "50926c9b6cf068aea04544b79ac89bf8893d7110de40ea95c77d6aa958ca6bed"
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
    "PlatformClaimDelayUpdated": (
        "00d40efb2598fe2cd3ccceb7b4699b79b6ae8776609b3e7e08efebe5a33ae16c"
    ),
    "PlatformLineItemTypeSet": "5792ccebe998950bf7e704e824db2e28cacdda608ddd960e8beb19667bfedffa",
    "PlatformLineItemTypeRemoved": (
        "9de84718e245f48621dc05839360bfa7b66755d3fc52c75db51bab7798a5db6a"
    ),
}
SELECTORS_OF_ERRORS = {
    "AdminAccessCheckerUnauthorized": "c0d93b84",
    "PausedError": "eced32bc",
    "CancelledError": "e291b6cf",
    "NotPausedError": "5e8278e4",
    "CannotCancel": "fbc03578",
    "ERC721InsufficientApproval": "177e802f",
    "GlobalParamsPlatformNotListed": "49386f04",
}
