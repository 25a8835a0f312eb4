"""Where a request came from, when proxies of ours stand in front. Pure.

Source: RFC 7239 1 and the custom it describes: each proxy adds, at the end of ``X-Forwarded-For``,
whom it was called by. So only what our own proxies added is true, and the rest may be anything.
"""

from collections.abc import Collection, Sequence
from ipaddress import ip_address


def client_address(
    peer: str | None, forwarded: Sequence[str], *, trusted: Collection[str]
) -> str | None:
    """The first address, from our side, that is no proxy of ours.

    Args:
        peer: Who called us; None where that is not known.
        forwarded: Values of ``X-Forwarded-For``, in their order.
        trusted: Addresses of our proxies.

    Returns:
        An IP address as text; None when there is none that can be read.
    """
    found = None if peer is None else _address(peer)
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while found is not None and found in trusted and hops:
        hop = _address(hops.pop())
        if hop is None:
            break
        found = hop
    return found


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
