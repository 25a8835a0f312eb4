"""Pages of other origins may use the media endpoints, where the operator names them."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/v1/media"
CORS_SECONDS = 600
"""How long a browser may remember what it was allowed."""


class MediaCors:
    """Lets named pages of other origins use the media endpoints, and no others; no cookies."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self.app = app
        self.shared = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
            max_age=CORS_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        is_media = scope["type"] == "http" and f"{scope['path']}/".startswith(f"{PATH}/")
        await (self.shared if is_media else self.app)(scope, receive, send)
