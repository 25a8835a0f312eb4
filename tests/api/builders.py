"""Rows of off-chain and settlement, written as the login role."""

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, insert, text

from offchain import tables as offchain
from settlement import tables as settlement
from tests.api.chain_rows import CENTAVO, CHAIN_ID, T0, TOKEN, add_payment, address, hash_of

BACKER_REFERENCE = "backer-maria-99"


def add_campaign(
    connection: Connection,
    slug: str = "solar",
    *,
    mode: str = "onchain",
    state: str | None = "live",
    age_s: int = 0,
    chain_id: int = CHAIN_ID,
) -> uuid.UUID:
    """An off-chain campaign; ``state`` None leaves settlement's row out."""
    campaign_id = uuid.uuid4()
    is_onchain = mode == "onchain"
    connection.execute(
        insert(offchain.campaigns).values(
            id=campaign_id,
            slug=slug,
            title=f"Campaign {slug}",
            creator="Ana",
            creator_wallet=address("ana"),
            goal_minor=1_000_000,
            currency="brl",
            launch_at=T0,
            deadline_at=T0 + timedelta(days=30),
            settlement_mode=mode,
            chain_id=chain_id if is_onchain else None,
            treasury_kind="payment-treasury" if is_onchain else None,
            identifier_hash=hash_of(slug),
            created_at=T0 - timedelta(seconds=age_s),
        )
    )
    if is_onchain and state is not None:
        has_addresses = state == "live"
        connection.execute(
            insert(settlement.campaigns).values(
                request_id=campaign_id,
                chain_id=chain_id,
                identifier_hash=hash_of(slug),
                creator=address("ana"),
                launch_at=T0,
                deadline_at=T0 + timedelta(days=30),
                goal_base_units=1_000_000 * CENTAVO,
                currency="BRL",
                title=f"Campaign {slug}",
                treasury_kind="payment-treasury",
                state=state,
                platform_hash=hash_of("platform") if has_addresses else None,
                campaign=address(f"campaign {slug}") if has_addresses else None,
                treasury=address(f"treasury of {slug}") if has_addresses else None,
                token=TOKEN if has_addresses else None,
                live_at=T0 if has_addresses else None,
            )
        )
    return campaign_id


def add_backer(connection: Connection) -> uuid.UUID:
    backer_id = uuid.uuid4()
    connection.execute(
        insert(offchain.backers).values(
            id=backer_id, reference=f"{BACKER_REFERENCE}-{backer_id}", salt=b"s" * 32
        )
    )
    return backer_id


def add_contribution(
    connection: Connection,
    campaign_id: uuid.UUID,
    *,
    amount_minor: int = 5_000,
    fiat_status: str = "captured",
    age_s: int = 0,
    **columns: Any,
) -> uuid.UUID:
    """A pledge of a new backer and its one attempt; returns the attempt's id."""
    pledge_id, attempt_id = uuid.uuid4(), uuid.uuid4()
    connection.execute(
        insert(offchain.pledges).values(
            id=pledge_id,
            campaign_id=campaign_id,
            backer_id=add_backer(connection),
            buyer_commitment=hash_of(f"commitment {pledge_id}"),
            item_id=hash_of("item"),
            amount_minor=amount_minor,
            currency="brl",
        )
    )
    connection.execute(
        insert(offchain.payment_attempts).values(
            id=attempt_id,
            pledge_id=pledge_id,
            gateway="crowdsplit",
            method="pix",
            provider_payment_id=f"provider-{attempt_id}",
            pix_code=f"pix-{attempt_id}",
            amount_minor=amount_minor,
            currency="brl",
            fiat_status=fiat_status,
            captured_at=T0 if fiat_status == "captured" else None,
            created_at=T0 - timedelta(seconds=age_s),
            **columns,
        )
    )
    return attempt_id


def pledge_of(connection: Connection, attempt_id: uuid.UUID) -> uuid.UUID:
    found: uuid.UUID = connection.execute(
        text("SELECT pledge_id FROM offchain.payment_attempts WHERE id = :id"), {"id": attempt_id}
    ).scalar_one()
    return found


def add_request(
    connection: Connection,
    attempt_id: uuid.UUID,
    *,
    slug: str = "solar",
    amount_minor: int = 5_000,
    state: str = "included",
    generation: int = 0,
    root_id: uuid.UUID | None = None,
) -> bytes:
    """A request of settlement: by the attempt's own name, or a later one of its pledge."""
    name = uuid.uuid5(attempt_id, str(generation)) if generation else attempt_id
    payment_id = hash_of(f"payment {name}")
    connection.execute(
        insert(settlement.requests).values(
            request_id=name,
            root_id=root_id or name,
            chain_id=CHAIN_ID,
            treasury=address(f"treasury of {slug}"),
            pledge_id=pledge_of(connection, attempt_id),
            generation=generation,
            payment_id=payment_id,
            buyer_commitment=hash_of("commitment"),
            item_id=hash_of("item"),
            token=TOKEN,
            amount_base_units=amount_minor * CENTAVO,
            captured_at=T0,
            state=state,
        )
    )
    return payment_id


def add_settled(
    connection: Connection,
    campaign_id: uuid.UUID,
    *,
    slug: str = "solar",
    amount_minor: int = 5_000,
    confirmed_block: int | None = 50,
    age_s: int = 0,
) -> uuid.UUID:
    """A contribution all the way to its treasury."""
    attempt_id = add_contribution(
        connection, campaign_id, amount_minor=amount_minor, age_s=age_s, chain_status="mined"
    )
    payment_id = add_request(connection, attempt_id, slug=slug, amount_minor=amount_minor)
    add_payment(
        connection,
        payment_id,
        slug=slug,
        amount_minor=amount_minor,
        confirmed_block=confirmed_block,
    )
    return attempt_id


def add_transaction(
    connection: Connection,
    tx: str,
    *,
    nonce: int = 0,
    state: str = "signed",
    mined_by: str | None = None,
    mined_block: int | None = None,
    is_final: bool = False,
    sequence: int = 0,
    batch: bool = True,
) -> None:
    """One of settlement's own transactions; ``sequence`` above 0 replaces at the same nonce."""
    signer, batch_id = address("signer"), uuid.uuid4() if batch else None
    if sequence == 0:
        if batch_id is not None:
            connection.execute(
                insert(settlement.batches).values(
                    id=batch_id,
                    chain_id=CHAIN_ID,
                    kind="confirm_payments",
                    target=address("treasury of solar"),
                    treasury=address("treasury of solar"),
                    calldata=b"\x00",
                    gas_limit=100_000,
                )
            )
        connection.execute(
            insert(settlement.nonce_slots).values(
                chain_id=CHAIN_ID,
                signer=signer,
                nonce=nonce,
                batch_id=batch_id,
                state=state,
                is_final=is_final,
                mined_tx=hash_of(mined_by) if mined_by else None,
                mined_block=mined_block,
                mined_block_hash=hash_of(f"block {mined_block}") if mined_block else None,
                gas_used=90_000 if mined_by else None,
                effective_gas_price_wei=25_000_000_000 if mined_by else None,
            )
        )
    connection.execute(
        insert(settlement.attempts).values(
            tx_hash=hash_of(tx),
            chain_id=CHAIN_ID,
            signer=signer,
            nonce=nonce,
            sequence=sequence,
            raw=b"signed-bytes",
            max_fee_per_gas_wei=1,
            max_priority_fee_per_gas_wei=1,
            sent_at=T0,
        )
    )
