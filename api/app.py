"""The read API as a FastAPI application."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI
from typing_extensions import override

from api.dependencies import Reader, open_read_engine
from api.errors import ProblemDocument
from api.pages import routes as pages
from api.pages.site import open_site
from api.pagination import CursorCodec
from api.routes import campaigns, contributions, status, transactions, treasuries
from api.schemas.examples import EXAMPLES
from api.settings import ApiSettings
from api.tokens import TokenBook
from offchain.http.problems import install_problems

_log = structlog.get_logger(__name__)

CURSOR_SECRET_BYTES = 32
API_VERSION = "1"


class ReadApi(FastAPI):
    """A FastAPI application whose document says that every error is a problem."""

    @override
    def openapi(self) -> dict[str, Any]:
        """Write the OpenAPI document once."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
            for path in document["paths"].values():
                for operation in path.values():
                    _drop_own_error_shape(operation["responses"])
            # Put in last: FastAPI drops nulls from what it writes itself, also inside examples.
            for name, example in EXAMPLES.items():
                schemas[name]["examples"] = [example]
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
        return super().openapi()


def create_app(settings: ApiSettings, *, expected_revision: str | None = None) -> FastAPI:
    """Build the application; it opens no connection before the first request.

    Args:
        settings: What the process was configured by.
        expected_revision: Migration the database must be at for /readyz; the settings' when None.

    Raises:
        ConfigurationError: The database URL is not one of Postgres.
    """
    reader = Reader(
        open_read_engine(settings),
        tokens=TokenBook(settings.deployments_dir),
        cursors=CursorCodec(_cursor_secret(settings)),
        expected_revision=expected_revision or settings.expected_revision,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        _log.info("api_started")
        yield
        reader.engine.dispose()
        _log.info("api_stopped")

    app = ReadApi(
        title="Lastro",
        version=API_VERSION,
        summary="Contributions that can be checked: each fact with the block it is true as of.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.reader = reader
    app.state.site = open_site(settings)
    install_problems(app)
    for module in (campaigns, contributions, treasuries, transactions, status, pages):
        app.include_router(module.router)
    return app


def _cursor_secret(settings: ApiSettings) -> bytes:
    if settings.cursor_secret is not None:
        return settings.cursor_secret.get_secret_value().encode()
    _log.warning("cursor_secret_generated", consequence="cursors end with this process")
    return secrets.token_bytes(CURSOR_SECRET_BYTES)


def _drop_own_error_shape(responses: dict[str, Any]) -> None:
    """Remove FastAPI's default 422 where our own did not replace it."""
    content = responses.get("422", {}).get("content", {})
    if "$ref" in content.get("application/json", {}).get("schema", {}):
        content.pop("application/json")
        if not content:
            del responses["422"]
