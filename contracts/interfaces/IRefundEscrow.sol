// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What fiat backers without a wallet are owed after a missed goal
/// @notice Treasuries deposit, per payment. Only the platform takes a payment's tokens out, naming
///         the fiat refund with which it paid the backer back. Nobody else can move them.
interface IRefundEscrow {
    /// @notice Emitted when a treasury deposits what a payment's backer is owed.
    /// @param treasury The depositor.
    /// @param paymentId The payment as the treasury names it.
    /// @param token What is owed.
    /// @param amount Token base units of this deposit.
    event RefundDeposited(
        address indexed treasury, bytes32 indexed paymentId, address indexed token, uint256 amount
    );
    /// @notice Emitted when a platform takes a payment's tokens, having paid the backer in fiat.
    /// @param treasury The depositor.
    /// @param paymentId The payment as the treasury names it.
    /// @param token What was owed.
    /// @param amount Token base units, all that was owed for the payment.
    /// @param fiatRefundReference The fiat refund, in the platform's own books.
    event RefundPaidBack(
        address indexed treasury,
        bytes32 indexed paymentId,
        address indexed token,
        uint256 amount,
        bytes32 fiatRefundReference
    );

    /// @notice Thrown when the tokens of a deposit are not here: base units that must be here for
    ///         all that is owed, and those that are. So it is with tokens that take a fee.
    error DepositMissing(address token, uint256 required, uint256 available);
    /// @notice Thrown when a deposit names no platform, or another than the treasury's deposits
    ///         before.
    error WrongPlatform(address treasury, bytes32 known, bytes32 given);
    /// @notice Thrown when a payment is owed already in another token.
    error OwedInAnotherToken(bytes32 paymentId, address owedToken, address token);
    /// @notice Thrown when a deposit owes nothing for a payment.
    error ZeroAmount(bytes32 paymentId);
    /// @notice Thrown when a payment is owed nothing, or was paid back.
    error NothingOwed(address treasury, bytes32 paymentId);
    /// @notice Thrown when the caller is not the admin, at this moment, of the treasury's platform.
    /// @param platformHash Zero when the treasury never deposited.
    error UnauthorizedCaller(address caller, bytes32 platformHash);
    /// @notice Thrown when a payment is paid back without naming the fiat refund.
    error ZeroReference(bytes32 paymentId);
    /// @notice Thrown when the arrays of a call differ in length.
    error LengthMismatch(uint256 paymentIds, uint256 others);

    /// @notice Records what the caller, a treasury, has transferred here just before.
    /// @dev Anyone may deposit under their own address; the platform they name pays it back. Must
    ///      be called in the transaction of the transfer, or another depositor may claim it.
    /// @param platformHash The platform that will pay the backer back; not zero, and the same in
    ///        every deposit of the treasury.
    /// @param paymentId The payment; what it is owed already in the same token adds up.
    /// @param token What is owed.
    /// @param amount Token base units, not zero; what a payment is owed stays below 2^96.
    function deposit(bytes32 platformHash, bytes32 paymentId, address token, uint256 amount)
        external;

    /// @notice Sends a payment's tokens to the platform, which paid the backer back in fiat.
    ///         Platform admin only.
    /// @param treasury The depositor.
    /// @param paymentId The payment.
    /// @param fiatRefundReference The fiat refund, in the platform's own books; not zero.
    function payBack(address treasury, bytes32 paymentId, bytes32 fiatRefundReference) external;

    /// @notice `payBack` for payments of one treasury, one reference and one transfer each.
    function payBackBatch(
        address treasury,
        bytes32[] calldata paymentIds,
        bytes32[] calldata fiatRefundReferences
    ) external;

    /// @notice What a payment's backer is owed.
    /// @return platformHash The platform that pays back; zero when nothing is owed.
    /// @return token What is owed; zero when nothing is.
    /// @return amount Token base units.
    function owed(address treasury, bytes32 paymentId)
        external
        view
        returns (bytes32 platformHash, address token, uint256 amount);

    /// @notice The sum of all that is owed in a token, base units.
    function held(address token) external view returns (uint256);
}
