"""Calldata against eth-abi: encoded from the committed ABIs, and from the older signatures."""

from typing import Any

import pytest
from eth_abi.abi import encode

from indexer.chain.abi import load_artifact
from indexer.chain.types import ZERO_ADDRESS, Address, PaymentId, to_hex
from indexer.details.calldata import (
    FACTORY_FUNCTIONS,
    TREASURY_FUNCTIONS,
    Confirmation,
    Creation,
    NewCampaign,
    asked_by,
    selector,
)
from indexer.signatures import signature_types
from tests.support.protocol_logs import address

TREASURY, TOKEN, BUYER, SAFE, ADAPTER = map(address, ("treasury", "token", "buyer", "safe", "fwd"))
ID, OTHER, ITEM, BUYER_ID = (bytes([n]) * 32 for n in (1, 2, 3, 4))
ITEMS = ((b"t" * 32, 7), (b"u" * 32, 8))
FEES = ((b"f" * 32, 9),)
PERMIT = (1, 2, b"signature")
# First four bytes of a call, as Oak's clients of each generation send them.
SELECTORS = {
    "createPayment(bytes32,bytes32,bytes32,address,uint256,uint256)": "9e130246",
    "processCryptoPayment(bytes32,bytes32,address,uint256)": "62f38f2c",
    "processCryptoPayment(bytes32,bytes32,address,address,uint256)": "f956576b",
    "confirmPayment(bytes32)": "3611d088",
    "confirmPaymentBatch(bytes32[])": "1f4268ac",
    "createPaymentBatch(bytes32[],bytes32[],bytes32[],address[],uint256[],uint256[])": "f15e1e72",
    "createCampaign(address,bytes32,bytes32[],bytes32[],bytes32[],(uint256,uint256,uint256))": (
        "69b6c918"
    ),
    "createCampaign(address,bytes32,bytes32[],bytes32[],bytes32[],"
    "(uint256,uint256,uint256,bytes32))": "960727b9",
}


def call(signature: str, *arguments: Any) -> bytes:
    return selector(signature) + encode(signature_types(signature), arguments)


def signature_of(name: str, *, count: int, contract: str = "PaymentTreasury") -> str:
    def kind(one: dict[str, Any]) -> str:
        if not one["type"].startswith("tuple"):
            return str(one["type"])
        inner = ",".join(kind(part) for part in one["components"])
        return f"({inner}){one['type'].removeprefix('tuple')}"

    (found,) = (
        entry
        for entry in load_artifact(contract).abi
        if entry.get("name") == name and len(entry["inputs"]) == count
    )
    return f"{name}({','.join(kind(one) for one in found['inputs'])})"


def creation(payment_id: Any = ID, **changes: Any) -> Creation:
    plain: dict[str, Any] = {"token": TOKEN, "amount": 5} | changes
    return Creation(TREASURY, payment_id, **plain)


def confirmation(payment_id: bytes = ID, buyer: Address = BUYER) -> Confirmation:
    return Confirmation(TREASURY, PaymentId(payment_id), buyer)


FULL: dict[str, Any] = {"line_items": ITEMS, "external_fees": FEES}
CREATE = signature_of("createPayment", count=8)
CREATE_BATCH = signature_of("createPaymentBatch", count=8)
CRYPTO = signature_of("processCryptoPayment", count=8)
SETTLE = signature_of("settleBatch", count=2)
CONFIRM = signature_of("confirmPayment", count=2)
CONFIRM_BATCH = signature_of("confirmPaymentBatch", count=2)
CREATED = call(CREATE, ID, BUYER_ID, ITEM, TOKEN, 5, 99, ITEMS, FEES)
BATCH = ([ID, OTHER], [BUYER_ID] * 2, [ITEM] * 2, [TOKEN] * 2, [5, 6], [99] * 2)

CASES = [
    (CREATED, [creation(**FULL)]),
    (
        call(CREATE_BATCH, *BATCH, [ITEMS, ()], [(), FEES]),
        [creation(line_items=ITEMS), creation(OTHER, amount=6, external_fees=FEES)],
    ),
    (
        call(CRYPTO, ID, ITEM, BUYER, TOKEN, 5, ITEMS, FEES, PERMIT),
        [creation(**FULL), confirmation()],
    ),
    (
        call(SETTLE, TOKEN, [(ID, BUYER_ID, ITEM, BUYER, 5), (OTHER, BUYER_ID, ITEM, SAFE, 6)]),
        [creation(), confirmation(), creation(OTHER, amount=6), confirmation(OTHER, SAFE)],
    ),
    (call(CONFIRM, ID, BUYER), [confirmation()]),
    (
        call(CONFIRM_BATCH, [ID, OTHER], [BUYER, ZERO_ADDRESS]),
        [confirmation(), confirmation(OTHER, ZERO_ADDRESS)],
    ),
    # Older generations.
    (
        call("createPayment(bytes32,address,bytes32,uint256,uint256)", ID, BUYER, ITEM, 5, 99),
        [creation(token=None)],
    ),
    (
        call("createPayment(bytes32,bytes32,bytes32,uint256,uint256)", ID, BUYER_ID, ITEM, 5, 99),
        [creation(token=None)],
    ),
    (
        call(
            "createPayment(bytes32,bytes32,bytes32,address,uint256,uint256)",
            *(ID, BUYER_ID, ITEM, TOKEN, 5, 99),
        ),
        [creation()],
    ),
    (
        call(
            "createPaymentBatch(bytes32[],bytes32[],bytes32[],address[],uint256[],uint256[])",
            *BATCH,
        ),
        [creation(), creation(OTHER, amount=6)],
    ),
    (
        call("processCryptoPayment(bytes32,bytes32,address,uint256)", ID, ITEM, BUYER, 5),
        [creation(token=None), confirmation()],
    ),
    (
        call(
            "processCryptoPayment(bytes32,bytes32,address,address,uint256)",
            *(ID, ITEM, BUYER, TOKEN, 5),
        ),
        [creation(), confirmation()],
    ),
    (
        call(
            "processCryptoPayment(bytes32,bytes32,address,address,uint256,(bytes32,uint256)[],"
            "(bytes32,uint256)[])",
            *(ID, ITEM, BUYER, TOKEN, 5, ITEMS, FEES),
        ),
        [creation(**FULL), confirmation()],
    ),
    (call("confirmPayment(bytes32)", ID), [confirmation(buyer=ZERO_ADDRESS)]),
    (
        call("confirmPaymentBatch(bytes32[])", [ID, OTHER]),
        [confirmation(buyer=ZERO_ADDRESS), confirmation(OTHER, ZERO_ADDRESS)],
    ),
]


@pytest.mark.parametrize(("calldata", "asked"), CASES)
def test_asked_by_reads_a_call_of_every_generation(calldata: bytes, asked: list[object]) -> None:
    assert list(asked_by(TREASURY, calldata)) == asked


def test_selectors_are_those_of_oaks_clients() -> None:
    signatures = (*TREASURY_FUNCTIONS, *FACTORY_FUNCTIONS)
    found = {name: selector(name).hex() for name in signatures if name in SELECTORS}
    assert found == SELECTORS
    current = {CREATE, CREATE_BATCH, CRYPTO, SETTLE, CONFIRM, CONFIRM_BATCH}
    assert current <= set(TREASURY_FUNCTIONS)


def execute(calldata: bytes, to: Address = TREASURY) -> bytes:
    return call("executeCall(address,bytes)", to, calldata)


def safe(to: Address, calldata: bytes, operation: int = 0) -> bytes:
    signature = (
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
    )
    rest = (0, 0, 0, ZERO_ADDRESS, ZERO_ADDRESS, b"")
    return call(signature, to, 0, calldata, operation, *rest)


def multi_send(*calls: tuple[Address, bytes]) -> bytes:
    packed = b"".join(
        b"\0" + to + bytes(32) + len(inner).to_bytes(32, "big") + inner for to, inner in calls
    )
    return call("multiSend(bytes)", packed)


CONFIRMED = call(CONFIRM, ID, BUYER)
WRAPPED = {
    "adapter": (ADAPTER, execute(CREATED + SAFE)),
    "adapter's own function": (
        ADAPTER,
        call(
            CREATE.replace("(", "(address,", 1),
            TREASURY,
            *(ID, BUYER_ID, ITEM, TOKEN, 5, 99),
            ITEMS,
            FEES,
        ),
    ),
    "safe": (SAFE, safe(TREASURY, CREATED)),
    "adapter in safe": (SAFE, safe(ADAPTER, execute(CREATED + SAFE))),
    "batch in safe": (
        SAFE,
        safe(address("multi send"), multi_send((ADAPTER, execute(CREATED))), operation=1),
    ),
}


@pytest.mark.parametrize(("to", "calldata"), WRAPPED.values(), ids=WRAPPED)
def test_asked_by_finds_the_call_when_it_is_wrapped(to: Address, calldata: bytes) -> None:
    assert asked_by(to, calldata) == (creation(**FULL),)


def test_asked_by_keeps_the_order_of_a_batch() -> None:
    calls = ((TREASURY, CREATED), (TOKEN, b"\xa9\x05\x9c\xbb"), (TREASURY, CONFIRMED))
    found = asked_by(SAFE, safe(address("multi send"), multi_send(*calls), operation=1))
    assert found == (creation(**FULL), confirmation())


def test_asked_by_reads_a_campaign_of_every_generation() -> None:
    creator = address("creator")
    one_token, one_currency, _ = FACTORY_FUNCTIONS
    head: tuple[Any, ...] = (creator, ID, [b"p" * 32], [], [])
    terms, currency = (10, 20, 30), b"BRL".ljust(32, b"\0")
    calls = {
        None: [call(one_token, *head, terms)],
        currency: [
            call(one_currency, *head, (*terms, currency)),
            call(
                signature_of("createCampaign", count=10, contract="CampaignInfoFactory"),
                *(*head, (*terms, currency), "name", "S", "", ""),
            ),
        ],
    }
    for money, variants in calls.items():
        for calldata in variants:
            assert asked_by(ADAPTER, calldata) == (
                NewCampaign(ADAPTER, creator, ID, (b"p" * 32,), 10, 20, 30, money),
            )


@pytest.mark.parametrize(
    ("to", "calldata"),
    [
        (None, CREATED),
        (TREASURY, b""),
        (TREASURY, CREATED[:3]),
        (TREASURY, CREATED[:100]),
        (TREASURY, b"\1\2\3\4" + CREATED[4:]),
        (TREASURY, call(CONFIRM_BATCH, [ID, OTHER], [BUYER])),
        (SAFE, safe(address("library"), CREATED, operation=1)),
        (SAFE, safe(SAFE, safe(SAFE, safe(SAFE, safe(SAFE, safe(TREASURY, CREATED)))))),
        (SAFE, call("multiSend(bytes)", b"\0" * 200)),
    ],
    ids=(
        *("creation", "empty", "no selector", "cut short", "foreign selector", "unequal arrays"),
        *("delegated", "too deep", "rubbish batch"),
    ),
)
def test_asked_by_is_nothing_when_the_call_is(to: Address | None, calldata: bytes) -> None:
    assert asked_by(to, calldata) == ()


def test_payment_id_is_what_the_client_sent() -> None:
    (asked,) = asked_by(TREASURY, CREATED)
    assert isinstance(asked, Creation)
    assert to_hex(asked.payment_id) == "0x" + "01" * 32
