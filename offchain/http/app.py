"""The write API as an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import OperationalError

from offchain.http import campaigns, health, media, metrics, payment_status, payments, webhooks
from offchain.http.figures import count_unread
from offchain.http.idempotency import lock_of
from offchain.http.media_cors import MediaCors
from offchain.http.problems import install_problems
from offchain.http.state import HttpState, Uploads
from offchain.inbox.intake import Intake
from offchain.jobs.bell import Bell, open_redis
from offchain.media.opening import open_media
from offchain.services import Services, open_services
from offchain.settings import HttpSettings

CONNECTIONS = 20
"""Postgres connections kept: FastAPI runs up to 40 requests at once, each briefly."""

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own would hand the messages of exceptions, which may hold personal data, to whatever
exporter the environment names, and asks on every request whether there is one."""

_log = structlog.get_logger(__name__)


def create_app(
    settings: HttpSettings, *, services: Services | None = None, bell: Bell | None = None
) -> FastAPI:
    """Build the app.

    Args:
        settings: The process' settings.
        services: What it reaches, closed by the caller; None opens it from the settings.
        bell: What rings for stored webhooks; None opens it from the settings.

    Raises:
        ConfigurationError: A setting or a deployment record is wrong.
    """
    opened = services or open_services(
        settings,
        webhook_secrets=settings.webhook_secrets,
        media=open_media(settings),
        pool_size=CONNECTIONS,
    )
    bell = bell or Bell(open_redis(settings.redis_url_text))
    state = HttpState(
        services=opened,
        bell=bell,
        intake=Intake(opened.engine, bell, waiting_max=settings.webhook_queue_max),
        operator_token=settings.operator_token,
        pix_lifetime=settings.pix_lifetime,
        public_url=str(settings.public_url).rstrip("/"),
        request_lock=lock_of(settings.gateway_timeout_s),
        uploads=Uploads(
            secret=settings.upload_secret,
            pages_url=str(settings.pages_url or settings.public_url),
            trusted_proxies=settings.trusted_proxies,
        ),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(_warn_of_unread, opened)
        async with state.intake.running():
            yield
        if services is None:
            opened.close()

    app = FastAPI(
        title="Lastro write API",
        summary="Webhooks, checkout, the campaign registry and uploads.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    app.state.lastro = state
    app.add_middleware(webhooks.WebhookPath)
    install_problems(app)
    if settings.page_origins:  # outermost: a page must be able to read our problems too
        app.add_middleware(MediaCors, origins=settings.page_origins)
    for module in (webhooks, payments, payment_status, campaigns, media, health):
        app.include_router(module.router)
    app.include_router(metrics.make_router(opened))
    return app


def _warn_of_unread(services: Services) -> None:
    """Name the gateways that are disabled and still have payments; Postgres may yet be away."""
    try:
        with services.engine.connect() as connection:
            unread = count_unread(connection, services.gateways)
    except OperationalError:
        return
    for gateway, count in unread.items():
        _log.warning("gateway_disabled_with_open_payments", gateway=gateway, payments=count)
