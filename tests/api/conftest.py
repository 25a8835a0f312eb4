from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import PostgresDsn, SecretStr

from api.app import create_app
from api.settings import ApiSettings
from tests.api.chain_rows import write_deployment
from tests.api.serving import Stage, serving


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> ApiSettings:
    write_deployment(tmp_path)
    return ApiSettings.model_validate(
        {
            "DATABASE_URL": PostgresDsn(database_url),
            "LASTRO_DEPLOYMENTS_DIR": tmp_path,
            "LASTRO_CURSOR_SECRET": SecretStr("a secret of some length"),
        }
    )


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with serving() as opened:
        yield opened


@pytest.fixture
def client(stage: Stage, settings: ApiSettings) -> Iterator[httpx.Client]:
    with stage.showing(create_app(settings)) as opened:
        yield opened


@pytest.fixture
def get(client: httpx.Client) -> Callable[..., Any]:
    """GET a path, expect 200, return its JSON."""

    def read(path: str, **parameters: object) -> Any:
        answer = client.get(path, params={k: str(v) for k, v in parameters.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return read
