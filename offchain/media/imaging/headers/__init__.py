"""Reads the headers of the four picture formats, from a file's structure alone.

Guarantees: no pixel is decoded and nothing is unpacked but a bounded colour profile; reading ends
after a bounded number of steps, in a ``Header`` or a ``Refusal``.
"""
