"""``python -m stack.fakes.stripe``: serve the fake Stripe."""

import argparse
import sys
from collections.abc import Sequence

import uvicorn

from stack.fakes.stripe import webhooks
from stack.fakes.stripe.books import Books
from stack.fakes.stripe.gateway import create_fake
from stack.ports import LOOPBACK


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m stack.fakes.stripe", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret-key", required=True)
    parser.add_argument("--webhook-url", help="endpoint registered from the start")
    parser.add_argument("--webhook-secret", help="secret of every endpoint; default: one each")
    parser.add_argument("--seed", help="makes the series of ids repeatable")
    given = parser.parse_args(arguments)
    books = Books(secret_key=given.secret_key, seed=given.seed)
    books.preset_secret = given.webhook_secret
    fake = create_fake(books)
    if given.webhook_url is not None:
        for connect in (False, True):  # an endpoint takes our own events, or connected accounts'
            webhooks.register(
                books, given.webhook_url, enabled_events=webhooks.ALL, connect=connect
            )
    uvicorn.run(fake, host=LOOPBACK, port=given.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
