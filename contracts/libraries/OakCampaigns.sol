// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICampaignInfo} from "../interfaces/ICampaignInfo.sol";
import {IPausableCancellable} from "../interfaces/IPausableCancellable.sol";
import {RegistryKeys} from "./RegistryKeys.sol";

/// @title Asking an Oak campaign for what our own says in one call
/// @dev Linked, not inlined: only treasuries that Oak's factories host call it.
library OakCampaigns {
    /// @notice As `ILiveParams.getTreasuryRights`.
    /// @param frozenAdapter The forwarder fixed at deployment where the campaign cannot say it.
    function rights(
        ICampaignInfo campaign,
        bytes32 platformHash,
        address frozenAdapter,
        address caller
    )
        external
        view
        returns (address admin, bool forwarded, bool campaignPaused, bool campaignCancelled)
    {
        // Oak reverts for a platform that is not listed; here such a platform has no admin.
        try campaign.getPlatformAdminAddress(platformHash) returns (address found) {
            admin = found;
        } catch {}
        if (caller != admin) forwarded = caller == adapterOf(campaign, platformHash, frozenAdapter);
        campaignPaused = IPausableCancellable(address(campaign)).paused();
        campaignCancelled = IPausableCancellable(address(campaign)).cancelled();
    }

    /// @notice As `ILiveParams.getMaxPaymentExpiration`.
    function maxPaymentExpiration(ICampaignInfo campaign, bytes32 platformHash)
        external
        view
        returns (uint256)
    {
        bytes32 key = RegistryKeys.MAX_PAYMENT_EXPIRATION;
        bytes32 own = campaign.getDataFromRegistry(RegistryKeys.scoped(key, platformHash));
        return uint256(own == 0 ? campaign.getDataFromRegistry(key) : own);
    }

    /// @dev Campaigns of January 2026 have no getter: their treasuries keep what they were given.
    function adapterOf(ICampaignInfo campaign, bytes32 platformHash, address frozenAdapter)
        private
        view
        returns (address)
    {
        if (frozenAdapter != address(0)) return frozenAdapter;
        try campaign.getPlatformAdapter(platformHash) returns (address adapter) {
            return adapter;
        } catch {
            return address(0);
        }
    }
}
