"""``python -m stack.fakes.paystack``: serve the fake gateway."""

import argparse
import sys
from collections.abc import Sequence

import uvicorn

from stack.fakes.paystack.books import Books
from stack.fakes.paystack.gateway import create_fake
from stack.ports import LOOPBACK


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m stack.fakes.paystack", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret-key", required=True, help="lets callers in and signs webhooks")
    parser.add_argument("--webhook-url", help="where webhooks go from the start")
    parser.add_argument("--seed", help="makes the series of codes repeatable")
    given = parser.parse_args(arguments)
    books = Books(secret_key=given.secret_key, seed=given.seed)
    books.register(given.webhook_url)
    uvicorn.run(create_fake(books), host=LOOPBACK, port=given.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
