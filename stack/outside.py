"""The parts the user brings instead of the embedded ones: do they answer, and are they right?"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx
import redis

from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.db.session import open_engine, require_answer
from indexer.errors import ConfigurationError, LastroError
from stack.gateways import GatewayPlace, gateway_places
from stack.objects import trouble_with_own
from stack.settings import StackSettings
from stack.topology import CELO, POLYGON

ANSWER_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    subject: str
    is_well: bool
    detail: str
    """What was found; when not well, how to mend it."""


def examine_outside(settings: StackSettings) -> Iterator[Finding]:
    """Ask every part that the settings put in an embedded one's place."""
    if settings.database_url is not None:
        yield _postgres(str(settings.database_url))
    if settings.redis_url is not None:
        yield _redis(str(settings.redis_url))
    for network, variable, url in (
        (CELO, "CELO_RPC_URL", settings.celo_rpc_url),
        (POLYGON, "POLYGON_RPC_URL", settings.polygon_rpc_url),
    ):
        if url is None:
            continue
        try:
            with closing(ChainReader([str(url)])) as reader:
                check_chain_id(reader, network)
        except LastroError as error:
            yield Finding(variable, is_well=False, detail=f"{error}; correct {variable}")
        else:
            yield Finding(variable, is_well=True, detail=f"serves {network.name}")
    for place in gateway_places(settings):
        if place.own_url is not None:
            yield _gateway(place, place.own_url)
    if settings.s3_endpoint_url is not None or settings.s3_bucket is not None:
        trouble = trouble_with_own(settings)
        yield Finding("LASTRO_S3_BUCKET", trouble is None, trouble or "answers")


def require_outside(settings: StackSettings) -> None:
    """Refuse to start on parts that do not answer.

    Raises:
        ConfigurationError: Lists all that are wrong.
    """
    wrong = [finding for finding in examine_outside(settings) if not finding.is_well]
    if wrong:
        raise ConfigurationError("\n".join(f"{f.subject}: {f.detail}" for f in wrong))


def _postgres(url: str) -> Finding:
    engine = open_engine(url, role=None, pool_size=1)
    try:
        require_answer(engine)
    except ConfigurationError as error:
        return Finding("DATABASE_URL", is_well=False, detail=str(error))
    finally:
        engine.dispose()
    return Finding("DATABASE_URL", is_well=True, detail="answers")


def _redis(url: str) -> Finding:
    client = redis.Redis.from_url(url, socket_timeout=ANSWER_TIMEOUT_S)
    try:
        client.ping()
    except redis.RedisError as error:
        return Finding("REDIS_URL", is_well=False, detail=f"{error}: start it or correct REDIS_URL")
    finally:
        client.close()
    return Finding("REDIS_URL", is_well=True, detail="answers")


def _gateway(place: GatewayPlace, url: str) -> Finding:
    """Whether a gateway of the user's own answers, and its account is set; no call is authorized.

    CrowdSplit says how it is. The others have nothing that is open to all: any answer but a
    server's trouble will do.
    """
    if place.missing:
        detail = f"set besides: {', '.join(place.missing)}"
        return Finding(place.variable, is_well=False, detail=detail)
    has_health = place.name == "crowdsplit"
    try:
        answer = httpx.get(f"{url}/api/health" if has_health else url, timeout=ANSWER_TIMEOUT_S)
    except httpx.HTTPError as error:
        detail = f"{url} does not answer ({type(error).__name__}): correct {place.variable}"
        return Finding(place.variable, is_well=False, detail=detail)
    is_well = answer.is_success if has_health else not answer.is_server_error
    return Finding(place.variable, is_well, f"answers {answer.status_code}")
