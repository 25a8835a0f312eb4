"""A lane whose key is in KMS, where no two signatures are alike and calls are limited."""

import pytest

from settlement.signer import SignerUnavailable
from settlement.signers.kms import KmsSigner
from settlement.tables import attempts, signers
from tests.settlement.faults import Crash, dying
from tests.settlement.signers.custody import OTHER_SECRET
from tests.settlement.soundness import assert_sound
from tests.settlement.world import ADMIN, World
from tests.support.kms import FakeKms


@pytest.fixture
def on_kms(world: World, kms: FakeKms) -> World:
    """The world's lane, its key moved into KMS."""
    world.restart(signer=KmsSigner.open(kms.new_key(bytes(ADMIN.key)), tries=1))
    return world


def test_no_hash_is_unknown_when_processes_die_with_signatures_in_hand(
    on_kms: World, kms: FakeKms
) -> None:
    """Signatures that died uncommitted are random and gone; none of them ever reaches a node."""
    treasury = on_kms.live_treasury()
    engine, deaths, died = on_kms.lane.engine, 0, True
    while died:
        died = False
        on_kms.pledge(treasury)
        on_kms.restart(engine=dying(engine, commit=deaths + 1, moment="before"))
        try:
            on_kms.settle_down(on_kms.all_settled)
        except Crash:
            deaths, died = deaths + 1, True
        on_kms.restart(engine=engine)
        on_kms.settle_down(on_kms.all_settled)
    assert deaths > 4, "the deaths did not reach every step"
    assert kms.gate.calls.count("Sign") > len(on_kms.rows(attempts))
    assert_sound(on_kms, payments=deaths + 1)


def test_lane_waits_while_kms_is_throttled_and_then_goes_on(on_kms: World, kms: FakeKms) -> None:
    treasury = on_kms.live_treasury()
    on_kms.index()
    on_kms.pledge(treasury)
    kms.gate.throttled = -1
    with pytest.raises(SignerUnavailable):
        on_kms.settle_down(on_kms.all_settled)
    kms.gate.throttled = 0
    on_kms.settle_down(on_kms.all_settled)
    assert_sound(on_kms, payments=1)


def test_nothing_is_stored_when_the_alias_was_moved_to_another_key(
    on_kms: World, kms: FakeKms
) -> None:
    treasury = on_kms.live_treasury()
    on_kms.index()
    on_kms.pledge(treasury)
    before = len(on_kms.rows(attempts))
    kms.gate.sign_instead = (kms.new_key(OTHER_SECRET).key_id, b"")
    on_kms.settle_down(lambda: on_kms.rows(signers)[0].mode == "quarantine")
    assert "signed with another key" in on_kms.rows(signers)[0].mode_reason
    assert len(on_kms.rows(attempts)) == before
