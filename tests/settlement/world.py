"""A whole chain for one test: the protocol from committed artifacts, an indexer, a lane.

Blocks are mined one at a time by ``World.mine``; finality follows two blocks behind.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak
from sqlalchemy import Engine, Table, select

from indexer.chain.deployments import Deployment
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, TokenAmount, address_from_hex, to_checksum, to_hex
from indexer.follow import Follower
from settlement.calldata import selector
from settlement.intake import Accepted, CampaignAccepted, request_campaign, request_settlement
from settlement.lane import Lane, Policy
from settlement.runner import Runner
from settlement.signers.keystore import KeystoreSigner
from settlement.tables import batches, campaigns, requests
from stack.anvil import Anvil
from tests.support.real_protocol import (
    ADMIN,
    KINDS,
    OAKS_KIND,
    OUR_KIND,
    PLATFORM,
    SUPPLY,
    Deployer,
    deploy,
    types_of,
)

__all__ = ["ADMIN", "KINDS", "OAKS_KIND", "OUR_KIND", "SUPPLY", "World", "build", "deploy"]

CREATOR = Address(b"\x11" * 20)
ADAPTER = Address(b"\x12" * 20)
CAMPAIGN_BATCHES = ("create_campaign", "create_treasury")
CENTAVO = 10**16


@dataclass
class World:
    anvil: Anvil
    reader: ChainReader
    deployment: Deployment
    lane: Lane
    follower: Follower
    offchain: Engine
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, **changes: Any) -> None:
        """What a new process would start with: nothing but Postgres."""
        self.lane = replace(self.lane, **changes)
        self.runner = Runner(self.lane)
        self.runner.start()

    def close(self) -> None:
        self.reader.close()
        self.lane.reader.close()

    def mine(self) -> None:
        self.anvil.call("evm_mine")

    def index(self) -> None:
        while self.follower.step():
            pass

    def settle_down(self, done: Callable[[], bool], *, rounds: int = 60, turns: int = 1) -> None:
        """Index, take turns and mine, again and again, until it is done."""
        for _ in range(rounds):
            self.index()
            for _ in range(turns):
                self.runner.turn()
            if done():
                return
            self.mine()
        raise AssertionError(f"not done after {rounds} blocks: {self.states()}")

    def states(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        with self.lane.engine.connect() as connection:
            for state in connection.execute(select(requests.c.state)).scalars():
                counted[state] = counted.get(state, 0) + 1
        return counted

    def all_settled(self) -> bool:
        return set(self.states()) == {"settled"}

    def campaign(
        self, slug: str = "campanha", *, title: str = 'Título "A"', kind: str = OUR_KIND
    ) -> uuid.UUID:
        request_id = uuid.uuid4()
        now = datetime.now(UTC)
        with self.offchain.begin() as connection:
            answer = request_campaign(
                connection,
                request_id=request_id,
                chain_id=self.lane.chain_id,
                identifier_hash=keccak(slug.encode()),
                creator=CREATOR,
                launch_at=now,
                deadline_at=now + timedelta(days=60),
                goal_base_units=TokenAmount(10**22),
                currency="BRL",
                title=title,
                treasury_kind=kind,
            )
        assert answer == CampaignAccepted()
        return request_id

    def row(self, request_id: uuid.UUID) -> Any:
        with self.lane.engine.connect() as connection:
            return connection.execute(
                select(campaigns).where(campaigns.c.request_id == request_id)
            ).one()

    def is_live(self, request_id: uuid.UUID) -> bool:
        return bool(self.row(request_id).state == "live")

    def live_treasury(self, slug: str = "campanha", *, kind: str = OUR_KIND) -> Address:
        request_id = self.campaign(slug, kind=kind)
        self.settle_down(lambda: self.is_live(request_id))
        return Address(self.row(request_id).treasury)

    def pledge(self, treasury: Address, *, amount: int = 5_000 * CENTAVO) -> uuid.UUID:
        request_id = uuid.uuid4()
        with self.offchain.begin() as connection:
            answer = request_settlement(
                connection,
                request_id=request_id,
                chain_id=self.lane.chain_id,
                treasury=treasury,
                pledge_id=uuid.uuid4(),
                generation=0,
                buyer_commitment=keccak(request_id.bytes),
                item_id=keccak(b"contribution"),
                token=self.deployment.tokens[0].address,
                amount_base_units=TokenAmount(amount),
                captured_at=datetime.now(UTC),
            )
        assert isinstance(answer, Accepted)
        return request_id

    def send_as(self, sender: Address, to: Address, data: bytes) -> None:
        """Put a transaction of somebody else's into the pool, in front of what is sent later."""
        call = self.anvil.call
        call("anvil_setBalance", to_hex(sender), hex(10**24))
        call("anvil_impersonateAccount", to_hex(sender))
        transaction = {"from": to_hex(sender), "to": to_hex(to), "data": to_hex(data)}
        call("eth_sendTransaction", {**transaction, "gas": hex(200_000)})
        call("anvil_stopImpersonatingAccount", to_hex(sender))

    def send_through_adapter(self, to: Address, data: bytes) -> None:
        """Act as the platform without its key, through a forwarder that its platform trusts."""
        params = self.deployment.contracts.global_params
        trust = selector("setPlatformAdapter(bytes32,address)")
        trust += encode(["bytes32", "address"], [PLATFORM, to_hex(ADAPTER)])
        self.send_as(self.deployment.protocol_admin, params, trust)
        self.send_as(ADAPTER, to, data + self.lane.sender)

    def give_tokens(self, treasury: Address, amount: int = 10**24) -> None:
        """Let somebody else fund a treasury, so that its payments need no transfer of ours."""
        mint = selector("mint(address,uint256)")
        mint += encode(["address", "uint256"], [to_checksum(treasury), amount])
        owner = address_from_hex(str(self.anvil.call("eth_accounts")[0]))
        self.send_as(owner, self.deployment.tokens[0].address, mint)
        self.mine()
        self.index()

    def other_token(self) -> Address:
        """A token that no campaign accepts, and of which the platform has plenty."""
        self.anvil.call("evm_setAutomine", True)
        chain = Deployer(self.anvil, to_checksum(self.deployment.protocol_admin))
        token = chain.create("TestBRLA")
        chain.send(token, "mint(address,uint256)", ADMIN.address, SUPPLY)
        self.anvil.call("evm_setAutomine", False)
        return address_from_hex(token)

    def kinds_sealed(self) -> list[str]:
        """The kinds of the batches that payments needed, in order."""
        with self.lane.engine.connect() as connection:
            kinds = connection.execute(select(batches.c.kind).order_by(batches.c.sealed_at))
            return [kind for kind in kinds.scalars() if kind not in CAMPAIGN_BATCHES]

    def rows(self, table: Table) -> Sequence[Any]:
        with self.lane.engine.connect() as connection:
            return connection.execute(select(table)).all()

    def tokens_of(self, holder: Address) -> int:
        token = self.deployment.tokens[0].address
        return self.view(token, "balanceOf(address)", to_hex(holder))

    def view(self, to: Address, signature: str, *arguments: object) -> int:
        data = selector(signature) + encode(types_of(signature), arguments)
        return int.from_bytes(self.reader.call(to, data), "big")

    def confirmed_logs(self) -> list[bytes]:
        """Every payment id in every PaymentBatchConfirmed on the chain, in order."""
        topic = keccak(b"PaymentBatchConfirmed(bytes32[])")
        head = self.reader.block_by_number("latest")
        assert head is not None
        logs = self.reader.logs(self.deployment.first_block, head.number, [[topic]])
        return [log.data[at : at + 32] for log in logs for at in range(64, len(log.data), 32)]


def build(
    anvil: Anvil,
    deployment: Deployment,
    engine_as: Callable[[str], Engine],
    *,
    tokens_of_admin: int = SUPPLY,
    rpc_urls: Sequence[str] | None = None,
    **policy: Any,
) -> World:
    """Set up a lane and an indexer on a deployed protocol; blocks are mined by ``World.mine``."""
    if tokens_of_admin:
        token = to_checksum(deployment.tokens[0].address)
        owner = to_checksum(deployment.protocol_admin)
        Deployer(anvil, owner).send(token, "mint(address,uint256)", ADMIN.address, tokens_of_admin)
    anvil.call("evm_setAutomine", False)
    reader = ChainReader([anvil.url])
    follower = Follower(engine_as("chain"), reader, network=anvil.network, deployment=deployment)
    follower.start()
    bounds = {"linger": timedelta(0), "resend_after": timedelta(0), **policy}
    lane = Lane(
        engine=engine_as("settlement"),
        reader=ChainReader(rpc_urls) if rpc_urls else reader,
        signer=KeystoreSigner(ADMIN),
        network=anvil.network,
        deployment=deployment,
        policy=Policy(**bounds),
    )
    return World(anvil, reader, deployment, lane, follower, engine_as("offchain"))
