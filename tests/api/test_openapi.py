import json
import re
from typing import Any

import pytest
from pydantic import BaseModel

from api.app import create_app
from api.schemas import campaigns, contributions, shared, status, transactions, treasuries
from api.schemas.examples import EXAMPLES
from api.settings import ApiSettings

OPERATIONS = {
    "/v1/campaigns": "listCampaigns",
    "/v1/campaigns/{slug_or_id}": "getCampaign",
    "/v1/campaigns/{slug_or_id}/contributions": "listContributions",
    "/v1/contributions/{payment_id}": "getContribution",
    "/v1/treasuries": "listTreasuries",
    "/v1/treasuries/{chain}/{address}": "getTreasury",
    "/v1/transactions/{tx_hash}": "getTransaction",
    "/v1/status": "getStatus",
    "/livez": "getLiveness",
    "/readyz": "getReadiness",
}


@pytest.fixture(scope="module")
def document() -> Any:
    """Needs no database: the application opens no connection before its first request."""
    settings = ApiSettings.model_validate({"DATABASE_URL": "postgresql://nobody@localhost/none"})
    return json.loads(json.dumps(create_app(settings).openapi()))


def test_document_is_openapi_3_1_with_stable_operations(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    found = {path: item["get"]["operationId"] for path, item in document["paths"].items()}
    assert found == OPERATIONS
    assert all(list(item) == ["get"] for item in document["paths"].values())


def test_every_reference_resolves(document: Any) -> None:
    schemas = document["components"]["schemas"]
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert names <= set(schemas)
    assert {"HTTPValidationError", "ValidationError"}.isdisjoint(schemas)


def test_every_refusal_is_documented_as_a_problem(document: Any) -> None:
    for path, item in document["paths"].items():
        for code, response in item["get"]["responses"].items():
            if code != "200":
                assert list(response["content"]) == ["application/problem+json"], (path, code)


@pytest.mark.parametrize(
    "schema",
    [
        schema
        for module in (shared, campaigns, contributions, treasuries, transactions, status)
        for name, schema in vars(module).items()
        if name in EXAMPLES and schema.__module__ == module.__name__
    ],
)
def test_example_is_a_whole_answer(document: Any, schema: type[BaseModel]) -> None:
    (example,) = document["components"]["schemas"][schema.__name__]["examples"]
    assert schema.model_validate_json(json.dumps(example)).model_dump(mode="json") == example
