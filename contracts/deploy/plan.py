"""The plan: every step of a deployment, in order. What is deployed is decided in this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import artifact
from chain import RpcError
from eth_utils import keccak
from sender import Request
from step import DEPLOYER, PLATFORM, Step, adopt, create, implementation_of, proxied, send
from view import CURRENCY, PLATFORM_HASH, ZERO_ADDRESS, View

if TYPE_CHECKING:
    from step import Read
    from view import Terms

GAS_MONEY_WEI = 100 * 10**18  # local chains only: the platform admin's gas for a long run
CENTAVO = 10**16  # base units of BRLA
BRLA_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Treasury:
    """A treasury implementation offered to the platform, under an id of its own."""

    id: int
    kind: str
    artifact: str


TREASURIES = (
    Treasury(2, "payment-treasury", "PaymentTreasury"),
    Treasury(3, "time-constrained-payment-treasury", "TimeConstrainedPaymentTreasury"),
    Treasury(4, "mirror-payment-treasury", "MirrorPaymentTreasury"),
)
"""Every kind on offer; id 2 is the one that Oak's SDK documents for payment treasuries."""


def treasury_arguments(view: View) -> list[Any]:
    """Name the constructor arguments that all treasury implementations take."""
    return [view.address("LiveParams"), view.address("RefundEscrow")]


def make_plan(terms: Terms, mint_centavos: int | None) -> list[Step]:
    """List the steps for these terms.

    Args:
        terms: What the deployment decides.
        mint_centavos: On local chains, how much test BRLA the platform admin starts with; None
            elsewhere, where BRLA exists.
    """
    money = [] if mint_centavos is None else play_money(mint_centavos)
    return [*protocol(), *settings(terms.registry), *money, *platform(), *treasuries()]


def protocol() -> list[Step]:
    """The contracts that everything else hangs on."""
    campaign = implementation_of("CampaignInfo")
    return [
        *proxied(
            "GlobalParams",
            lambda view: [view.terms.protocol_admin, view.terms.protocol_fee_bps, [], []],
        ),
        adopt("LiveParams", of="GlobalParams", getter="getLiveParams"),
        Step(
            "protocol admin",
            wanted=lambda view: view.terms.protocol_admin,
            found=lambda view: view.read("GlobalParams", "getProtocolAdminAddress"),
            hint="only the protocol admin deploys: give its account",
        ),
        *proxied("TreasuryFactory", lambda view: [view.address("GlobalParams")]),
        create(campaign, of="CampaignInfo"),
        *proxied(
            "CampaignInfoFactory",
            lambda view: [
                view.address("GlobalParams"),
                view.address(campaign),
                view.address("TreasuryFactory"),
            ],
        ),
        send(
            "implementation of campaigns",
            sender=DEPLOYER,
            call=lambda view: (
                "CampaignInfoFactory",
                "updateImplementation",
                view.address(campaign),
            ),
            wanted=lambda view: view.address(campaign),
            found=lambda view: view.member_address("CampaignInfoFactory", "campaignImplementation"),
        ),
        send(
            "campaign factory of the treasury factory",
            sender=DEPLOYER,
            call=lambda view: (
                "TreasuryFactory",
                "setCampaignInfoFactory",
                view.address("CampaignInfoFactory"),
            ),
            wanted=lambda view: view.address("CampaignInfoFactory"),
            found=lambda view: view.member_address("TreasuryFactory", "campaignInfoFactory"),
        ),
    ]


def settings(registry: dict[str, int]) -> list[Step]:
    """The values that campaigns and payments are checked against, and the protocol's fee."""

    def registered(key: str) -> Step:
        hashed = keccak(text=key)
        return send(
            f"registry {key}",
            sender=DEPLOYER,
            call=lambda view: (
                "GlobalParams",
                "addToRegistry",
                hashed,
                view.terms.registry[key].to_bytes(32),
            ),
            wanted=lambda view: view.terms.registry[key],
            found=lambda view: int(view.read("GlobalParams", "getFromRegistry", hashed), 16),
        )

    return [
        *map(registered, registry),
        send(
            "protocol fee",
            sender=DEPLOYER,
            call=lambda view: (
                "GlobalParams",
                "updateProtocolFeePercent",
                view.terms.protocol_fee_bps,
            ),
            wanted=lambda view: view.terms.protocol_fee_bps,
            found=lambda view: view.read("GlobalParams", "getProtocolFeePercent"),
        ),
    ]


def token_decimals(view: View) -> object:
    """Read how many decimals the token has, or say that it answers nothing of the kind."""
    try:
        return view.chain.read("TestBRLA", view.token(), "decimals")
    except RpcError as error:
        return f"unreadable ({error})"


def platform() -> list[Step]:
    """The platform, with its admin and fee, and the token that campaigns in BRL accept."""

    def listed(function: str) -> Read:
        return lambda view: view.read("GlobalParams", function, PLATFORM_HASH)

    return [
        Step(
            "BRLA decimals",
            wanted=lambda _: BRLA_DECIMALS,
            found=token_decimals,
            hint="--brla is not the address of BRLA",
        ),
        send(
            "BRLA for BRL",
            sender=DEPLOYER,
            call=lambda view: ("GlobalParams", "addTokenToCurrency", CURRENCY, view.token()),
            wanted=lambda _: True,
            found=lambda view: (
                view.token() in view.read("GlobalParams", "getTokensForCurrency", CURRENCY)
            ),
        ),
        send(
            "platform listed",
            sender=DEPLOYER,
            call=lambda view: (
                "GlobalParams",
                "enlistPlatform",
                PLATFORM_HASH,
                view.terms.platform_admin,
                view.terms.platform_fee_bps,
                ZERO_ADDRESS,
            ),
            wanted=lambda _: True,
            found=listed("checkIfPlatformIsListed"),
        ),
        Step(
            "platform admin",
            wanted=lambda view: view.terms.platform_admin,
            found=listed("getPlatformAdminAddress"),
            hint="give the account of the admin on chain, or hand over with "
            "GlobalParams.updatePlatformAdminAddress first",
        ),
        Step(
            "platform fee",
            wanted=lambda view: view.terms.platform_fee_bps,
            found=listed("getPlatformFeePercent"),
            hint="a listed platform keeps its fee: deploy with --platform-fee-bps as on chain",
        ),
    ]


def treasuries() -> list[Step]:
    """What treasuries are made of, and every kind of them, offered to the platform."""
    return [
        create("RefundEscrow", lambda view: [view.address("LiveParams")]),
        *map(create, libraries_of([treasury.artifact for treasury in TREASURIES])),
        *(step for treasury in TREASURIES for step in offer(treasury)),
    ]


def libraries_of(artifacts: list[str]) -> list[str]:
    """Name every library that contracts and their libraries call, the called before the callers."""
    found: dict[str, None] = {}
    for name in artifacts:
        called = artifact.libraries_of(name)
        found |= dict.fromkeys([*libraries_of(called), *called])
    return list(found)


def offer(treasury: Treasury) -> list[Step]:
    """Create, register and approve a treasury implementation."""
    name = treasury.artifact
    return [
        create(name, treasury_arguments),
        send(
            f"registration of {name}",
            sender=PLATFORM,
            call=lambda view: (
                "TreasuryFactory",
                "registerTreasuryImplementation",
                PLATFORM_HASH,
                treasury.id,
                view.address(name),
            ),
            wanted=lambda view: view.address(name),
            found=lambda view: view.registered(treasury.id),
        ),
        send(
            f"approval of {name}",
            sender=DEPLOYER,
            call=lambda _: (
                "TreasuryFactory",
                "approveTreasuryImplementation",
                PLATFORM_HASH,
                treasury.id,
            ),
            wanted=lambda _: True,
            found=lambda view: view.approved(view.address(name)),
        ),
    ]


def play_money(mint_centavos: int) -> list[Step]:
    """Create a test token, and give the platform admin some of it, and gas; local chains only."""

    def mint(view: View) -> Request:
        arguments = (view.terms.platform_admin, mint_centavos * CENTAVO)
        data = artifact.encode_call("TestBRLA", "mint", arguments)
        return Request(DEPLOYER, view.token(), data)

    return [
        create("TestBRLA", fixed=True),
        Step(
            "mint test BRLA",
            wanted=lambda _: True,
            found=lambda view: view.read("TestBRLA", "totalSupply") >= mint_centavos * CENTAVO,
            request=mint,
            lasting=False,
        ),
        Step(
            "gas for the platform admin",
            wanted=lambda _: True,
            found=lambda view: view.chain.balance(view.terms.platform_admin) >= GAS_MONEY_WEI // 2,
            request=lambda view: Request(DEPLOYER, view.terms.platform_admin, b"", GAS_MONEY_WEI),
            lasting=False,
        ),
    ]
