"""``lastro indexer`` for an operator: undo, look again, audit, see who lied, let it go on."""

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from typer.testing import CliRunner

from indexer.chain.types import to_checksum
from indexer.errors import ConfigurationError, TransientError
from indexer.tables import (
    audits,
    blocks,
    details,
    marks,
    orphans,
    provider_findings,
)
from stack.cli import app
from stack.fakes.chain_proxy.faults import Fault
from stack.fakes.chain_proxy.proxy import running_proxy
from tests.support.indexed_site import (
    CAMPAIGN,
    CHAIN,
    NETWORK,
    TIP,
    Site,
    fetched,
    states,
)


def test_rewind_keeps_evidence_and_backfill_returns(indexed: Site, rows: Engine) -> None:
    with rows.begin() as connection:  # as if nothing above were final yet
        connection.execute(update(marks).values(finalized_number=5, totals_number=5))
    code, done = indexed.run("rewind", "--to", "7")
    assert (code, done["from"], done["lowered_finalized"]) == (0, TIP, False)
    assert states(rows) == ["created", "created"]
    with rows.connect() as connection:
        kept = connection.execute(select(orphans.c.fact)).scalars().all()
    assert list(kept) == ["payments_confirmed"]
    assert indexed.run("backfill")[0] == 0
    assert states(rows) == ["confirmed", "created"]


def test_rewind_says_where_it_stands_when_the_block_is_not_stored(
    indexed: Site, rows: Engine
) -> None:
    with rows.begin() as connection:
        connection.execute(delete(blocks).where(blocks.c.number.between(5, 6)))
    flags = ("--below-finalized", "--yes")
    code, done = indexed.run("rewind", "--to", "6", *flags)
    assert (code, done["asked"], done["to"]) == (0, 6, 4)
    assert fetched(rows) == 4
    said = CliRunner().invoke(
        app,
        ["indexer", "rewind", "--chain", NETWORK.name, "--to", "0", *flags],
        env=indexed.environment,
    )
    assert "stands at its start, as no block up to 0 is stored" in said.stdout


def test_refill_looks_again_for_what_was_unavailable(indexed: Site, rows: Engine) -> None:
    with rows.begin() as connection:
        connection.execute(
            insert(details),
            [
                {
                    "chain_id": CHAIN,
                    "block_number": 6,
                    "log_index": index,
                    "ordinal": 0,
                    "kind": "line_items",
                    "block_hash": bytes(32),
                    "source": source,
                    "arguments": {"reason": "pruned"},
                }
                for index, source in enumerate(("unavailable", "read"))
            ],
        )
    assert indexed.run("refill") == (0, {"chain": NETWORK.name, "wanted": 1})
    with rows.connect() as connection:
        assert connection.execute(select(details.c.source)).scalars().all() == ["read"]


def test_rewind_refuses_what_is_final_unless_meant(indexed: Site, rows: Engine) -> None:
    for flags in ((), ("--below-finalized",), ("--yes",)):
        code, answer = indexed.run("rewind", "--to", "7", *flags)
        assert (code, "--below-finalized --yes" in answer["refused"]) == (2, True)
    assert fetched(rows) == TIP


def test_audit_compares_the_treasuries_it_knows(indexed: Site) -> None:
    code, answer = indexed.run("audit", "--treasury", to_checksum(indexed.chain.treasury))
    assert (code, answer["ok"]) == (0, True)
    # an echo contract has no getters: nothing to compare is no match, and no mismatch
    assert {one["verdict"] for one in answer["findings"]} == {"not_comparable"}
    assert (answer["different"], answer["not_comparable"]) == (0, 5)
    said = CliRunner().invoke(
        app, ["indexer", "audit", "--chain", NETWORK.name], env=indexed.environment
    )
    assert "none differs, 5 not comparable" in said.stdout
    code, answer = indexed.run("audit", "--treasury", to_checksum(CAMPAIGN))
    assert (code, "is no treasury" in answer["refused"]) == (2, True)


def test_audit_hides_no_difference_when_the_node_has_lost_the_state(
    indexed: Site, rows: Engine
) -> None:
    assert indexed.run("audit")[0] == 0
    with rows.begin() as connection:
        raised = audits.c.getter == "getRaisedAmount"
        connection.execute(update(audits).where(raised).values(verdict="different"))
    with running_proxy(indexed.chain.anvil.url) as proxy:
        proxy.faults.add(Fault("pruned_history", blocks=10**6, methods=("eth_call",)))
        with pytest.raises(TransientError, match="1 treasuries could not be audited"):
            indexed.run("audit", "--rpc-url", proxy.url)
    (warning,) = indexed.run("status")[1]["warnings"]
    assert "found 1 totals that differ" in warning


def test_providers_are_listed_with_what_they_were_caught_at(indexed: Site, rows: Engine) -> None:
    with rows.begin() as connection:
        connection.execute(
            insert(provider_findings).values(
                chain_id=CHAIN,
                provider="http://liar",
                kind="logs_missing",
                low=7,
                high=7,
                detail="lacks log 3",
            )
        )
    _, answer = indexed.run("providers")
    scores = {one["provider"]: one["score"] for one in answer["providers"]}
    assert scores[indexed.chain.anvil.url] == 1
    assert scores["http://liar"] == pytest.approx(0.5, rel=0.01)
    assert [one["detail"] for one in answer["findings"]] == ["lacks log 3"]


def test_resume_lets_a_halted_indexer_start(indexed: Site, rows: Engine) -> None:
    resume = ["indexer", "resume", "--chain", NETWORK.name]
    refused = CliRunner().invoke(app, resume, env=indexed.environment)
    assert isinstance(refused.exception, ConfigurationError)
    with rows.begin() as connection:
        connection.execute(update(marks).values(degraded_reason="block 5 changed"))
    assert indexed.run("status")[1]["reason"] == "block 5 changed"
    said = CliRunner().invoke(app, resume, env=indexed.environment)
    assert "it had halted: block 5 changed" in said.stdout
    with rows.begin() as connection:
        connection.execute(update(marks).values(degraded_reason="block 6 changed"))
    assert indexed.run("resume") == (0, {"chain": NETWORK.name, "was": "block 6 changed"})
