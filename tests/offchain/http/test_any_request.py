"""Whatever a request holds: no operation of the OpenAPI document answers 5xx.

Requests are made by schemathesis from the document itself, right ones and wrong ones, with and
without the operator's token. Some are steered to what exists, so that they come further.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from sqlalchemy import Engine

from offchain.http.app import create_app
from offchain.services import Services
from offchain.settings import HttpSettings
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.media import OPERATOR, media_environment, media_of
from tests.support.media import body as media_body
from tests.support.offchain import (
    add_attempt,
    add_campaign,
    add_pledge,
    environment,
)
from tests.support.s3 import running_s3

EXAMPLES = 60
"""Of right and of wrong requests, for each operation."""
TOKENS: tuple[dict[str, str], ...] = (OPERATOR, OPERATOR, {"Authorization": "Bearer nobody"}, {})
SLUG = "open-brl"
RIGHT: dict[str, dict[str, Any]] = {
    "POST /v1/payments": {
        "campaign": SLUG,
        "method": "pix",
        "amount_minor": 5_000,
        "currency": "brl",
        "backer_reference": "backer-1",
    },
    "POST /v1/media": media_body(campaign=SLUG),
    "POST /v1/campaigns": {
        "slug": "another",
        "title": "Another",
        "creator": "Ana",
        "goal_minor": 100_000,
        "currency": "brl",
        "deadline_at": "2100-01-01T00:00:00Z",
        "settlement_mode": "fiat_only",
    },
}
CHECKED = settings(
    max_examples=EXAMPLES,
    deadline=None,  # over HTTP
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, slots=True)
class Shop:
    """The whole write API over HTTP, and what there is in it to name."""

    http: httpx.Client
    names: dict[str, str]
    """What exists, by the path parameter that takes it."""
    right: dict[str, dict[str, Any]]
    """A request that is done, by operation."""


@pytest.fixture
def shop(
    services: Services, engine: Engine, database_url: str, valkey: EmbeddedValkey, tmp_path: Path
) -> Iterator[Shop]:
    """Three gateways would add nothing: adapters have their own suite."""
    pledge_id = add_pledge(engine, add_campaign(engine, slug=SLUG))
    attempt_id = str(add_attempt(engine, pledge_id, pix_code="0002"))
    with running_s3(tmp_path) as site:
        variables = environment(database_url, valkey.url, **media_environment(site))
        app = create_app(
            HttpSettings.model_validate(variables),
            services=Services(engine, services.gateways, services.chains, media=media_of(site)),
        )
        with serving(app) as client:
            declared = client.post("/v1/media", json=media_body(campaign=SLUG), headers=OPERATOR)
            names = {
                "campaign": SLUG,
                "gateway": "crowdsplit",
                "media_id": declared.json()["id"],
                "payment_id": attempt_id,
            }
            yield Shop(client, names, RIGHT)


def test_no_operation_answers_5xx_whatever_it_is_asked(shop: Shop) -> None:
    schema = schemathesis.openapi.from_url(f"{shop.http.base_url}/openapi.json")
    asked = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), "the document describes what cannot be asked"
        operation = found.ok()
        _ask(shop, operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        with suppress(Unsatisfiable):  # it takes nothing that could be wrong
            _ask(shop, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        asked.add(operation.label)
    assert len(asked) == len(
        [
            method
            for path in shop.http.get("/openapi.json").json()["paths"].values()
            for method in path
        ]
    )


def _ask(shop: Shop, cases: st.SearchStrategy[Any]) -> None:
    @CHECKED
    @given(case=cases, token=st.sampled_from(TOKENS), steer=st.booleans(), pick=st.integers(0, 20))
    def ask(case: Any, token: dict[str, str], pick: int, *, steer: bool) -> None:
        if steer:
            _steer(case, shop, pick)
        answer = case.call(base_url=str(shop.http.base_url), headers=token)
        assert answer.status_code < 500, (answer.status_code, case.as_curl_command())

    ask()


def _steer(case: Any, shop: Shop, pick: int) -> None:
    """Name what exists, and let one member alone be other than in a right request."""
    for name in shop.names.keys() & case.path_parameters.keys():
        case.path_parameters[name] = shop.names[name]
    right = shop.right.get(case.operation.label)
    if right is not None and isinstance(case.body, dict) and case.body:
        name = sorted(case.body)[pick % len(case.body)]
        case.body = {**right, name: case.body[name]}
