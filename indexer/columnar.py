"""Logs as columns: one array per field, for all logs of one shape. Pure.

Decoding log by log costs more than everything else together; logs of one event have one layout, so
that a range of them is a matrix of bytes. A group holds logs that agree in topic0, number of topics
and length of data; whether that shape is the event's is for ``layouts`` to say.
"""

import hashlib
from binascii import unhexlify
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.chain.blocks import Log
from indexer.chain.types import ADDRESS_BYTES, HASH_BYTES, Address, BlockHash, BlockNumber, TxHash
from indexer.chain.wire import WireLog

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_PREFIX = np.frombuffer(b"0x", np.uint8)
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class LogGroup:
    """``n`` logs of one shape, in the order of the chain."""

    topics: Bytes
    """(n, number of topics, 32); the first is the same in all."""
    data: Bytes
    """(n, length of data)."""
    address: Bytes
    """(n, 20)."""
    block_hash: Bytes
    """(n, 32)."""
    tx_hash: Bytes
    """(n, 32)."""
    block_number: Numbers
    log_index: Numbers
    tx_index: Numbers

    def __len__(self) -> int:
        """Number of logs."""
        return len(self.block_number)

    @property
    def topic0(self) -> bytes:
        """What the logs say they are."""
        return bytes(self.topics[0, 0].tobytes())

    def where(self, mask: Mask) -> "LogGroup":
        """Those of the logs that a mask chooses."""
        if mask.all():
            return self
        return LogGroup(
            topics=self.topics[mask],
            data=self.data[mask],
            address=self.address[mask],
            block_hash=self.block_hash[mask],
            tx_hash=self.tx_hash[mask],
            block_number=self.block_number[mask],
            log_index=self.log_index[mask],
            tx_index=self.tx_index[mask],
        )

    def addresses(self) -> list[Address]:
        """Who emitted each log."""
        return [Address(one) for one in split(self.address, ADDRESS_BYTES)]

    def logs(self) -> Iterator[Log]:
        """The logs one by one, for what no layout can decode."""
        for place, address in enumerate(self.addresses()):
            yield Log(
                address=address,
                topics=tuple(topic.tobytes() for topic in self.topics[place]),
                data=self.data[place].tobytes(),
                block_number=BlockNumber(int(self.block_number[place])),
                block_hash=BlockHash(self.block_hash[place].tobytes()),
                tx_hash=TxHash(self.tx_hash[place].tobytes()),
                tx_index=int(self.tx_index[place]),
                log_index=int(self.log_index[place]),
            )


def groups_of_wire(logs: Iterable[WireLog]) -> list[LogGroup]:
    """Group logs as a node gave them.

    Raises:
        ValueError: A log has no topic, or a field that is not what its name says.
    """
    shapes: defaultdict[tuple[str, int, int], list[WireLog]] = defaultdict(list)
    for log in logs:
        topics = log.topics
        if not topics:
            raise ValueError("a log without topics was not asked for")
        shapes[topics[0].lower(), len(topics), len(log.data)].append(log)
    return [_group_of_wire(group, *shape[1:]) for shape, group in shapes.items()]


def groups_of_logs(logs: Iterable[Log]) -> list[LogGroup]:
    """Group logs that have been read already; those without topics are passed over."""
    shapes: defaultdict[tuple[bytes, int, int], list[Log]] = defaultdict(list)
    for log in logs:
        if log.topics:
            shapes[log.topics[0], len(log.topics), len(log.data)].append(log)
    return [_group_of_logs(group, *shape[1:]) for shape, group in shapes.items()]


def within(groups: Iterable[LogGroup], numbers: Collection[int]) -> list[LogGroup]:
    """The logs of some blocks."""
    wanted = np.array(sorted(numbers), np.int64)
    found = (group.where(np.isin(group.block_number, wanted)) for group in groups)
    return [group for group in found if len(group)]


def split(matrix: Bytes, width: int) -> list[bytes]:
    """The rows of a matrix as bytes."""
    raw = matrix.tobytes()
    return [raw[start : start + width] for start in range(0, len(raw), width)]


def digest(groups: Sequence[LogGroup]) -> bytes:
    """32 bytes that two providers' answers for one range share exactly when their logs are equal.

    BLAKE2b over every log's block number, log index, transaction hash, address, topics and data, in
    the order of the chain.
    """
    hashed = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for group in sorted(groups, key=lambda one: (one.topic0, one.topics.shape, one.data.shape)):
        order = np.lexsort((group.log_index, group.block_number))
        hashed.update(f"{len(group)}:{group.topics.shape[1]}:{group.data.shape[1]};".encode())
        for column in (group.block_number, group.log_index):
            hashed.update(np.ascontiguousarray(column[order].astype(">i8")).data)
        for matrix in (group.tx_hash, group.address, group.topics, group.data):
            hashed.update(np.ascontiguousarray(matrix[order]).data)
    return hashed.digest()


def _group_of_wire(logs: list[WireLog], topics: int, data_text: int) -> LogGroup:
    count = len(logs)
    flat = [topic for log in logs for topic in log.topics]
    return LogGroup(
        topics=_unhex(flat, HASH_BYTES).reshape(count, topics, HASH_BYTES),
        data=_unhex([log.data for log in logs], (data_text - 2) // 2),
        address=_unhex([log.address for log in logs], ADDRESS_BYTES),
        block_hash=_unhex([log.block_hash for log in logs], HASH_BYTES),
        tx_hash=_unhex([log.transaction_hash for log in logs], HASH_BYTES),
        block_number=np.array([int(log.block_number, 16) for log in logs], np.int64),
        log_index=np.array([int(log.log_index, 16) for log in logs], np.int64),
        tx_index=np.array([int(log.transaction_index, 16) for log in logs], np.int64),
    )


def _group_of_logs(logs: list[Log], topics: int, data: int) -> LogGroup:
    count = len(logs)

    def matrix(parts: Iterable[bytes], *shape: int) -> Bytes:
        return np.frombuffer(b"".join(parts), np.uint8).reshape(count, *shape)

    return LogGroup(
        topics=matrix((topic for log in logs for topic in log.topics), topics, HASH_BYTES),
        data=matrix((log.data for log in logs), data),
        address=matrix((log.address for log in logs), ADDRESS_BYTES),
        block_hash=matrix((log.block_hash for log in logs), HASH_BYTES),
        tx_hash=matrix((log.tx_hash for log in logs), HASH_BYTES),
        block_number=np.array([log.block_number for log in logs], np.int64),
        log_index=np.array([log.log_index for log in logs], np.int64),
        tx_index=np.array([log.tx_index for log in logs], np.int64),
    )


def _unhex(texts: list[str], width: int) -> Bytes:
    """Equally long ``0x`` hex texts as a matrix of bytes.

    Raises:
        ValueError: They are not that long, or no hex.
    """
    text = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    if len(text) != len(texts) * (2 * width + 2):
        raise ValueError(f"a field of a log has not {width} bytes")
    lines = text.reshape(len(texts), 2 * width + 2)
    if not (lines[:, :2] == _PREFIX).all():
        raise ValueError("a field of a log is not hex: expected a 0x prefix")
    raw = unhexlify(lines[:, 2:].tobytes())
    return np.frombuffer(raw, np.uint8).reshape(len(texts), width)
