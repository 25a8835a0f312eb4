"""A wallet is made exactly once, whoever asks at the same time and wherever somebody crashes."""

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from indexer.chain.types import Address
from indexer.db.base import ROLES
from indexer.db.locks import transaction_lock
from indexer.db.session import open_engine
from settlement.record_tables import wallets
from settlement.signer import SignerRefused, SignerUnavailable
from settlement.wallets import Wallet, WalletProvider, ensure_wallet, external_id
from tests.support.dying import dying_at
from tests.support.remote_signer import APP_ID, APP_SECRET, FakeRemote

OWNER = uuid.UUID("b6a5c1f0-0000-4000-8000-000000000001")
THREADS = 8
PROCESSES = 3
OWNERS = 10
STATEMENTS_MAX = 30
"""More than any run has: the loop over crash points ends before."""

PROGRAM = """
import sys, uuid
from pydantic import SecretStr
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from settlement.signer_settings import RemoteAccount
from settlement.signers.remote import RemoteWallets
from settlement.signers.remote_service import RemoteService
from settlement.wallets import ensure_wallet
url, app_id, secret, database_url, owners = sys.argv[1:]
provider = RemoteWallets(RemoteService.open(RemoteAccount(url, app_id, SecretStr(secret))))
engine = open_engine(database_url, role=ROLES["settlement"])
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(owners)):
    owner_id = uuid.UUID(int=number)
    wallet = ensure_wallet(engine, provider, owner_kind="backer", owner_id=owner_id)
    print(wallet.wallet_id, file=sys.stderr)
"""


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("settlement")


@pytest.fixture
def provider(remote: FakeRemote) -> WalletProvider:
    return remote.wallets()


@pytest.fixture
def engines(database_url: str) -> Iterator[list[Engine]]:
    """One for each thread, as if each were a process."""
    opened = [open_engine(database_url, role=ROLES["settlement"]) for _ in range(THREADS)]
    yield opened
    for engine in opened:
        engine.dispose()


def ensure(engine: Engine, provider: WalletProvider, owner_id: uuid.UUID = OWNER) -> Wallet:
    return ensure_wallet(engine, provider, owner_kind="creator", owner_id=owner_id)


def made(remote: FakeRemote, owner_id: uuid.UUID = OWNER) -> Wallet:
    """The one wallet that the service has of an owner."""
    (wallet,) = remote.vault.named(external_id("creator", owner_id))
    return Wallet(wallet.id, Address(bytes.fromhex(wallet.account.address[2:])))


def intents(engine: Engine) -> int:
    """Rows whose wallet is not there yet."""
    with engine.connect() as connection:
        return connection.execute(
            select(func.count()).where(wallets.c.wallet_id.is_(None))
        ).scalar_one()


class Watching:
    """A provider that looks what is committed when it is asked."""

    def __init__(self, provider: WalletProvider, engine: Engine) -> None:
        self._provider = provider
        self._engine = engine
        self.seen: list[int] = []

    def find(self, external_id: str) -> Wallet | None:
        self.seen.append(intents(self._engine))
        return self._provider.find(external_id)

    def create(self, external_id: str) -> Wallet:
        self.seen.append(intents(self._engine))
        return self._provider.create(external_id)


class Repeating:
    """A broken provider: everybody gets the same wallet."""

    def find(self, external_id: str) -> Wallet | None:
        return None if external_id else self.create(external_id)

    def create(self, external_id: str) -> Wallet:
        assert external_id
        return Wallet("one", Address(b"\x01" * 20))


def test_wallet_is_made_when_it_is_first_needed_and_then_only_read(
    engine: Engine, provider: WalletProvider, remote: FakeRemote
) -> None:
    first = ensure(engine, provider)
    assert ensure(engine, provider) == first == made(remote)
    assert len(remote.calls("POST", "/wallets")) == 1
    assert len(remote.calls("GET", "/wallets")) == 1


def test_wallet_is_each_persons_own(
    engine: Engine, provider: WalletProvider, remote: FakeRemote
) -> None:
    backers = ensure_wallet(engine, provider, owner_kind="backer", owner_id=OWNER)
    found = {backers, ensure(engine, provider), ensure(engine, provider, uuid.uuid4())}
    assert len(found) == len(remote.vault.named(None)) == 3


def test_intent_is_committed_before_the_service_is_asked(
    engine: Engine, provider: WalletProvider
) -> None:
    watching = Watching(provider, engine)
    ensure(engine, watching)
    assert watching.seen == [1, 1]
    assert intents(engine) == 0


def test_wallet_is_made_once_at_whatever_statement_a_process_died(
    engine_as: Callable[[str], Engine], provider: WalletProvider, remote: FakeRemote
) -> None:
    for statement in range(STATEMENTS_MAX):
        owner_id = uuid.uuid4()
        dying = engine_as("settlement")
        try:
            with dying_at(dying, statement):
                ensure(dying, provider, owner_id)
        except KeyboardInterrupt:
            assert ensure(engine_as("settlement"), provider, owner_id) == made(remote, owner_id)
            continue
        assert statement > 5
        return
    raise AssertionError("there are more statements than were tried")


def test_wallet_is_made_once_when_a_process_died_after_its_intent(
    engine: Engine, provider: WalletProvider, remote: FakeRemote
) -> None:
    remote.fault("reset_before", times=-1)
    with pytest.raises(SignerUnavailable):
        ensure(engine, provider)
    assert intents(engine) == 1
    remote.control.delete("/__fake__/faults")
    assert ensure(engine, provider) == made(remote)


def test_wallet_is_made_once_when_the_services_answer_was_lost(
    engine: Engine, provider: WalletProvider, remote: FakeRemote
) -> None:
    remote.fault("reset_after", method="POST")
    assert ensure(engine, provider) == made(remote)
    assert len(remote.calls("POST", "/wallets")) == 2


def test_wallet_is_made_once_when_every_answer_was_lost_and_the_process_died(
    engine: Engine, provider: WalletProvider, remote: FakeRemote
) -> None:
    remote.fault("reset_after", method="POST", times=-1)
    with pytest.raises(SignerUnavailable):
        ensure(engine, provider)
    remote.control.delete("/__fake__/faults")
    assert ensure(engine, provider) == made(remote)


def test_wallet_is_made_once_when_a_process_died_and_the_service_forgot_the_key(
    engine: Engine, provider: WalletProvider, remote: FakeRemote
) -> None:
    remote.fault("reset_after", method="POST", times=-1)
    with pytest.raises(SignerUnavailable):
        ensure(engine, provider)
    remote.control.delete("/__fake__/faults")
    asked = len(remote.calls("POST", "/wallets"))
    remote.advance(timedelta(hours=25))
    assert ensure(engine, provider) == made(remote)
    assert len(remote.calls("POST", "/wallets")) == asked


def test_wallet_is_made_once_when_another_made_it_after_it_was_looked_for(
    provider: WalletProvider, remote: FakeRemote
) -> None:
    name = external_id("creator", OWNER)
    assert provider.find(name) is None
    other = provider.create(name)
    remote.advance(timedelta(hours=25))
    assert provider.create(name) == other == made(remote)


def test_intent_stays_when_the_service_refuses(
    engine: Engine, provider: WalletProvider, remote: FakeRemote
) -> None:
    remote.fault("status", method="POST", status=400, code="invalid_data")
    with pytest.raises(SignerRefused):
        ensure(engine, provider)
    assert intents(engine) == 1
    assert ensure(engine, provider) == made(remote)


def test_one_wallet_is_never_two_persons(engine: Engine) -> None:
    ensure(engine, Repeating())
    with pytest.raises(IntegrityError):
        ensure(engine, Repeating(), uuid.uuid4())


def test_wallet_is_made_once_when_many_threads_need_it_at_once(
    engines: list[Engine], provider: WalletProvider, remote: FakeRemote
) -> None:
    together = Barrier(THREADS)

    def need(engine: Engine) -> Wallet:
        together.wait()
        return ensure(engine, provider)

    with ThreadPoolExecutor(THREADS) as pool:
        found = set(pool.map(need, engines))
    assert found == {made(remote)}
    assert len(remote.calls("POST", "/wallets")) == 1


def test_wallets_are_made_once_when_processes_need_them_at_once(
    database_url: str, remote: FakeRemote
) -> None:
    arguments = [remote.account.url, APP_ID, APP_SECRET, database_url, str(OWNERS)]
    with ExitStack() as running:
        processes = [
            running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PROGRAM, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=60)[1] for process in processes]
    assert len(set(printed)) == 1
    assert len(printed[0].split()) == len(remote.vault.named(None)) == OWNERS
    assert len(remote.calls("POST", "/wallets")) == OWNERS


def test_caller_does_not_wait_for_ever_for_another_process(
    engine: Engine,
    provider: WalletProvider,
    remote: FakeRemote,
    engine_as: Callable[[str], Engine],
) -> None:
    impatient = engine_as("settlement")

    @event.listens_for(impatient, "begin")
    def _hurry(connection: Connection) -> None:
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))

    with engine.begin() as holder:
        transaction_lock(holder, f"wallet:{external_id('creator', OWNER)}")
        with pytest.raises(OperationalError, match="lock timeout"):
            ensure(impatient, provider)
    assert ensure(impatient, provider) == made(remote)
