"""A lane opens once the service that holds its key answers, and only with the platform's key."""

import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from structlog.testing import capture_logs

from indexer.chain.types import to_hex
from indexer.errors import ConfigurationError
from indexer.settings import checked
from settlement import __main__ as process
from settlement.settings import SettlementSettings
from settlement.signers.remote import RemoteSigner
from tests.settlement.signers.custody import OTHER_SECRET
from tests.settlement.world import ADMIN, World
from tests.support.remote_signer import APP_ID, APP_SECRET, FakeRemote


@pytest.fixture
def environment(
    world: World, remote: FakeRemote, database_url: str, tmp_path: Path
) -> dict[str, Any]:
    record = json.dumps(world.deployment.model_dump(), default=to_hex)
    (tmp_path / f"{world.deployment.network}.json").write_text(record)
    return {
        "DATABASE_URL": database_url,
        "LASTRO_CHAIN": world.deployment.network,
        "LASTRO_RPC_URLS": world.anvil.url,
        "LASTRO_DEPLOYMENTS_DIR": str(tmp_path),
        "LASTRO_SIGNER": "remote",
        "LASTRO_REMOTE_SIGNER_URL": remote.account.url,
        "LASTRO_REMOTE_SIGNER_APP_ID": APP_ID,
        "LASTRO_REMOTE_SIGNER_APP_SECRET": APP_SECRET,
        "LASTRO_REMOTE_SIGNER_WALLET_ID": remote.vault.add(bytes(ADMIN.key).hex()).id,
    }


def test_lane_opens_once_the_wallet_service_answers(
    environment: dict[str, Any], remote: FakeRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RESTART_WAIT_S", 0)
    remote.fault("status", status=429, retry_after_s=60)
    with capture_logs() as logs:
        lane = process._open_lane(checked(SettlementSettings, **environment), Event())
    assert lane is not None
    lane.reader.close()
    lane.engine.dispose()
    assert isinstance(lane.signer, RemoteSigner)
    lane.signer._service.close()
    assert lane.sender == lane.deployment.platform.admin
    assert [entry["event"] for entry in logs] == ["signer_unavailable"]


def test_lane_does_not_open_with_another_wallet(
    environment: dict[str, Any], remote: FakeRemote
) -> None:
    environment["LASTRO_REMOTE_SIGNER_WALLET_ID"] = remote.vault.add(OTHER_SECRET.hex()).id
    with pytest.raises(ConfigurationError, match="LASTRO_REMOTE_SIGNER_WALLET_ID"):
        process._open_lane(checked(SettlementSettings, **environment), Event())
