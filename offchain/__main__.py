"""``python -m offchain http | worker | cron``: run one off-chain process."""

import gc
import sys
from collections.abc import Callable, Mapping, Sequence

import uvicorn

from indexer.errors import ConfigurationError
from indexer.settings import ProcessSettings
from indexer.telemetry import configure_logging
from offchain.http.app import create_app
from offchain.jobs import cron, worker
from offchain.settings import CronSettings, HttpSettings, WorkerSettings

EXIT_CONFIGURATION = 2


def _http() -> None:
    settings = HttpSettings.from_environment()
    _log(settings, "http")
    app = create_app(settings)
    # A full collection would look at all that was imported, which never becomes garbage, and answer
    # nobody for a tenth of a second.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        proxy_headers=False,  # nothing here depends on who asks or from where
        timeout_graceful_shutdown=10,
    )


def _worker() -> None:
    settings = WorkerSettings.from_environment()
    _log(settings, "worker")
    worker.serve(settings)


def _cron() -> None:
    settings = CronSettings.from_environment()
    _log(settings, "cron")
    cron.serve(settings)


PROCESSES: Mapping[str, Callable[[], None]] = {"http": _http, "worker": _worker, "cron": _cron}


def _log(settings: ProcessSettings, process: str) -> None:
    configure_logging(
        process=f"offchain-{process}", log_format=settings.log_format, level=settings.log_level
    )


def main(arguments: Sequence[str]) -> int:
    """Run the process named by the one argument; its exit code."""
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        sys.stderr.write(f"usage: python -m offchain {{{'|'.join(PROCESSES)}}}\n")
        return EXIT_CONFIGURATION
    try:
        PROCESSES[arguments[0]]()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
