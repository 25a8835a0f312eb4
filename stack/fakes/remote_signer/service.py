"""The fake's HTTP surface: the wallet service's own API and the control API beside it."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from stack.fakes.remote_signer.faults import API, LIE, Fault, FaultyEdge
from stack.fakes.remote_signer.signing import sign
from stack.fakes.remote_signer.vault import Vault
from stack.fakes.remote_signer.words import Refused

JsonBody = Annotated[dict[str, Any], Body()]
Key = Annotated[str | None, Header(alias="privy-idempotency-key")]
Json = dict[str, Any]


def create_fake(vault: Vault) -> FaultyEdge:
    """Build the ASGI app over its memory."""

    async def on_refused(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, Refused):
            raise error
        return JSONResponse(error.body, error.status)

    app = FastAPI(title="Fake wallet service")
    app.add_exception_handler(Refused, on_refused)
    app.include_router(_wallet_routes(vault), prefix=API)

    @app.get("/health")
    def health() -> Json:
        return {"status": "ok"}

    edge = FaultyEdge(app)
    app.include_router(_control_routes(vault, edge), prefix="/__fake__")
    return edge


def _wallet_routes(vault: Vault) -> APIRouter:
    def check(
        authorization: Annotated[str, Header()] = "",
        app_id: Annotated[str, Header(alias="privy-app-id")] = "",
    ) -> None:
        vault.check(authorization, app_id)

    router = APIRouter(dependencies=[Depends(check)])

    @router.post("/wallets")
    def create(body: JsonBody, key: Key = None) -> Json:
        request = {"path": "/wallets", "body": body}
        return vault.once(key, request, lambda: vault.create(body).document())

    @router.get("/wallets")
    def list_wallets(external_id: str | None = None) -> Json:
        rows = [wallet.document() for wallet in vault.named(external_id)]
        return {"data": rows, "next_cursor": None}

    @router.get("/wallets/{identifier}")
    def read(identifier: str) -> Json:
        return vault.wallet(identifier).document()

    @router.post("/wallets/{identifier}/rpc")
    def rpc(identifier: str, body: JsonBody, request: Request, key: Key = None) -> Json:
        wallet, lie = vault.wallet(identifier), request.scope.get(LIE)
        asked = {"path": f"/wallets/{wallet.id}/rpc", "body": body}
        return vault.once(key, asked, lambda: sign(wallet, body, lie))

    return router


def _control_routes(vault: Vault, edge: FaultyEdge) -> APIRouter:
    router = APIRouter()

    @router.post("/wallets")
    def keep(body: JsonBody) -> Json:
        return vault.add(body["key"], body.get("external_id")).document()

    @router.post("/faults")
    def fault(body: JsonBody) -> Json:
        wanted = TypeAdapter(Fault).validate_python(body)
        edge.faults.append(wanted)
        return asdict(wanted)

    @router.delete("/faults")
    def calm() -> Json:
        edge.faults.clear()
        return {}

    @router.post("/clock")
    def clock(body: JsonBody) -> Json:
        vault.advance(float(body["advance_s"]))
        return {"now": vault.now().isoformat()}

    @router.get("/calls")
    def calls() -> Json:
        return {"calls": [asdict(call) for call in list(edge.calls)]}

    return router
