"""One example of every answer, for the OpenAPI document. A test reads each back into its model."""

from typing import Any, Final

Example = dict[str, Any]

ADDRESS: Final = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
TREASURY_ADDRESS: Final = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
BRLA_ADDRESS: Final = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"
HASH: Final = "0x" + "9c" * 32
CURSOR: Final = "q0xS8k3Tn1v0h4cM2a9ZbVtbIjIwMjYtMDEtMzEiXSxbXV0"
CHAIN: Final = {"chain_id": 42220, "network": "celo"}
EXPLORER_URL: Final = f"https://celoscan.io/tx/{HASH}"

AMOUNT: Final[Example] = {"raw": "5000", "decimals": 2, "currency": "BRL", "display": "50.00"}
TOKEN_AMOUNT: Final[Example] = {**AMOUNT, "raw": "50000000000000000000", "decimals": 18}
AS_OF: Final[Example] = {
    **CHAIN,
    "block_number": 31056590,
    "block_hash": HASH,
    "block_timestamp": "2026-01-31T12:00:00Z",
    "finalized_block": 31056588,
    "head_block": 31056590,
    "lag_blocks": 0,
    "degraded": False,
}
PLACE: Final[Example] = {
    "block_number": 31056580,
    "block_hash": HASH,
    "tx_hash": HASH,
    "log_index": 7,
    "confirmations": 11,
    "finality": "finalized",
}
TOKEN_RAISED: Final[Example] = {
    "token": BRLA_ADDRESS,
    "symbol": "BRLA",
    "confirmed": TOKEN_AMOUNT,
    "finalized": TOKEN_AMOUNT,
    "payments_confirmed": 1,
    "payments_finalized": 1,
}
CAMPAIGN: Final[Example] = {
    "id": "0f8e0a52-5b0e-4c58-9a0c-2f6a3f4c8f10",
    "slug": "solar-school",
    "title": "Solar roof for the school",
    "creator": "Ana",
    "creator_wallet": ADDRESS,
    "goal": {**AMOUNT, "raw": "1000000", "display": "10000.00"},
    "currency": "BRL",
    "launch_at": "2026-01-01T00:00:00Z",
    "deadline_at": "2026-02-28T00:00:00Z",
    "created_at": "2025-12-20T09:30:00Z",
    "settlement_mode": "onchain",
    "raised": {"captured": AMOUNT, "contributions": 1},
    "onchain": {
        **CHAIN,
        **PLACE,
        "state": "live",
        "treasury_kind": "payment-treasury",
        "identifier_hash": HASH,
        "campaign": ADDRESS,
        "treasury": TREASURY_ADDRESS,
        "token": BRLA_ADDRESS,
        "live_at": "2025-12-20T09:31:00Z",
        "raised": [TOKEN_RAISED],
    },
}
CONTRIBUTION: Final[Example] = {
    "id": "7d444840-9dc0-41d1-b245-5ffdce74fad2",
    "campaign": "solar-school",
    "method": "pix",
    "amount": AMOUNT,
    "received": AMOUNT,
    "fiat_status": "captured",
    "chain_status": "final",
    "claim_status": "none",
    "needs_review": False,
    "created_at": "2026-01-31T11:58:00Z",
    "captured_at": "2026-01-31T11:58:30Z",
    "payment_id": HASH,
    "settlement_state": "settled",
    "finality": "finalized",
    "onchain": {
        **CHAIN,
        **PLACE,
        "treasury": TREASURY_ADDRESS,
        "payment_id": HASH,
        "state": "confirmed",
        "token": BRLA_ADDRESS,
        "amount": TOKEN_AMOUNT,
        "created_block": 31056578,
        "created_tx": HASH,
        "ordinal": 0,
        "confirmed_at": "2026-01-31T11:59:50Z",
        "proven": True,
        "explorer_url": EXPLORER_URL,
    },
}
TREASURY: Final[Example] = {
    **CHAIN,
    **PLACE,
    "treasury": TREASURY_ADDRESS,
    "campaign": ADDRESS,
    "campaign_slug": "solar-school",
    "platform_hash": HASH,
    "implementation_id": "1",
    "payments": {"created": 0, "confirmed": 1, "cancelled": 0, "refunded": 0},
    "raised": [TOKEN_RAISED],
    "explorer_url": EXPLORER_URL,
}
TRANSACTION: Final[Example] = {
    **CHAIN,
    "tx_hash": HASH,
    "block_number": 31056580,
    "block_hash": HASH,
    "block_timestamp": "2026-01-31T11:59:50Z",
    "tx_index": 2,
    "confirmations": 11,
    "finality": "finalized",
    "proven": True,
    "explorer_url": EXPLORER_URL,
    "logs": [
        {
            "log_index": 7,
            "address": TREASURY_ADDRESS,
            "event": "PaymentBatchConfirmed",
            "arguments": {"paymentIds": [HASH]},
            "claimed": True,
        }
    ],
    "settlement": {
        "kind": "settle_payments",
        "signer": ADDRESS,
        "nonce": 41,
        "status": "mined",
        "replaced_by": None,
        "items": 1,
        "sent_at": "2026-01-31T11:59:48Z",
        "gas_used": 91234,
        "effective_gas_price": {
            "raw": "25000000000",
            "decimals": 18,
            "currency": None,
            "display": "0.000000025",
        },
    },
    "as_of": [AS_OF],
}
CHAIN_STATUS: Final[Example] = {
    **AS_OF,
    "first_block": 31000000,
    "finalized_hash": HASH,
    "finalized_timestamp": "2026-01-31T11:59:58Z",
    "degraded_reason": None,
    "updated_at": "2026-01-31T12:00:00Z",
    "settlement_requests": {"settled": 36},
    "settlement_campaigns": {"live": 1},
    "signers": {"active": 1},
}
STATUS: Final[Example] = {
    "chains": [CHAIN_STATUS],
    "offchain": {
        "inbox": {"done": 75},
        "inbox_oldest_waiting_at": None,
        "refused_webhooks": 1,
        "fiat": {"captured": 70, "expired": 1, "mismatch": 1},
        "chain": {"final": 36, "none": 36},
        "needs_review": 1,
    },
    "database_revision": "0004",
    "expected_revision": "0004",
    "as_of": [AS_OF],
}


def _fresh(example: Example) -> Example:
    """A single resource with its freshness."""
    return {**example, "as_of": [AS_OF]}


def _page_of(example: Example) -> Example:
    """A page of one item."""
    return {"items": [example], "next_cursor": CURSOR, "as_of": [AS_OF]}


EXAMPLES: Final[dict[str, Example]] = {
    "Amount": AMOUNT,
    "AsOf": AS_OF,
    "Campaign": CAMPAIGN,
    "CampaignAnswer": _fresh(CAMPAIGN),
    "CampaignPage": _page_of(CAMPAIGN),
    "Contribution": CONTRIBUTION,
    "ContributionAnswer": _fresh(CONTRIBUTION),
    "ContributionPage": _page_of(CONTRIBUTION),
    "Treasury": TREASURY,
    "TreasuryAnswer": _fresh(TREASURY),
    "TreasuryPage": _page_of(TREASURY),
    "TransactionAnswer": TRANSACTION,
    "ChainStatus": CHAIN_STATUS,
    "StatusAnswer": STATUS,
}
"""By schema name."""
