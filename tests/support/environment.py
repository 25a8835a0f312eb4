"""The environment of a child process, without the caller's own Lastro settings."""

import os

_OURS = ("LASTRO_", "CROWDSPLIT_", "STRIPE_", "PAYSTACK_")
_SHARED = {"DATABASE_URL", "REDIS_URL", "CELO_RPC_URL", "POLYGON_RPC_URL", "ONCE"}


def bare_environment(**settings: str) -> dict[str, str]:
    """What is left of our environment, with these settings added."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and name not in _SHARED
    }
    return kept | settings
