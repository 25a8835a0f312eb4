"""How a charge is shared with subaccounts: the three ways an integration can say so. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from stack.fakes.paystack.words import Json, integer_of, invalid, not_found

BEARERS = frozenset({"account", "subaccount", "all-proportional", "all"})
_WHOLE_PERCENT = 100


def shares_of(
    fields: Mapping[str, Any],
    split: Json,
    amount: int,
    *,
    subaccounts: Mapping[str, Json],
    splits: Mapping[str, Json],
) -> dict[str, int]:
    """What each subaccount gets of a charge, never more than all of it.

    Args:
        fields: The request, with ``subaccount`` or ``split_code`` where one of them shares it.
        split: Its dynamic split; empty where there is none.
        amount: The charge.
        subaccounts: Those known, by code.
        splits: Those kept, by code.
    """
    if split:
        if split.get("bearer_type") not in BEARERS:
            raise invalid("Split bearer_type is invalid", "invalid_split")
        shares = _split_shares(split, amount)
    elif fields.get("split_code"):
        kept = splits.get(str(fields["split_code"]))
        if kept is None:
            raise not_found("Split")
        shares = _split_shares(kept, amount)
    elif fields.get("subaccount"):
        shares = _single_share(fields, amount, subaccounts)
    else:
        return {}
    if any(code not in subaccounts for code in shares):
        raise not_found("Subaccount")
    if not 0 < sum(shares.values()) <= amount:
        raise invalid("The shares of a split exceed the amount", "invalid_split")
    return shares


def _split_shares(split: Json, amount: int) -> dict[str, int]:
    """Flat shares as they are, percentages of the charge rounded down."""
    if split.get("type") not in {"flat", "percentage"}:
        raise invalid("Split type is invalid", "invalid_split")
    shares: dict[str, int] = {}
    for row in split.get("subaccounts") or []:
        named, share = row.get("subaccount"), integer_of(row.get("share"))
        code = named["subaccount_code"] if isinstance(named, Mapping) else str(named)
        if share is None or code in shares:
            raise invalid("Every subaccount needs one share above zero", "invalid_split")
        is_flat = split["type"] == "flat"
        shares[code] = share if is_flat else amount * share // _WHOLE_PERCENT
    return shares


def _single_share(
    fields: Mapping[str, Any], amount: int, subaccounts: Mapping[str, Json]
) -> dict[str, int]:
    """What one subaccount gets after the platform's charge: a flat one, or its own percentage."""
    code = str(fields["subaccount"])
    if code not in subaccounts:
        raise not_found("Subaccount")
    charge = integer_of(fields.get("transaction_charge"))
    if charge is None:
        percentage = Decimal(str(subaccounts[code]["percentage_charge"]))
        charge = int(amount * percentage / _WHOLE_PERCENT)
    return {code: amount - charge}
