"""Builders of off-chain rows and observations; every default makes sense together."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, select, update

from indexer.chain.deployments import Deployment
from indexer.chain.types import Address, BlockNumber, ChainId, TokenAmount
from indexer.projection_tables import payment_lives
from indexer.tables import blocks, marks
from offchain.gateways.types import Observation
from offchain.identity import buyer_commitment, campaign_identifier, item_id, new_salt
from offchain.money import Currency, MinorUnits, Money
from offchain.payments.attempts import Attempt, read_attempt
from offchain.payments.observing import Context
from offchain.services import Chains
from offchain.settings import HttpSettings
from offchain.tables import backers, campaigns, payment_attempts, pledges
from settlement.tables import campaigns as onchain_campaigns
from settlement.tables import requests

CHAIN_ID = ChainId(31337)
TOKEN = Address(bytes.fromhex("11" * 20))
TREASURY = Address(bytes.fromhex("22" * 20))
CAMPAIGN = Address(bytes.fromhex("33" * 20))
CREATOR = Address(bytes.fromhex("44" * 20))
PLATFORM_HASH = bytes.fromhex("55" * 32)
NOW = datetime.now(UTC).replace(microsecond=0)
FIFTY = Money(MinorUnits(5000), Currency("brl"))

DEPLOYMENT = Deployment.model_validate(
    {
        "network": "celo-local",
        "chain_id": CHAIN_ID,
        "genesis_hash": "0x" + "00" * 32,
        "first_block": 0,
        "platform": {"name": "p", "hash": "0x" + PLATFORM_HASH.hex(), "admin": "0x" + "66" * 20},
        "protocol_admin": "0x" + "77" * 20,
        "contracts": {
            "global_params": "0x" + "88" * 20,
            "campaign_info_factory": "0x" + "99" * 20,
            "treasury_factory": "0x" + "aa" * 20,
        },
        "implementations": [
            {"id": 2, "kind": "payment-treasury", "address": "0x" + "bb" * 20},
            {"id": 4, "kind": "mirror-payment-treasury", "address": "0x" + "cc" * 20},
        ],
        "tokens": [
            {"symbol": "BRLA", "address": "0x" + TOKEN.hex(), "decimals": 18, "currency": "BRL"}
        ],
        "artifacts_hash": "",
    }
)
CHAINS = Chains({CHAIN_ID: DEPLOYMENT})


OPERATOR_TOKEN = "operator-token"


def environment(database_url: str, redis_url: str, **more: str) -> dict[str, str]:
    """The environment variables of every off-chain process."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LASTRO_HTTP_PORT": "9",
        "LASTRO_PUBLIC_URL": "http://127.0.0.1:9",
        "CROWDSPLIT_BASE_URL": "http://127.0.0.1:9",
        "CROWDSPLIT_CLIENT_ID": "lastro-test",
        "CROWDSPLIT_CLIENT_SECRET": "merchant-secret",
        "CROWDSPLIT_WEBHOOK_SECRETS": "test-webhook-secret",
        "LASTRO_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "LASTRO_DEPLOYMENTS_DIR": "/nonexistent",
        **more,
    }


def http_settings(database_url: str, redis_url: str) -> HttpSettings:
    return HttpSettings.model_validate(environment(database_url, redis_url))


def context(source: Any = "webhook", now: datetime | None = None) -> Context:
    return Context(source, now or datetime.now(UTC), CHAINS)


def add_campaign(
    engine: Engine, *, slug: str | None = None, onchain: bool = False, **columns: Any
) -> UUID:
    campaign_id = uuid.uuid4()
    values = {
        "id": campaign_id,
        "slug": slug or f"c-{campaign_id.hex}",
        "title": "A campaign",
        "creator": "Somebody",
        "creator_wallet": CREATOR if onchain else None,
        "goal_minor": 100_000,
        "currency": "brl",
        "launch_at": NOW - timedelta(days=1),
        "deadline_at": NOW + timedelta(days=30),
        "settlement_mode": "onchain" if onchain else "fiat_only",
        "chain_id": CHAIN_ID if onchain else None,
        "treasury_kind": "payment-treasury" if onchain else None,
        "identifier_hash": campaign_identifier(campaign_id),
        **columns,
    }
    with engine.begin() as connection:
        connection.execute(insert(campaigns).values(values))
    return campaign_id


def make_live(login_engine: Engine, campaign_id: UUID, *, treasury: Address = TREASURY) -> None:
    """What settlement writes once the treasury's event is final."""
    with login_engine.begin() as connection:
        connection.execute(
            insert(onchain_campaigns).values(
                request_id=campaign_id,
                chain_id=CHAIN_ID,
                identifier_hash=campaign_identifier(campaign_id),
                creator=CREATOR,
                launch_at=NOW - timedelta(days=1),
                deadline_at=NOW + timedelta(days=30),
                goal_base_units=10**21,
                currency="BRL",
                title="A campaign",
                treasury_kind="payment-treasury",
                state="live",
                platform_hash=PLATFORM_HASH,
                campaign=CAMPAIGN,
                treasury=treasury,
                token=TOKEN,
            )
        )


def add_pledge(engine: Engine, campaign_id: UUID, *, amount: Money = FIFTY) -> UUID:
    backer_id, pledge_id, salt = uuid.uuid4(), uuid.uuid4(), new_salt()
    with engine.begin() as connection:
        connection.execute(
            insert(backers).values(id=backer_id, reference=str(backer_id), salt=salt)
        )
        connection.execute(
            insert(pledges).values(
                id=pledge_id,
                campaign_id=campaign_id,
                backer_id=backer_id,
                buyer_commitment=buyer_commitment(salt, backer_id=backer_id, pledge_id=pledge_id),
                item_id=item_id(None, identifier_hash=campaign_identifier(campaign_id)),
                amount_minor=amount.minor,
                currency=amount.currency,
            )
        )
    return pledge_id


def add_attempt(engine: Engine, pledge_id: UUID, *, amount: Money = FIFTY, **columns: Any) -> UUID:
    attempt_id = uuid.uuid4()
    values = {
        "id": attempt_id,
        "pledge_id": pledge_id,
        "gateway": "crowdsplit",
        "method": "pix",
        "amount_minor": amount.minor,
        "currency": amount.currency,
        "expires_at": NOW + timedelta(hours=1),
        "created_at": NOW,
        **columns,
    }
    with engine.begin() as connection:
        connection.execute(insert(payment_attempts).values(values))
    return attempt_id


def seen(attempt_id: UUID, **fields: Any) -> Observation:
    """What a gateway says about a payment that was paid as asked."""
    observation = Observation(
        provider_payment_id=str(uuid.uuid5(attempt_id, "provider")),
        attempt_id=attempt_id,
        effect="captured",
        provider_status="captured",
        amount_minor=FIFTY.minor,
        received_minor=FIFTY.minor,
        currency="brl",
    )
    return replace(observation, **fields)


def attempt(engine: Engine, attempt_id: UUID) -> Attempt:
    with engine.connect() as connection:
        found = read_attempt(connection, attempt_id)
    assert found is not None
    return found


def request_states(engine: Engine) -> dict[UUID, str]:
    with engine.connect() as connection:
        rows = connection.execute(select(requests.c.request_id, requests.c.state))
        return {row.request_id: row.state for row in rows}


def set_request_state(login_engine: Engine, request_id: UUID, state: str, **columns: Any) -> None:
    if state == "batched":
        columns["batch_id"] = uuid.uuid4()
    if state == "settled":
        columns.setdefault("settled_block", 10)
    with login_engine.begin() as connection:
        connection.execute(
            update(requests)
            .where(requests.c.request_id == request_id)
            .values(state=state, **columns)
        )


def confirm_onchain(
    login_engine: Engine,
    request_id: UUID,
    *,
    block: int = 10,
    proven: bool = True,
    **columns: Any,
) -> None:
    """What the indexer writes when a confirmation is indexed."""
    with login_engine.begin() as connection:
        row = connection.execute(select(requests).where(requests.c.request_id == request_id)).one()
        values = {
            "chain_id": row.chain_id,
            "treasury": row.treasury,
            "payment_id": row.payment_id,
            "life": 1,
            "is_present": True,
            "announced_id": row.payment_id,
            "is_crypto": False,
            "abi_version": 3,
            "buyer": bytes(20),
            "buyer_id": row.buyer_commitment,
            "item_id": row.item_id,
            "token": row.token,
            "amount": row.amount_base_units,
            "expiration": 0,
            "created_block": block - 1,
            "created_log_index": 0,
            "created_block_hash": bytes(32),
            "created_tx": bytes(32),
            "confirmed_block": block,
            "confirmed_block_hash": bytes.fromhex("bb" * 32),
            "confirmed_tx": bytes.fromhex("cc" * 32),
            "confirmed_log_index": 0,
            "confirmed_ordinal": 0,
            **columns,
        }
        connection.execute(insert(payment_lives).values(values))
        connection.execute(
            insert(blocks).values(
                chain_id=row.chain_id,
                number=block,
                hash=bytes.fromhex("bb" * 32),
                parent_hash=bytes(32),
                timestamp=NOW,
                receipts_root=bytes(32),
                logs_count=1,
                proven=proven,
            )
        )


def forget_onchain(login_engine: Engine) -> None:
    """What a reorg leaves of a payment that was only in the orphaned block."""
    with login_engine.begin() as connection:
        connection.execute(payment_lives.delete())
        connection.execute(blocks.delete())


def set_finalized(login_engine: Engine, block: int) -> None:
    values: dict[str, Any] = {
        "chain_id": CHAIN_ID,
        "network": "celo-local",
        "first_block": 0,
        "head_number": block + 2,
    }
    for name, number in (("indexed", block + 2), ("finalized", block)):
        values |= {
            f"{name}_number": BlockNumber(number),
            f"{name}_hash": bytes(32),
            f"{name}_timestamp": NOW,
        }
    with login_engine.begin() as connection:
        connection.execute(marks.delete())
        connection.execute(insert(marks).values(values))


def base_units_of_fifty() -> TokenAmount:
    return TokenAmount(50 * 10**18)


def count(connection: Connection, table: Any) -> int:
    return len(connection.execute(select(table)).all())
