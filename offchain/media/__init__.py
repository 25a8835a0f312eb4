"""Creators' files: declared here, sent straight to the store, decided by what really came.

Guarantees: no byte of a file passes our own HTTP; a file has a URL only once its bytes were looked
at; what was refused is removed from the store; a hint about an upload is never believed.
"""
