"""The queue that the store announces uploads in; lost, it costs only latency.

Source: Amazon SQS API reference, ``ReceiveMessage`` and ``DeleteMessageBatch`` (ten at a time).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from offchain.media.calls import ClientMaker, ask

MESSAGES_MAX: Final = 10
"""SQS hands out and takes back no more at once."""
WAIT_S: Final = 1
"""SQS asks all its servers only when it has time; with more of it other sweeps would wait."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One announcement, ours until its time is over."""

    receipt: str
    body: str


class EventQueue:
    """One SQS queue."""

    def __init__(self, url: str, maker: ClientMaker) -> None:
        self._url = url
        self._maker = maker

    def receive(self) -> list[Message]:
        """Take the next messages, and wait up to ``WAIT_S`` for the first.

        Raises:
            StoreAway: The queue does not answer.
            StoreRefused: It refused.
            ConfigurationError: It cannot be asked.
        """
        answer = ask(
            self._maker.get().receive_message,
            QueueUrl=self._url,
            MaxNumberOfMessages=MESSAGES_MAX,
            WaitTimeSeconds=WAIT_S,
        )
        return [
            Message(str(message["ReceiptHandle"]), str(message.get("Body", "")))
            for message in answer.get("Messages", ())
        ]

    def forget(self, messages: Sequence[Message]) -> None:
        """Drop messages that are worked off; one that stays comes again, and changes nothing.

        Raises:
            StoreAway: The queue does not answer.
            StoreRefused: It refused.
        """
        if not messages:
            return
        answer = ask(
            self._maker.get().delete_message_batch,
            QueueUrl=self._url,
            Entries=[
                {"Id": str(place), "ReceiptHandle": message.receipt}
                for place, message in enumerate(messages)
            ],
        )
        if answer.get("Failed"):
            _log.warning("events_not_dropped", count=len(answer["Failed"]))

    def close(self) -> None:
        """Close the client."""
        self._maker.close()
