from collections.abc import Iterator

import pytest

from tests.settlement.signers.custody import (
    KEPT,
    Custody,
    KeystoreCustody,
    KmsCustody,
    LyingKeystore,
    RemoteCustody,
    ServiceCustody,
)
from tests.support.kms import FakeKms, running_kms
from tests.support.remote_signer import FakeRemote, running_remote


@pytest.fixture(autouse=True)
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, so that no real ones are looked for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def kms() -> Iterator[FakeKms]:
    with running_kms() as served:
        yield served


@pytest.fixture
def remote() -> Iterator[FakeRemote]:
    with running_remote() as served:
        yield served


@pytest.fixture(params=["keystore", "kms", "remote"])
def custody(request: pytest.FixtureRequest) -> Custody:
    """A signer of each sort."""
    match request.param:
        case "kms":
            return KmsCustody.new(request.getfixturevalue("kms"))
        case "remote":
            return RemoteCustody.new(request.getfixturevalue("remote"))
        case _:
            return KeystoreCustody(LyingKeystore(KEPT))


@pytest.fixture(params=["kms", "remote"])
def at_service(request: pytest.FixtureRequest) -> ServiceCustody:
    """A signer of each sort that asks a service."""
    if request.param == "kms":
        return KmsCustody.new(request.getfixturevalue("kms"))
    return RemoteCustody.new(request.getfixturevalue("remote"))
