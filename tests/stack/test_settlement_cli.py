"""``lastro settlement``: what each command says, does, refuses and exits with."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from eth_account import Account
from eth_hash.auto import keccak
from sqlalchemy import Engine, update

from indexer.chain.deployments import Token
from indexer.chain.types import Address, TokenAmount, to_checksum, to_hex
from indexer.errors import ConfigurationError, RpcUnavailable
from settlement.lifecycle import FUNDING
from settlement.record_tables import actions, switches
from settlement.reporting.overview import Held
from settlement.tables import requests, signers
from stack.anvil import Anvil
from stack.ports import free_port
from stack.settlement_cli import began
from stack.settlement_view import amounts, lasting
from tests.settlement.builders import NOW, TOKEN, TREASURY
from tests.settlement.stored import NETWORK, SIGNER, Store, ago, tx_hash
from tests.support.settlement_cli import SettlementCli

CHAIN = ("--chain", NETWORK.name)
BECAUSE = ("--reason", "storm")


@pytest.fixture
def store(engine_as: Callable[[str], Engine]) -> Store:
    return Store(engine_as("settlement"))


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> SettlementCli:
    """Where no node is known."""
    return SettlementCli(database_url, {"LASTRO_DATA_DIR": str(tmp_path)})


def with_node(cli: SettlementCli, url: str, tmp_path: Path) -> SettlementCli:
    more = {"LASTRO_RPC_URLS": url, "LASTRO_DEPLOYMENTS_DIR": str(tmp_path)}
    return SettlementCli(cli.database_url, more)


def test_status_is_well_where_nothing_waits(cli: SettlementCli) -> None:
    code, told = cli.run("status")
    assert (code, set(told)) == (0, {"celo-local", "polygon-local"})
    assert told["celo-local"]["well"] is True
    assert "all is well" in cli.say("status", *CHAIN)


def test_status_exits_with_1_and_says_why_when_a_person_is_needed(
    cli: SettlementCli, store: Store
) -> None:
    store.signer(mode="quarantine", mode_reason="foreign")
    store.request("blocked", reason=f"{FUNDING}5 base units are missing")
    code, told = cli.run("status", *CHAIN)
    assert code == 1
    assert told["stopped"][0]["owner"] == "treasury desk"
    assert told["signers"][0]["address"] == to_hex(SIGNER)
    assert told["signers"][0]["balance_wei"] is None, "no node is known"
    assert any("quarantined: foreign" in words for words in told["needs"])
    said = cli.say("status", *CHAIN)
    for words in ("NEEDS A PERSON", "treasury desk", "5 base units are missing", "QUARANTINE"):
        assert words in said


def test_status_tells_balance_and_runway_where_a_node_answers(
    cli: SettlementCli, store: Store, anvil: Anvil, tmp_path: Path
) -> None:
    store.signer()
    store.batch(0)
    anvil.call("anvil_setBalance", to_hex(SIGNER), hex(10**18))
    code, told = with_node(cli, anvil.url, tmp_path).run("status", *CHAIN)
    (signer,) = told["signers"]
    assert signer["balance_wei"] == 10**18
    assert signer["runway_h"] == pytest.approx(24 * 10**18 / signer["gas_spent_24h_wei"])
    assert code == 1
    assert told["needs"] == ["nothing is indexed: without its indexer nothing is sealed"]


def test_status_does_without_a_node_unless_one_was_named(
    cli: SettlementCli, store: Store, tmp_path: Path
) -> None:
    store.signer()
    dead = f"http://127.0.0.1:{free_port()}"
    _, told = with_node(cli, dead, tmp_path).run("status", *CHAIN)
    assert told["signers"][0]["balance_wei"] is None
    with pytest.raises(RpcUnavailable):
        with_node(cli, dead, tmp_path).run("status", *CHAIN, "--rpc-url", dead)
    code, told = cli.run("status", "--rpc-url", dead)
    assert (code, "say which with --chain" in told["refused"]) == (2, True)


def test_amounts_are_told_by_the_names_of_their_tokens() -> None:
    known = Token(symbol="BRLA", address=to_checksum(TOKEN), decimals=18, currency="BRL")
    held = [Held(TOKEN, TokenAmount(1_234_500_000_000_000_000_000)), Held(TREASURY, TokenAmount(7))]
    assert amounts(held, {TOKEN: known}) == f"1,234.5 BRLA, 7 units of {to_hex(TREASURY)}"


@pytest.mark.parametrize(
    ("options", "scope", "key"),
    [
        (("--everything",), "global", ""),
        (CHAIN, "chain", "31337"),
        ((*CHAIN, "--signer", to_checksum(SIGNER)), "signer", f"31337:{to_hex(SIGNER)}"),
        ((*CHAIN, "--treasury", to_checksum(TREASURY)), "treasury", f"31337:{to_hex(TREASURY)}"),
        (("--gateway", "crowdsplit"), "gateway", "crowdsplit"),
    ],
)
def test_scope_is_paused_and_resumed(
    cli: SettlementCli, store: Store, options: tuple[str, ...], scope: str, key: str
) -> None:
    store.signer()
    store.campaign()
    assert cli.run("resume", *options, *BECAUSE)[0] == 2
    code, told = cli.run("pause", *options, *BECAUSE)
    assert (code, told) == (0, {"scope": scope, "key": key, "stopped": True, "changed": True})
    assert cli.run("pause", *options, "--reason", "again")[1]["changed"] is False
    (row,) = store.rows(switches)
    assert (row.scope, row.key, row.reason, row.set_by) == (scope, key, "storm", "ana")
    code, seen = cli.run("status", *CHAIN)
    assert (code, seen["switches"][0]["scope"]) == (1, scope)
    code, told = cli.run("resume", *options, "--reason", "over", "--by", "bia")
    assert (code, told["switch"], told["quarantine"]) == (0, True, False)
    (row,) = store.rows(switches)
    assert (row.is_stopped, row.set_by) == (False, "bia")


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ((), "name one thing"),
        (("--everything", *CHAIN), "name one thing"),
        (("--signer", to_checksum(SIGNER)), "name one thing"),
        ((*CHAIN, "--gateway", "crowdsplit"), "name one thing"),
        (("--chain", "moon"), "unknown network"),
        ((*CHAIN, "--signer", "0x12"), "is not an address"),
        ((*CHAIN, "--signer", to_checksum(TREASURY)), "knows no signer"),
        ((*CHAIN, "--treasury", to_checksum(SIGNER)), "knows no treasury"),
    ],
)
def test_pause_refuses_what_names_nothing(
    cli: SettlementCli, store: Store, options: tuple[str, ...], refusal: str
) -> None:
    store.signer()
    store.campaign()
    code, told = cli.run("pause", *options, *BECAUSE)
    assert (code, refusal in told["refused"]) == (2, True), told
    assert store.rows(switches) == []


def test_quarantined_signer_resumes_above_what_the_chain_has_seen(
    cli: SettlementCli, store: Store, anvil: Anvil, tmp_path: Path
) -> None:
    account = Account.from_key(keccak(b"a signer"))
    address = Address(bytes.fromhex(account.address[2:]))
    store.signer(address=address, next_nonce=3, mode="quarantine", mode_reason="foreign")
    anvil.call("anvil_setNonce", to_hex(address), hex(7))
    options = (*CHAIN, "--signer", account.address, *BECAUSE)
    code, told = with_node(cli, anvil.url, tmp_path).run("resume", *options)
    assert (code, told["switch"], told["quarantine"]) == (0, False, True)
    (row,) = store.rows(signers)
    assert (row.mode, row.next_nonce, row.mode_reason) == ("active", 7, "released: storm")
    assert cli.run("resume", *options)[0] == 2


def test_signer_is_both_released_and_let_go(
    cli: SettlementCli, store: Store, anvil: Anvil, tmp_path: Path
) -> None:
    store.signer()
    options = (*CHAIN, "--signer", to_checksum(SIGNER), *BECAUSE)
    cli.run("pause", *options)
    with store.engine.begin() as connection:
        connection.execute(update(signers).values(mode="quarantine"))
    _, told = with_node(cli, anvil.url, tmp_path).run("resume", *options)
    assert (told["switch"], told["quarantine"]) == (True, True)


def test_payment_is_quarantined_and_retried(cli: SettlementCli, store: Store) -> None:
    request_id = str(store.request("ready"))
    assert cli.run("quarantine", request_id, *BECAUSE) == (0, {"request_id": request_id})
    code, told = cli.run("quarantine", request_id, *BECAUSE)
    assert (code, told["refused"]) == (2, "it is quarantined already")
    assert "is tried again" in cli.say("retry", request_id, *BECAUSE)
    assert [row.state for row in store.rows(requests)] == ["ready"]
    code, told = cli.run("retry", request_id, *BECAUSE)
    assert (code, "is blocked or quarantined" in told["refused"]) == (2, True)
    assert cli.run("retry", "7", *BECAUSE)[0] == 2


def test_action_is_retried_by_its_id(cli: SettlementCli, store: Store) -> None:
    action_id = str(store.action(state="blocked", reason="treasury: paused"))
    assert cli.run("retry", action_id, *BECAUSE) == (0, {"id": action_id})
    assert [row.state for row in store.rows(actions)] == ["requested"]


def test_why_tells_every_hash(cli: SettlementCli, store: Store) -> None:
    request_id = store.request("ready", gateway="crowdsplit")
    batch_id = store.batch(
        0, request_ids=[request_id], state="mined_failed", slot={"failure": "out of gas"}
    )
    hashes = [store.attempt(0), store.attempt(0, 1, last_answer="underpriced")]
    store.move(request_id, "batched", batch_id=batch_id)
    refund = store.action("refund", request_id=request_id)
    store.batch(1, kind="refund_payment", action_id=refund)
    hashes.append(store.attempt(1))
    code, told = cli.run("why", str(request_id))
    story = told["payment"]
    assert (code, story["root_id"]) == (0, str(request_id))
    (generation,) = story["generations"]
    assert [one["tx_hash"] for one in generation["batches"][0]["attempts"]] == [
        to_hex(one) for one in hashes[:2]
    ]
    assert generation["awaited"].startswith("finality of its failed transaction")
    said = cli.say("why", to_hex(keccak(request_id.bytes)))
    for words in (
        *map(to_hex, hashes),
        "captured",
        "at crowdsplit",
        "ready → batched",
        "mined without effect: out of gas",
        "refund asked for",
        "who must act: nobody",
    ):
        assert words in said, words


def test_why_names_the_switches_that_keep_a_payment_back(cli: SettlementCli, store: Store) -> None:
    store.campaign()
    request_id = str(store.request("ready", gateway="crowdsplit"))
    cli.run("pause", "--gateway", "other", *BECAUSE)
    cli.run("pause", "--chain", "polygon-local", *BECAUSE)
    assert cli.run("why", request_id)[1]["payment"]["switches"] == []
    cli.run("pause", "--gateway", "crowdsplit", *BECAUSE)
    cli.run("pause", *CHAIN, *BECAUSE)
    cli.run("pause", *CHAIN, "--treasury", to_checksum(TREASURY), *BECAUSE)
    found = cli.run("why", request_id)[1]["payment"]["switches"]
    assert [one["scope"] for one in found] == ["chain", "gateway", "treasury"]
    assert "switch gateway crowdsplit is on, by ana: storm" in cli.say("why", request_id)


def test_why_tells_of_a_transaction_of_many(cli: SettlementCli, store: Store) -> None:
    carried = [store.request("included") for _ in range(2)]
    store.batch(0, request_ids=carried)
    shared = to_hex(store.attempt(0))
    code, told = cli.run("why", shared)
    assert (code, told["transaction"]["payments_total"]) == (0, 2)
    said = cli.say("why", shared)
    assert "it carries 2 payments" in said
    assert all(str(one) in said for one in carried)


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        (str(uuid.UUID(int=404)), "settlement knows no payment"),
        (to_hex(tx_hash(404)), "settlement knows no payment"),
        ("0x12", "is neither a request id"),
        ("campanha", "is neither a request id"),
    ],
)
def test_why_refuses_what_nobody_knows(cli: SettlementCli, name: str, refusal: str) -> None:
    code, told = cli.run("why", name)
    assert (code, refusal in told["refused"]) == (2, True)


def test_report_compares_chains_and_kinds(cli: SettlementCli, store: Store) -> None:
    store.signer()
    store.campaign()
    store.request("settled", captured_at=ago(seconds=20))
    store.request("blocked", reason=f"{FUNDING}5")
    store.batch(0)
    code, told = cli.run("report", "--by", "kind", "--since", "24h")
    (group,) = told["groups"]
    assert (code, group["group"], group["payments"], group["settled"]) == (
        0,
        "payment-treasury",
        2,
        1,
    )
    assert group["blocked"] == {"funding": 1}
    said = cli.say("report", "--by", "chain")
    assert "celo-local" in said
    assert "50.00%" in said
    assert cli.run("report", "--since", "soon")[0] == 2


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("24h", datetime(2026, 1, 1, 3, 4, 5, tzinfo=UTC)),
        ("2d", datetime(2025, 12, 31, 3, 4, 5, tzinfo=UTC)),
        ("2025-12-31", datetime(2025, 12, 31, tzinfo=UTC)),
        ("2025-12-31T00:00-03:00", datetime(2025, 12, 31, 3, tzinfo=UTC)),
    ],
)
def test_began_reads_spans_and_dates(text: str, at: datetime) -> None:
    assert began(text, now=NOW) == at


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "yesterday"])
def test_began_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is neither 24h"):
        began(text, now=NOW)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0 s"),
        (59.9, "59 s"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7384, "2 h 3 min"),
        (90_061, "1 d 1 h"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds: float | None, words: str) -> None:
    assert lasting(seconds) == words


def test_refund_is_asked_for_once_and_a_payment_nobody_handed_over_is_refused(
    store: Store, cli: SettlementCli
) -> None:
    request_id = str(store.request())
    asked = ("refund", request_id, "--reason", "chargeback", "--by", "ana")
    code, told = cli.run(*asked)
    assert (code, told["asked"]) == (0, True)
    assert cli.run(*asked)[1]["asked"] is False
    assert cli.run("refund", str(uuid.uuid4()), *BECAUSE)[0] == 2
    assert cli.run("withdraw", *CHAIN, "--treasury", to_checksum(TOKEN), *BECAUSE)[0] == 2
