"""The steps of a deployment. Each sends its transactions and returns what their receipts say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ape.contracts import ContractContainer, ContractInstance
from eth_utils import keccak
from ethpm_types import ContractType
from record import ARTIFACTS

if TYPE_CHECKING:
    from ape.api import AccountAPI, ReceiptAPI
    from ape.types import ContractLog

PLATFORM_NAME = "lastro"
PLATFORM_HASH = keccak(text=PLATFORM_NAME)
CURRENCY = b"BRL".ljust(32, b"\0")
PAYMENT_TREASURY_ID = 2  # the id Oak's SDK documents for payment treasuries
CENTAVO = 10**16  # base units of BRLA, which has 18 decimals
ZERO_ADDRESS = "0x" + "00" * 20


class DeploymentError(Exception):
    """A transaction went through without doing what it was sent for."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a deployment decides; times in seconds, fees in basis points."""

    platform_admin: str
    protocol_fee_bps: int = 0
    platform_fee_bps: int = 0
    buffer_time_s: int = 3_600
    max_payment_expiration_s: int = 90 * 24 * 3_600  # a card chargeback may take that long
    campaign_launch_buffer_s: int = 0
    minimum_campaign_duration_s: int = 60


@dataclass(frozen=True, slots=True)
class Protocol:
    """The contracts everything else hangs on, behind their proxies, and the first block of them."""

    global_params: ContractInstance
    campaign_info_factory: ContractInstance
    treasury_factory: ContractInstance
    first_block: int


def container(name: str) -> ContractContainer:
    """Load a contract from the committed artifacts: nothing is compiled to deploy."""
    artifact = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    contract_type = {
        "contractName": name,
        "abi": artifact["abi"],
        "deploymentBytecode": {"bytecode": artifact["bytecode"]},
        "runtimeBytecode": {"bytecode": artifact["deployedBytecode"]},
    }
    return ContractContainer(ContractType.model_validate(contract_type))


def at(name: str, address: str) -> ContractInstance:
    """Speak to a deployed contract; proxies are addressed by the ABI behind them."""
    return container(name).at(address, fetch_from_explorer=False, detect_proxy=False)


def create(deployer: AccountAPI, name: str, *arguments: object) -> ReceiptAPI:
    """Deploy a contract; its address is the receipt's."""
    receipt = deployer.call(container(name)(*arguments, sender=deployer))
    if not receipt.contract_address:
        raise DeploymentError(f"the receipt {receipt.txn_hash} of {name} names no contract")
    return receipt


def create_proxied(
    deployer: AccountAPI, name: str, *arguments: object
) -> tuple[ContractInstance, ReceiptAPI]:
    """Deploy an implementation and its proxy, initialised in the proxy's own transaction."""
    receipt = create(deployer, name)
    implementation = at(name, receipt.contract_address)
    initialise = implementation.initialize.encode_input(*arguments)
    proxy = create(deployer, "ERC1967Proxy", receipt.contract_address, initialise)
    return at(name, proxy.contract_address), receipt


def event(receipt: ReceiptAPI, contract: ContractInstance, name: str) -> ContractLog:
    """Decode the one event of that name that the contract emitted in a transaction."""
    found = [
        log
        for log in receipt.decode_logs(getattr(contract, name).abi)
        if log.contract_address == contract.address
    ]
    if len(found) != 1:
        raise DeploymentError(f"{receipt.txn_hash} emitted {len(found)} {name}, not 1")
    return found[0]


def create_protocol(deployer: AccountAPI, terms: Terms) -> Protocol:
    """Deploy the three proxies and the campaign implementation; the deployer administers them."""
    params, first = create_proxied(
        deployer, "GlobalParams", deployer.address, terms.protocol_fee_bps, [], []
    )
    treasuries, _ = create_proxied(deployer, "TreasuryFactory", params.address)
    campaign = create(deployer, "CampaignInfo").contract_address
    campaigns, _ = create_proxied(
        deployer, "CampaignInfoFactory", params.address, campaign, treasuries.address
    )
    treasuries.setCampaignInfoFactory(campaigns.address, sender=deployer)
    return Protocol(params, campaigns, treasuries, first.block_number)


def set_registry(protocol: Protocol, deployer: AccountAPI, terms: Terms) -> None:
    """Set the four values that campaigns and payments are checked against."""
    values = {
        "bufferTime": terms.buffer_time_s,
        "maxPaymentExpiration": terms.max_payment_expiration_s,
        "campaignLaunchBuffer": terms.campaign_launch_buffer_s,
        "minimumCampaignDuration": terms.minimum_campaign_duration_s,
    }
    for key, seconds in values.items():
        protocol.global_params.addToRegistry(
            keccak(text=key), seconds.to_bytes(32, "big"), sender=deployer
        )


def enlist_platform(protocol: Protocol, deployer: AccountAPI, terms: Terms) -> str:
    """Enlist the platform; returns its admin as the event names it."""
    receipt = protocol.global_params.enlistPlatform(
        PLATFORM_HASH,
        terms.platform_admin,
        terms.platform_fee_bps,
        ZERO_ADDRESS,
        sender=deployer,
    )
    enlisted = event(receipt, protocol.global_params, "PlatformEnlisted")
    return str(enlisted.platformAdminAddress)


def accept_token(protocol: Protocol, deployer: AccountAPI, token: str) -> str:
    """Let campaigns in BRL accept a token; returns its address as the event names it."""
    receipt = protocol.global_params.addTokenToCurrency(CURRENCY, token, sender=deployer)
    return str(event(receipt, protocol.global_params, "TokenAddedToCurrency").token)


def offer_treasury(
    protocol: Protocol, deployer: AccountAPI, platform_admin: AccountAPI
) -> dict[str, Any]:
    """Deploy, register and approve the payment treasury; returns it as the record lists it."""
    implementation = create(deployer, "PaymentTreasury").contract_address
    receipt = protocol.treasury_factory.registerTreasuryImplementation(
        PLATFORM_HASH, PAYMENT_TREASURY_ID, implementation, sender=platform_admin
    )
    registered = event(receipt, protocol.treasury_factory, "TreasuryImplementationRegistered")
    receipt = protocol.treasury_factory.approveTreasuryImplementation(
        PLATFORM_HASH, PAYMENT_TREASURY_ID, sender=deployer
    )
    approval = event(receipt, protocol.treasury_factory, "TreasuryImplementationApproval")
    if approval.implementation != registered.implementation or not approval.isApproved:
        raise DeploymentError(f"{receipt.txn_hash} approved {approval.implementation}")
    return {
        "id": int(registered.implementationId),
        "kind": "payment-treasury",
        "address": str(registered.implementation),
    }
