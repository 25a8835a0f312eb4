"""Who signs for whom: chosen by the chain's environment and by the campaign, else the platform."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from eth_account import Account
from eth_hash.auto import keccak
from sqlalchemy import Engine, insert

from indexer.chain.types import Address, ChainId
from indexer.errors import ConfigurationError
from settlement.signer import Signer, SignerUnavailable, sign_checked
from settlement.signer_settings import SignerSettings
from settlement.signers.book import SignerBook, signer_of_campaign
from settlement.signers.keystore import KeystoreSigner
from settlement.tables import campaigns
from settlement.wallets import Wallet, ensure_wallet
from stack.ports import free_port
from tests.settlement.signers.custody import KEPT, KEPT_ADDRESS, SECRET, TRANSACTION
from tests.support.kms import FakeKms
from tests.support.remote_signer import APP_ID, APP_SECRET, FakeRemote

CELO, POLYGON = ChainId(42220), ChainId(137)
TREASURY = Address(b"\x31" * 20)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("settlement")


@pytest.fixture
def book(remote: FakeRemote) -> SignerBook:
    return SignerBook(KeystoreSigner(KEPT), remote.service())


@pytest.fixture
def creators(engine: Engine, book: SignerBook) -> Wallet:
    assert book.wallets is not None
    return ensure_wallet(engine, book.wallets, owner_kind="creator", owner_id=uuid.uuid4())


@pytest.fixture
def opened() -> Iterator[Callable[..., SignerBook]]:
    """Open a book from an environment; closed when the test ends."""
    books: list[SignerBook] = []

    def open_one(**environment: str) -> SignerBook:
        books.append(SignerBook.open(SignerSettings.model_validate(environment)))
        return books[-1]

    yield open_one
    for book in books:
        book.close()


def of_remote(remote: FakeRemote) -> dict[str, str]:
    return {
        "LASTRO_REMOTE_SIGNER_URL": remote.account.url,
        "LASTRO_REMOTE_SIGNER_APP_ID": APP_ID,
        "LASTRO_REMOTE_SIGNER_APP_SECRET": APP_SECRET,
    }


def of_keystore(directory: Path) -> dict[str, str]:
    encrypted = Account.encrypt(SECRET, "segredo", kdf="pbkdf2", iterations=2)
    (directory / "key.json").write_text(json.dumps(encrypted))
    (directory / "password").write_text("segredo")
    return {
        "LASTRO_SIGNER_KEYSTORE": str(directory / "key.json"),
        "LASTRO_SIGNER_PASSWORD_FILE": str(directory / "password"),
    }


def campaign(engine: Engine, creator: Address | None, *, chain_id: ChainId = CELO) -> None:
    row = {
        "request_id": uuid.uuid4(),
        "chain_id": chain_id,
        "identifier_hash": keccak(b"campanha"),
        "creator": creator,
        "creator_id": uuid.uuid4(),
        "launch_at": NOW,
        "deadline_at": NOW + timedelta(days=30),
        "goal_base_units": 1,
        "currency": "BRL",
        "title": "A",
        "treasury_kind": "payment-treasury",
        "treasury": TREASURY,
    }
    with engine.begin() as connection:
        connection.execute(insert(campaigns).values(row))


def chosen(engine: Engine, book: SignerBook, chain_id: ChainId = CELO) -> Signer:
    with engine.connect() as connection:
        return signer_of_campaign(connection, book, chain_id=chain_id, treasury=TREASURY)


def test_open_takes_the_keystore_unless_told_otherwise(
    opened: Callable[..., SignerBook], tmp_path: Path
) -> None:
    book = opened(**of_keystore(tmp_path))
    assert book.platform.address == KEPT_ADDRESS
    assert book.wallets is None


def test_open_takes_the_key_of_kms(opened: Callable[..., SignerBook], kms: FakeKms) -> None:
    key = kms.new_key(SECRET)
    book = opened(
        LASTRO_SIGNER="kms",
        LASTRO_KMS_KEY_ID=key.key_id,
        LASTRO_KMS_ENDPOINT_URL=kms.url,
        AWS_REGION=key.region,
    )
    assert sign_checked(book.platform, TRANSACTION).raw


def test_open_takes_a_wallet_of_the_service(
    opened: Callable[..., SignerBook], remote: FakeRemote
) -> None:
    wallet_id = remote.vault.add(SECRET.hex()).id
    book = opened(
        LASTRO_SIGNER="remote", LASTRO_REMOTE_SIGNER_WALLET_ID=wallet_id, **of_remote(remote)
    )
    assert book.platform.address == KEPT_ADDRESS
    assert book.wallets is not None


def test_open_keeps_peoples_wallets_beside_a_keystore(
    opened: Callable[..., SignerBook], remote: FakeRemote, tmp_path: Path
) -> None:
    book = opened(**of_keystore(tmp_path), **of_remote(remote))
    assert book.platform.address == KEPT_ADDRESS
    assert book.wallets is not None


def test_open_is_unavailable_while_the_service_is(
    opened: Callable[..., SignerBook], remote: FakeRemote
) -> None:
    nowhere = of_remote(remote) | {"LASTRO_REMOTE_SIGNER_URL": f"http://127.0.0.1:{free_port()}"}
    with pytest.raises(SignerUnavailable):
        opened(LASTRO_SIGNER="remote", LASTRO_REMOTE_SIGNER_WALLET_ID="w", **nowhere)


def test_open_refuses_a_keystore_that_is_not_there(
    opened: Callable[..., SignerBook], tmp_path: Path
) -> None:
    files = of_keystore(tmp_path)
    (tmp_path / "key.json").unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        opened(**files)


def test_for_account_knows_the_platform_and_peoples_wallets_and_nobody_else(
    engine: Engine, book: SignerBook, creators: Wallet
) -> None:
    with engine.connect() as connection:
        platform = book.for_account(connection, KEPT_ADDRESS)
        of_creator = book.for_account(connection, creators.address)
        of_stranger = book.for_account(connection, TREASURY)
    assert platform is book.platform
    assert of_creator is not None
    assert of_creator.address == creators.address
    assert sign_checked(of_creator, TRANSACTION).raw
    assert of_stranger is None


def test_campaign_is_signed_for_by_its_creators_wallet(
    engine: Engine, book: SignerBook, creators: Wallet
) -> None:
    campaign(engine, creators.address)
    assert chosen(engine, book).address == creators.address


def test_campaign_is_signed_for_by_the_platform_when_its_creator_brought_a_wallet(
    engine: Engine, book: SignerBook, creators: Wallet
) -> None:
    campaign(engine, Address(b"\x77" * 20))
    assert creators.address != TREASURY
    assert chosen(engine, book) is book.platform


def test_campaign_is_signed_for_by_the_platform_when_no_wallet_is_made_yet(
    engine: Engine, book: SignerBook
) -> None:
    campaign(engine, None)
    assert chosen(engine, book) is book.platform


def test_campaign_is_signed_for_by_the_platform_when_settlement_does_not_know_it(
    engine: Engine, book: SignerBook
) -> None:
    assert chosen(engine, book) is book.platform


def test_campaign_of_another_chain_does_not_choose_this_chains_signer(
    engine: Engine, book: SignerBook, creators: Wallet
) -> None:
    campaign(engine, creators.address, chain_id=POLYGON)
    assert chosen(engine, book, CELO) is book.platform
    assert chosen(engine, book, POLYGON).address == creators.address


def test_campaign_is_signed_for_by_the_platform_when_the_chain_has_no_wallet_service(
    engine: Engine, creators: Wallet
) -> None:
    campaign(engine, creators.address)
    without = SignerBook(KeystoreSigner(KEPT))
    assert chosen(engine, without) is without.platform
