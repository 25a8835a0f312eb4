"""Where a request came from, through our own proxies and nobody else's word."""

import pytest

from offchain.media.addresses import client_address

PROXY, BALANCER = "10.0.0.1", "10.0.0.2"
TRUSTED = (PROXY, BALANCER)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.9", [], "192.0.2.9"),
        ("192.0.2.9", ["203.0.113.5"], "192.0.2.9"),
        (PROXY, ["203.0.113.5"], "203.0.113.5"),
        (PROXY, ["198.51.100.7, 203.0.113.5"], "203.0.113.5"),
        (PROXY, ["198.51.100.7", "203.0.113.5"], "203.0.113.5"),
        (PROXY, [f"203.0.113.5, {BALANCER}"], "203.0.113.5"),
        (PROXY, [f"{BALANCER}"], BALANCER),
        (PROXY, [], PROXY),
        (PROXY, ["unknown"], PROXY),
        (PROXY, ["203.0.113.5\x00"], PROXY),
        (PROXY, ["2001:db8::1"], "2001:db8::1"),
        ("testclient", ["203.0.113.5"], None),
        (None, ["203.0.113.5"], None),
    ],
)
def test_first_address_that_is_no_proxy_of_ours_counts(
    peer: str | None, forwarded: list[str], found: str | None
) -> None:
    assert client_address(peer, forwarded, trusted=TRUSTED) == found
