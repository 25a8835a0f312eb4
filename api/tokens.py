"""What a token's base units are worth showing as, read from the deployment records."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from api.schemas.shared import Amount
from api.values import display_amount, minor_unit_digits
from indexer.chain.deployments import Token, load_deployment, record_path
from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import Address
from indexer.errors import ConfigurationError

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Record:
    written_at_ns: int
    tokens: dict[Address, Token]


class TokenBook:
    """Tokens by chain and address; a record written or replaced later is picked up.

    Args:
        directory: Where the records lie; None knows no token.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._records: dict[int, _Record] = {}

    def find(self, chain_id: int, address: bytes) -> Token | None:
        """The token at an address; None when no record names it."""
        return self._tokens(chain_id).get(Address(address))

    def amount(self, chain_id: int, address: bytes, base_units: int) -> Amount:
        """Show an amount of a token; decimals, currency and display are None when unknown."""
        token = self.find(chain_id, address)
        if token is None:
            return Amount(raw=str(base_units), decimals=None, currency=None, display=None)
        return Amount(
            raw=str(base_units),
            decimals=token.decimals,
            currency=token.currency,
            display=display_amount(
                base_units, decimals=token.decimals, digits_min=minor_unit_digits(token.currency)
            ),
        )

    def _tokens(self, chain_id: int) -> dict[Address, Token]:
        if self._directory is None:
            return {}
        try:
            network = network_by_chain_id(chain_id)
            written_at_ns = record_path(self._directory, network).stat().st_mtime_ns
            known = self._records.get(chain_id)
            if known is None or known.written_at_ns != written_at_ns:
                deployment = load_deployment(self._directory, network)
                known = _Record(written_at_ns, {t.address: t for t in deployment.tokens})
                self._records[chain_id] = known
        except FileNotFoundError:
            return {}
        except ConfigurationError as error:
            _log.warning("deployment_record_refused", chain_id=chain_id, reason=str(error))
            return {}
        return known.tokens


def fiat_amount(minor: int, currency: str) -> Amount:
    """Show an amount of a fiat currency given in its minor unit."""
    decimals = minor_unit_digits(currency)
    return Amount(
        raw=str(minor),
        decimals=decimals,
        currency=currency.upper(),
        display=display_amount(minor, decimals=decimals, digits_min=decimals),
    )
