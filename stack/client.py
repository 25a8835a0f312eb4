"""The demo's view of Lastro: its two HTTP apps and the fake gateways, as an outsider uses them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from indexer.errors import PermanentError
from stack.fakes.edge import CONTROL
from stack.scenario import EXPIRY_OF_UNPAID_S, CampaignPlan, PaymentPlan
from stack.topology import Topology

TIMEOUT_S = 20
_CAMPAIGN_LIFE = timedelta(days=30)
_ITEMS_PER_PAGE = 100


class DemoClient:
    """Calls the APIs and refuses every answer that is not a success."""

    def __init__(self, topology: Topology, run: str) -> None:
        self._topology = topology
        self._run = run
        self._client = httpx.Client(timeout=TIMEOUT_S)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def slug(self, plan: CampaignPlan) -> str:
        """The campaign's slug in this run; a shared database may hold earlier runs."""
        return f"{plan.slug}-{self._run}" if self._run else plan.slug

    def register_campaign(self, plan: CampaignPlan) -> dict[str, Any]:
        """Register a campaign as the platform's operator."""
        body: dict[str, Any] = {
            "slug": self.slug(plan),
            "title": plan.title,
            "creator": plan.creator,
            "goal_minor": plan.goal_minor,
            "currency": plan.currency,
            "deadline_at": (datetime.now(UTC) + _CAMPAIGN_LIFE).isoformat(),
            "settlement_mode": "fiat_only",
        }
        if plan.network is not None:
            body |= {
                "settlement_mode": "onchain",
                "chain": plan.network.name,
                "treasury_kind": "payment-treasury",
                "creator_wallet": plan.creator_wallet,
            }
        return self._post(
            f"{self._topology.http_url}/v1/campaigns",
            body,
            authorization=f"Bearer {self._topology.secrets.operator_token}",
        )

    def ensure_campaign(self, plan: CampaignPlan) -> bool:
        """Register a campaign unless its slug is taken; says whether it did."""
        url = f"{self._topology.api_url}/v1/campaigns/{self.slug(plan)}"
        if self._client.get(url).is_success:
            return False
        self.register_campaign(plan)
        return True

    def create_payment(self, plan: PaymentPlan) -> dict[str, Any]:
        """Start a payment as a backer's checkout does."""
        body: dict[str, Any] = {
            "campaign": self.slug(plan.campaign),
            "gateway": plan.gateway,
            "method": plan.method,
            "amount_minor": plan.amount_minor,
            "currency": plan.campaign.currency,
            "backer_reference": f"demo-backer-{plan.number}@example.org",
            "metadata": {"order": f"demo-{plan.number}"},
        }
        if plan.fault == "expires_unpaid":
            body["expires_in_s"] = EXPIRY_OF_UNPAID_S
        if plan.gateway == "crowdsplit" and plan.method == "card":
            body["card"] = {
                "token": f"card_token_{plan.number}",
                "installments": 1,
                "holder_name": "Backer Demo",
                "last_four": "4242",
                "expiration": "12/2030",
            }
        return self._post(
            f"{self._topology.http_url}/v1/payments", body, **{"idempotency-key": str(uuid4())}
        )

    def send_picture(self, plan: CampaignPlan, picture: bytes) -> str:
        """Send a JPEG for a campaign's cover straight to the store; returns its id."""
        declared = self._post(
            f"{self._topology.http_url}/v1/media",
            {
                "campaign": self.slug(plan),
                "purpose": "cover",
                "content_type": "image/jpeg",
                "size_bytes": len(picture),
            },
            authorization=f"Bearer {self._topology.secrets.operator_token}",
        )
        upload = declared["upload"]
        answer = self._client.put(upload["url"], content=picture, headers=upload["headers"])
        if not answer.is_success:
            raise PermanentError(f"the store answered an upload with {answer.status_code}")
        file_id: str = declared["id"]
        self._post(f"{self._topology.http_url}/v1/media/{file_id}/uploaded", {})
        return file_id

    def file(self, file_id: str) -> dict[str, Any]:
        """A file as whoever sent it sees it."""
        return self._get(f"{self._topology.http_url}/v1/media/{file_id}")

    def page_url(self, plan: CampaignPlan) -> str:
        """The campaign's page."""
        return f"{self._topology.api_url}/campaigns/{self.slug(plan)}"

    def at_gateway(self, gateway: str, path: str, body: dict[str, Any] | None = None) -> None:
        """Drive a fake gateway through its control API."""
        self._post(f"{self._gateway_url(gateway)}{CONTROL}{path}", body or {})

    def pay_on_page(self, url: str) -> None:
        """Press the button of a gateway's hosted page, as the backer does."""
        answer = self._client.post(url, data={"action": "pay"})
        if not answer.is_success:
            raise PermanentError(f"the hosted page {url} answered {answer.status_code}")

    def payment(self, payment_id: str) -> dict[str, Any]:
        """A payment as its backer sees it."""
        return self._get(f"{self._topology.http_url}/v1/payments/{payment_id}")

    def gateway_payments(self) -> list[dict[str, Any]]:
        """Every payment the gateways know, each as its gateway tells a control of its own."""
        return [
            payment
            for place in self._topology.gateways
            for payment in self._get(f"{place.url}{CONTROL}/totals")["payments"]
        ]

    def _gateway_url(self, name: str) -> str:
        return next(place.url for place in self._topology.gateways if place.name == name)

    def post_forged_webhook(self, body: dict[str, Any]) -> int:
        """Send a webhook whose signature is wrong; returns the status it is answered with."""
        now = int(datetime.now(UTC).timestamp())
        answer = self._client.post(
            f"{self._topology.http_url}/v1/webhooks/crowdsplit",
            json=body,
            headers={"CrowdSplit-Signature": f"t={now},v1={'0' * 64}"},
        )
        return answer.status_code

    def campaign(self, plan: CampaignPlan) -> dict[str, Any]:
        """One campaign as the read API shows it."""
        return self._get(f"{self._topology.api_url}/v1/campaigns/{self.slug(plan)}")

    def contribution(self, attempt_id: str) -> dict[str, Any]:
        """One contribution by the id its checkout answered with."""
        return self._get(f"{self._topology.api_url}/v1/contributions/{attempt_id}")

    def contributions(self, plan: CampaignPlan) -> list[dict[str, Any]]:
        """Every contribution of a campaign, page by page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            query: dict[str, str | int] = {"limit": _ITEMS_PER_PAGE}
            if cursor is not None:
                query["cursor"] = cursor
            page = self._get(
                f"{self._topology.api_url}/v1/campaigns/{self.slug(plan)}/contributions", query
            )
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def _post(self, url: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        try:
            return _success(self._client.post(url, json=body, headers=headers))
        except httpx.TransportError as error:
            raise PermanentError(f"{url} does not answer: {error}") from None

    def _get(self, url: str, query: dict[str, str | int] | None = None) -> dict[str, Any]:
        try:
            return _success(self._client.get(url, params=query))
        except httpx.TransportError as error:
            raise PermanentError(f"{url} does not answer: {error}") from None


def _success(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise PermanentError(
            f"{answer.request.method} {answer.request.url} answered {answer.status_code}: "
            f"{answer.text[:500]}"
        )
    body: dict[str, Any] = answer.json() if answer.content else {}
    return body
