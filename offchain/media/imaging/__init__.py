"""Reads and shrinks pictures that strangers sent, each in a process of its own.

Guarantees: whatever the bytes, a call ends within 20 s and 512 MiB in a result or an
``ImageFailure``, or in an ``EngineTrouble`` when the machine is at fault and nothing is known of
the file; the source is never written; the same bytes give the same result; a result holds no
metadata; pixels are counted from the header, over all frames, before any is decoded.
"""
