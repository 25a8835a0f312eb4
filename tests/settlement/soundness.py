"""What must hold whatever happened."""

from sqlalchemy import func, select

from settlement.tables import attempts, nonce_slots
from tests.settlement.world import World


def nonces(world: World) -> list[int]:
    with world.lane.engine.connect() as connection:
        return list(
            connection.execute(select(nonce_slots.c.nonce).order_by(nonce_slots.c.nonce)).scalars()
        )


def assert_sound(world: World, *, payments: int) -> None:
    """Every payment confirmed once, nonces dense, the chain's transactions all known to us."""
    confirmed = world.confirmed_logs()
    assert len(confirmed) == len(set(confirmed)) == payments
    taken = nonces(world)
    assert taken == list(range(taken[0], taken[0] + len(taken)))
    assert world.reader.nonce(world.lane.sender) == taken[-1] + 1
    with world.lane.engine.connect() as connection:
        unknown = connection.execute(
            select(func.count())
            .select_from(nonce_slots)
            .outerjoin(attempts, attempts.c.tx_hash == nonce_slots.c.mined_tx)
            .where(attempts.c.tx_hash.is_(None))
        ).scalar_one()
    assert unknown == 0
