"""``python -m stack.fakes.crowdsplit``: serve the fake gateway."""

import argparse
import sys
from collections.abc import Sequence

import uvicorn

from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.gateway import create_fake
from stack.ports import LOOPBACK


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m stack.fakes.crowdsplit", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--client-secret", required=True)
    parser.add_argument("--webhook-url", help="endpoint registered from the start")
    parser.add_argument("--webhook-secret", help="secret of every endpoint; default: one each")
    parser.add_argument("--seed", help="makes the series of ids repeatable")
    parser.add_argument(
        "--dialect",
        choices=("gen2", "gen3"),
        default="gen3",
        help="generation of the gateway's contract; default: gen3",
    )
    given = parser.parse_args(arguments)
    books = Books(
        client_id=given.client_id,
        client_secret=given.client_secret,
        seed=given.seed,
        dialect=given.dialect,
    )
    books.preset_secret = given.webhook_secret
    if given.webhook_url is not None:
        books.register_endpoint(given.webhook_url)
    uvicorn.run(create_fake(books), host=LOOPBACK, port=given.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
