"""What may go wrong with a deployment, as the operator is told it."""

from __future__ import annotations


class DeploymentError(Exception):
    """The deployment cannot go on; the message says why, and what to do."""


class UsageError(DeploymentError):
    """The command line asks for something that cannot be done; the message says what to change."""


class UnreachableError(DeploymentError):
    """The network cannot be asked: nobody answers, or another chain does."""


class ForeignRecordError(DeploymentError):
    """The record describes another chain, or a chain that was started anew.

    On a local chain the protocol is deployed again. Anywhere else someone must look: the wrong RPC,
    or the wrong record.
    """
