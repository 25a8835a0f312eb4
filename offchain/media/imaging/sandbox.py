"""Bound this process before it opens what a stranger sent. Runs in the child only.

The limits are the kernel's, so they hold inside C code too: a decoder that loops is ended by a
signal whose default action needs no interpreter.
"""

import fcntl
import os
import resource
import select
import signal

MEMORY_BYTES = 512 * 1024 * 1024
"""Of address space, which is never less than what is resident."""
WALL_S = 20
"""When the parent kills whatever is left."""
ALARM_S = 19
"""When the kernel ends this process, parent or no parent."""
CPU_S = 2 * WALL_S
"""libvips works in two threads."""
OUTPUT_BYTES = 64 * 1024 * 1024
OPEN_FILES = 64
LIFELINE = 0
"""Standard input: a pipe whose other end the parent holds, and never writes to."""


def confine() -> None:
    """Set every limit; what exceeds one afterwards fails or dies.

    A pipe stands in for PR_SET_PDEATHSIG, which needs ctypes (5 ms) and fires when merely the
    parent's *thread* ends: when the parent is gone, so is its end of the pipe, and the kernel sends
    SIGIO, which ends a process that does not handle it (fcntl(2), F_SETFL with O_ASYNC).
    """
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
    ):
        # A limit that is tighter already stays: only a privileged process could lift it.
        _, hardest = resource.getrlimit(limit)
        bound = value if hardest == resource.RLIM_INFINITY else min(value, hardest)
        resource.setrlimit(limit, (bound, bound))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.alarm(ALARM_S)
    fcntl.fcntl(LIFELINE, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(LIFELINE, fcntl.F_GETFL)
    fcntl.fcntl(LIFELINE, fcntl.F_SETFL, flags | os.O_ASYNC)
    watching = select.poll()
    watching.register(LIFELINE, 0)
    if watching.poll(0):  # the parent was gone before the pipe was watched
        os._exit(1)
