// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from
    "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ILiveParams} from "./interfaces/ILiveParams.sol";
import {IRefundEscrow} from "./interfaces/IRefundEscrow.sol";

/// @title RefundEscrow
/// @dev Not upgradeable, no owner, no other way out. Trusted: a treasury, to name its own payments
///      and platform; the platform's admin, to have paid the backer whose tokens it takes; the
///      tokens, not to lower balances by themselves. Not trusted: anyone else who deposits.
contract RefundEscrow is IRefundEscrow, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev One slot: token (20 bytes) | amount (12)
    struct Debt {
        address token;
        uint96 amount;
    }

    ILiveParams private immutable LIVE_PARAMS;

    /// @inheritdoc IRefundEscrow
    mapping(address token => uint256) public held;
    mapping(address treasury => bytes32 platformHash) private _platforms;
    mapping(address treasury => mapping(bytes32 paymentId => Debt)) private _debts;

    constructor(ILiveParams liveParams) {
        LIVE_PARAMS = liveParams;
    }

    /// @inheritdoc IRefundEscrow
    function deposit(bytes32 platformHash, bytes32 paymentId, address token, uint256 amount)
        external
        nonReentrant
    {
        _claimPlatform(platformHash);
        uint256 earlier = held[token];
        uint256 available = IERC20(token).balanceOf(address(this));
        if (available <= earlier) revert DepositMissing(token, earlier + amount, available);
        // A token that takes a fee on transfer must not lock the refund: what arrived is owed.
        uint256 arrived = Math.min(amount, available - earlier);
        _owe(paymentId, token, arrived);
        held[token] = earlier + arrived;
    }

    /// @inheritdoc IRefundEscrow
    function payBack(address treasury, bytes32 paymentId, bytes32 fiatRefundReference)
        external
        nonReentrant
    {
        _authorize(treasury);
        _payBack(treasury, paymentId, fiatRefundReference);
    }

    /// @inheritdoc IRefundEscrow
    function payBackBatch(
        address treasury,
        bytes32[] calldata paymentIds,
        bytes32[] calldata fiatRefundReferences
    ) external nonReentrant {
        if (fiatRefundReferences.length != paymentIds.length) {
            revert LengthMismatch(paymentIds.length, fiatRefundReferences.length);
        }
        _authorize(treasury);
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            _payBack(treasury, paymentIds[i], fiatRefundReferences[i]);
        }
    }

    /// @inheritdoc IRefundEscrow
    function owed(address treasury, bytes32 paymentId)
        external
        view
        returns (bytes32 platformHash, address token, uint256 amount)
    {
        Debt storage debt = _debts[treasury][paymentId];
        if (debt.amount == 0) return (0, address(0), 0);
        return (_platforms[treasury], debt.token, debt.amount);
    }

    /// @dev A treasury is one platform's for ever, so the platform is kept once per treasury.
    function _claimPlatform(bytes32 platformHash) private {
        bytes32 known = _platforms[msg.sender];
        if (platformHash == 0 || (known != 0 && known != platformHash)) {
            revert WrongPlatform(msg.sender, known, platformHash);
        }
        if (known == 0) _platforms[msg.sender] = platformHash;
    }

    /// @dev A payment id may live again after a refund, and be refunded here again.
    function _owe(bytes32 paymentId, address token, uint256 amount) private {
        if (amount == 0) revert ZeroAmount(paymentId);
        Debt storage debt = _debts[msg.sender][paymentId];
        if (debt.amount != 0 && debt.token != token) {
            revert OwedInAnotherToken(paymentId, debt.token, token);
        }
        debt.amount = (uint256(debt.amount) + amount).toUint96();
        debt.token = token;
        emit RefundDeposited(msg.sender, paymentId, token, amount);
    }

    function _payBack(address treasury, bytes32 paymentId, bytes32 fiatRefundReference) private {
        if (fiatRefundReference == 0) revert ZeroReference(paymentId);
        Debt memory debt = _debts[treasury][paymentId];
        if (debt.amount == 0) revert NothingOwed(treasury, paymentId);
        delete _debts[treasury][paymentId];
        held[debt.token] -= debt.amount;
        emit RefundPaidBack(treasury, paymentId, debt.token, debt.amount, fiatRefundReference);
        IERC20(debt.token).safeTransfer(msg.sender, debt.amount);
    }

    /// @dev The admin of a platform that is not listed is zero, which is nobody.
    function _authorize(address treasury) private view {
        bytes32 platformHash = _platforms[treasury];
        (address admin,) = LIVE_PARAMS.getPlatformAuthority(platformHash);
        if (admin == address(0) || msg.sender != admin) {
            revert UnauthorizedCaller(msg.sender, platformHash);
        }
    }
}
