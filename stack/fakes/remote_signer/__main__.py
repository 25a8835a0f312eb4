"""``python -m stack.fakes.remote_signer``: serve the fake wallet service."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from stack.fakes.remote_signer.service import create_fake
from stack.fakes.remote_signer.vault import Vault
from stack.ports import LOOPBACK

SECRET_VARIABLE = "LASTRO_REMOTE_SIGNER_APP_SECRET"  # noqa: S105 - the name of one
"""Read from the environment where no argument gives it: arguments are for all to see."""


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(
        prog="python -m stack.fakes.remote_signer", description=__doc__
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--app-id", required=True)
    parser.add_argument("--app-secret", help=f"default: {SECRET_VARIABLE}")
    parser.add_argument("--file", type=Path, help="where keys outlive the process")
    given = parser.parse_args(arguments)
    secret = given.app_secret or os.environ.get(SECRET_VARIABLE)
    if not secret:
        parser.error(f"give --app-secret or {SECRET_VARIABLE}")
    vault = Vault(app_id=given.app_id, app_secret=secret, file=given.file)
    uvicorn.run(create_fake(vault), host=LOOPBACK, port=given.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
