"""``GET /metrics``: what Prometheus reads of the off-chain half.

It holds no secrets and nothing about a person, yet it is the platform's own business: whatever
stands in front of this process forwards it to nobody outside.
"""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from offchain.http.figures import Figures
from offchain.services import Services


def make_router(services: Services) -> APIRouter:
    """Make the router of one process' metrics."""
    registry = CollectorRegistry()
    registry.register(Figures(services))
    ProcessCollector(registry=registry)
    router = APIRouter(tags=["health"])

    @router.get("/metrics", operation_id="metrics", response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        """What Prometheus reads; forward it to nobody outside."""
        return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
