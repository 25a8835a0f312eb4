"""The write API as an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from offchain.http import campaigns, health, payments, webhooks
from offchain.http.idempotency import fingerprint_key
from offchain.http.problems import install_problems
from offchain.http.state import HttpState
from offchain.jobs.bell import Bell, open_redis
from offchain.services import Services, open_services
from offchain.settings import HttpSettings

CONNECTIONS = 20
"""Postgres connections kept: FastAPI runs up to 40 requests at once, each briefly."""


def create_app(settings: HttpSettings, *, services: Services | None = None) -> FastAPI:
    """Build the app.

    Args:
        settings: The process' settings.
        services: What it reaches, closed by the caller; None opens it from the settings.

    Raises:
        ConfigurationError: A setting or a deployment record is wrong.
    """
    opened = services or open_services(
        settings, webhook_secrets=settings.crowdsplit_webhook_secrets, pool_size=CONNECTIONS
    )
    state = HttpState(
        services=opened,
        bell=Bell(open_redis(settings.redis_url_text)),
        operator_token=settings.operator_token,
        pix_lifetime=settings.pix_lifetime,
        request_key=fingerprint_key(settings.operator_token.get_secret_value()),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        if services is None:
            opened.close()

    app = FastAPI(
        title="Lastro write API",
        summary="Webhooks, checkout and the campaign registry.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.lastro = state
    install_problems(app)
    for module in (webhooks, payments, campaigns, health):
        app.include_router(module.router)
    return app
