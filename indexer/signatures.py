"""Solidity signatures: their types, taken apart. Pure."""

from functools import cache


@cache
def split_types(listed: str) -> tuple[str, ...]:
    """Split ``bytes32,(uint256,bool)[],string`` at its outermost commas; empty for no types."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(listed):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(listed[start:place])
            start = place + 1
    return (*parts, listed[start:]) if listed else ()


def signature_types(signature: str) -> tuple[str, ...]:
    """The argument types of ``name(type,…)``."""
    return split_types(signature[signature.index("(") + 1 : -1])
