"""The names that go on-chain, none of which can be turned back into a person."""

import hashlib
import hmac
import secrets
import uuid

from eth_hash.auto import keccak

SALT_BYTES = 32
PLAIN_CONTRIBUTION = "contribution"
_CAMPAIGN_DOMAIN = b"lastro.campaign.v1:"


def new_salt() -> bytes:
    """Make the salt of a new backer; erasing it unlinks all their payments for ever."""
    return secrets.token_bytes(SALT_BYTES)


def buyer_commitment(salt: bytes, *, backer_id: uuid.UUID, pledge_id: uuid.UUID) -> bytes:
    """The 32-byte ``buyerId`` of a payment: HMAC-SHA256 over backer and pledge.

    Two pledges of one backer cannot be linked without the salt.
    """
    return hmac.digest(salt, backer_id.bytes + pledge_id.bytes, hashlib.sha256)


def campaign_identifier(campaign_id: uuid.UUID) -> bytes:
    """The 32-byte identifier hash of a campaign's on-chain record.

    Made from the random id, not the slug: nobody can register it before us, and whoever knows the
    published id can recompute it.
    """
    return bytes(keccak(_CAMPAIGN_DOMAIN + str(campaign_id).encode()))


def item_id(reward: str | None, *, identifier_hash: bytes) -> bytes:
    """The 32-byte ``itemId``: what was paid for, within one campaign."""
    return bytes(keccak((reward or PLAIN_CONTRIBUTION).encode() + identifier_hash))
