"""Builders, and how a revert or an event is asserted: by the bytes that Oak's clients decode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

import ape
import building
from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance
from eth_abi import encode
from eth_utils import function_signature_to_4byte_selector, keccak, to_bytes, to_checksum_address

ZERO = building.ZERO_ADDRESS
PLATFORM = building.PLATFORM_HASH
BRL = building.CURRENCY
REAL = 10**18
DAY = 24 * 3_600
PROTOCOL_FEE = 100
PLATFORM_FEE = 300
REASON = keccak(text="a reason")
MAX_EXPIRATION = 90 * DAY
BUFFER_TIME = 3_600
GOAL_GATED = keccak(text="lastro.goalGated")

identifiers = count(1)
PANIC_OVERFLOW = ("Panic(uint256)", 0x11)


@dataclass(frozen=True)
class People:
    protocol_admin: AccountAPI
    platform_admin: AccountAPI
    creator: AccountAPI
    buyer: AccountAPI
    payee: AccountAPI
    stranger: AccountAPI


@dataclass(frozen=True)
class Deployed:
    params: ContractInstance
    campaigns: ContractInstance
    treasuries: ContractInstance
    brla: ContractInstance
    escrow: ContractInstance
    implementations: dict[int, str]

    @property
    def implementation(self) -> str:
        return self.implementations[building.PAYMENT_TREASURY_ID]


@dataclass(frozen=True)
class Done:
    """What a transaction left, of its receipt."""

    logs: list[dict]


@dataclass(frozen=True)
class Payment:
    """The arguments of createPayment, in order."""

    payment_id: bytes
    buyer_id: bytes
    item_id: bytes
    token: str
    amount: int
    expiration: int
    line_items: tuple = ()
    external_fees: tuple = ()

    @property
    def arguments(self):
        return (
            self.payment_id,
            self.buyer_id,
            self.item_id,
            self.token,
            self.amount,
            self.expiration,
            list(self.line_items),
            list(self.external_fees),
        )

    def but(self, **changes: object):
        return replace(self, **changes)


def deploy(people: People) -> Deployed:
    """The protocol with one platform and every kind of treasury, without Ape's deploy command."""
    admin = people.protocol_admin
    params = proxied(admin, "GlobalParams", admin.address, PROTOCOL_FEE, [], [])
    treasuries = proxied(admin, "TreasuryFactory", params.address)
    campaign = building.create(admin, "CampaignInfo").contract_address
    campaigns = proxied(admin, "CampaignInfoFactory", params.address, campaign, treasuries.address)
    treasuries.setCampaignInfoFactory(campaigns.address, sender=admin)
    for key, seconds in {
        "bufferTime": BUFFER_TIME,
        "maxPaymentExpiration": MAX_EXPIRATION,
        "campaignLaunchBuffer": 0,
        "minimumCampaignDuration": 60,
    }.items():
        params.addToRegistry(keccak(text=key), seconds.to_bytes(32, "big"), sender=admin)
    brla = new_token(people.stranger)
    params.addTokenToCurrency(BRL, brla.address, sender=admin)
    params.enlistPlatform(PLATFORM, people.platform_admin, PLATFORM_FEE, ZERO, sender=admin)
    live_params = params.getLiveParams()
    escrow = building.create(admin, "RefundEscrow", live_params).contract_address
    implementations = {}
    for number, kind in building.TREASURY_KINDS.items():
        made = building.create(admin, kind, live_params, escrow).contract_address
        treasuries.registerTreasuryImplementation(
            PLATFORM, number, made, sender=people.platform_admin
        )
        treasuries.approveTreasuryImplementation(PLATFORM, number, sender=admin)
        implementations[number] = made
    return Deployed(
        params=params,
        campaigns=campaigns,
        treasuries=treasuries,
        brla=brla,
        escrow=building.at("RefundEscrow", escrow),
        implementations=implementations,
    )


def new_token(sender) -> ContractInstance:
    return building.at("TestBRLA", building.create(sender, "TestBRLA").contract_address)


def proxied(sender, name, *arguments: object) -> ContractInstance:
    return building.create_proxied(sender, name, *arguments)[0]


def campaign_arguments(people: People, **changes: object):
    chosen = {
        "creator": people.creator.address,
        "identifier": keccak(text=f"campaign {next(identifiers)}"),
        "platforms": [PLATFORM],
        "keys": [],
        "values": [],
        "launch": ape.chain.pending_timestamp + 10,
        "deadline": ape.chain.pending_timestamp + 30 * DAY,
        "goal": 1_000 * REAL,
        "currency": BRL,
        "name": "Um livro",
        "symbol": "LIVRO",
        "image": "ipfs://image",
        "uri": "ipfs://collection",
    } | changes
    data = tuple(chosen.pop(key) for key in ("launch", "deadline", "goal", "currency"))
    texts = [chosen.pop(key) for key in ("name", "symbol", "image", "uri")]
    return [*chosen.values(), data, *texts]


def create_campaign(deployed: Deployed, people: People, **changes: object) -> ContractInstance:
    receipt = deployed.campaigns.createCampaign(
        *campaign_arguments(people, **changes), sender=people.stranger
    )
    created = building.event(receipt, deployed.campaigns, "CampaignInfoFactoryCampaignCreated")
    return building.at("CampaignInfo", created.campaignInfoAddress)


def create_treasury(
    deployed: Deployed,
    people: People,
    campaign: ContractInstance,
    kind: int = building.PAYMENT_TREASURY_ID,
) -> ContractInstance:
    receipt = deployed.treasuries.deploy(PLATFORM, campaign, kind, sender=people.platform_admin)
    created = building.event(receipt, deployed.treasuries, "TreasuryFactoryTreasuryDeployed")
    return building.at(building.TREASURY_KINDS[kind], created.treasuryAddress)


def a_payment(token, number: int = 1, **changes: object) -> Payment:
    payment = Payment(
        payment_id=keccak(text=f"payment {number}"),
        buyer_id=keccak(text=f"buyer {number}"),
        item_id=keccak(text=f"item {number}"),
        token=token.address,
        amount=51 * REAL,
        expiration=ape.chain.pending_timestamp + DAY,
    )
    return payment.but(**changes)


def payments(token, number: int, first: int = 1) -> list[Payment]:
    return [
        a_payment(token, index, amount=(10 + index) * REAL)
        for index in range(first, first + number)
    ]


def columns(batch: list[Payment]) -> list[list]:
    """The arguments of createPaymentBatch."""
    return [list(column) for column in zip(*(payment.arguments for payment in batch), strict=True)]


def create(treasury, people, *batch: Payment) -> None:
    for payment in batch:
        transact(treasury.createPayment, *payment.arguments, sender=people.platform_admin)


def fund(treasury, token, people, amount: int) -> None:
    transact(token.mint, treasury, amount, sender=people.stranger)


def confirmed(treasury, token, people, payment: Payment, buyer: str = ZERO) -> Payment:
    """Create, fund and confirm a payment."""
    create(treasury, people, payment)
    fund(treasury, token, people, payment.amount)
    transact(treasury.confirmPayment, payment.payment_id, buyer, sender=people.platform_admin)
    return payment


def canonical(entry) -> str:
    """The type of an ABI entry. ethpm-types drops the outer dimension of arrays of structs."""
    kind = str(entry.type)
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(canonical(part) for part in entry.components)}){kind[5:]}"


def calldata(method, *arguments: object) -> bytes:
    """Encode a call, arrays of arrays of structs included."""
    (abi,) = (found for found in method.abis if len(found.inputs) == len(arguments))
    types = [canonical(entry) for entry in abi.inputs]
    plain = [getattr(argument, "address", argument) for argument in arguments]
    selector = function_signature_to_4byte_selector(f"{abi.name}({','.join(types)})")
    return selector + encode(types, plain)


def send(method, *arguments: object, sender) -> ReceiptAPI:
    """Send a transaction encoded with `calldata`."""
    return sender.transfer(method.contract, 0, data=calldata(method, *arguments))


def transact(method, *arguments: object, sender) -> Done:
    """Send a transaction in one request, not Ape's fifteen.

    For what tests need done on the way: accounts are anvil's own, which signs for them.
    """
    data = "0x" + calldata(method, *arguments).hex()
    request = {"from": sender.address, "to": method.contract.address, "data": data}
    rpc = ape.chain.provider.web3.provider.make_request
    answer = rpc("eth_sendTransactionSync", [request])
    assert "error" not in answer, f"{method} reverted: {answer['error']}"
    assert answer["result"]["status"] == "0x1"
    return Done(
        [
            {
                "address": to_checksum_address(log["address"]),
                "topics": [to_bytes(hexstr=found) for found in log["topics"]],
                "data": to_bytes(hexstr=log["data"]),
            }
            for log in answer["result"]["logs"]
        ]
    )


def error_bytes(signature: str, *values: object) -> str:
    types = signature[signature.index("(") + 1 : -1]
    selector = function_signature_to_4byte_selector(signature)
    return "0x" + (selector + encode([t for t in types.split(",") if t], values)).hex()


def call(target: str, data: bytes, sender: str) -> dict:
    """Simulate a transaction; the answer holds ``result`` or ``error``."""
    return simulate({"from": sender, "to": target, "data": "0x" + bytes(data).hex()})


def simulate(request: dict) -> dict:
    return ape.chain.provider.web3.provider.make_request("eth_call", [request, "pending"])


def assert_reverts(method, arguments, sender, error: str, *values: object) -> None:
    """Assert that a call reverts with exactly this error and these arguments.

    Args:
        method: A contract's method, such as ``treasury.withdraw``.
        arguments: Its arguments.
        sender: Who calls.
        error: The error's signature.
        values: The error's arguments; addresses as hex, bytes32 as bytes.
    """
    answer = call(method.contract.address, calldata(method, *arguments), sender.address)
    assert "error" in answer, f"{method} did not revert"
    assert answer["error"].get("data") == error_bytes(error, *values)


def logs(receipt: ReceiptAPI, contract) -> list[dict]:
    """The raw logs of one contract in a transaction, in order."""
    return [log for log in receipt.logs if log["address"].lower() == contract.address.lower()]


def topic(event: str) -> bytes:
    return keccak(text=event)


def word(value) -> bytes:
    """A 32-byte topic of an address, an integer or a bytes32."""
    if isinstance(value, bytes):
        return value.rjust(32, b"\0") if len(value) == 20 else value
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return bytes.fromhex(value[2:]).rjust(32, b"\0")


def assert_log(log, event: str, indexed=(), types=(), values=()) -> None:
    """Assert one raw log: signature and indexed arguments as topics, the rest as data."""
    assert [bytes(found) for found in log["topics"]] == [topic(event), *map(word, indexed)]
    assert bytes(log["data"]) == encode(list(types), list(values))
