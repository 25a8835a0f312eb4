"""``python -m stack.fakes.s3``: serve the local S3 and its queue."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from stack.fakes.s3.claims import Account
from stack.fakes.s3.serving import Place, create_fake
from stack.ports import LOOPBACK

SECRET_VARIABLE = "LASTRO_S3_SECRET_ACCESS_KEY"  # noqa: S105 - the name of one
"""Read from the environment where no argument gives it: arguments are for all to see."""


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m stack.fakes.s3", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="where objects are kept")
    parser.add_argument("--access-key-id", required=True)
    parser.add_argument("--secret-access-key", help=f"default: {SECRET_VARIABLE}")
    parser.add_argument("--bucket", required=True, help="there from the start")
    parser.add_argument("--queue", required=True, help="told of every object written to it")
    parser.add_argument("--public-prefix", default="media/", help="keys that anybody may read")
    parser.add_argument("--origin", action="append", default=[], help="of pages that may call it")
    given = parser.parse_args(arguments)
    secret = given.secret_access_key or os.environ.get(SECRET_VARIABLE)
    if not secret:
        parser.error(f"give --secret-access-key or {SECRET_VARIABLE}")
    fake = create_fake(
        Account(given.access_key_id, secret),
        Place(given.directory, given.bucket, given.queue, given.public_prefix, given.origin),
    )
    uvicorn.run(
        fake,
        host=LOOPBACK,
        port=given.port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=1,  # a long poll must not hold up the stop
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
