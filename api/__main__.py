"""``python -m api``: serve the read API from the environment's settings."""

import sys

import uvicorn

from api.app import create_app
from api.settings import ApiSettings
from indexer.errors import ConfigurationError
from indexer.telemetry import configure_logging

CONFIGURATION_EXIT_CODE = 2
STOP_TIMEOUT_S = 5


def main() -> int:
    """Serve until a signal; 2 when a setting is wrong."""
    try:
        settings = ApiSettings.from_environment()
        configure_logging(process="api", log_format=settings.log_format, level=settings.log_level)
        app = create_app(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return CONFIGURATION_EXIT_CODE
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
