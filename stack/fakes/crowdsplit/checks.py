"""The 422 rules of a payment's body."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stack.fakes.crowdsplit.records import PROVIDER
from stack.fakes.crowdsplit.words import Json, amount_of, instant_of, invalid, required

_EXPIRATION = re.compile(r"(0[1-9]|1[0-2])/\d{4}")
_SEQUENCES = frozenset({"fraud_before_auth", "fraud_after_auth"})
_THRESHOLDS = frozenset({"low", "medium", "high"})
_LAST_DIGITS = 4


def check_source(body: Mapping[str, Any]) -> None:
    """Amount and currency, for every method."""
    if body.get("provider") != PROVIDER:
        raise invalid(f"provider must be {PROVIDER}")
    source = required(body, "source")
    amount_of(source.get("amount"), "source.amount")
    if str(source.get("currency", "")).lower() != "brl":
        raise invalid("source.currency must be brl")
    required(source, "customer")


def check_pix(source: Mapping[str, Any], method: Mapping[str, Any], now: datetime) -> None:
    """A code that can be paid until a moment to come."""
    if "capture_method" in source:
        raise invalid("capture_method does not go with pix")
    expiry = method.get("expiry_date")
    if not isinstance(expiry, str) or instant_of(expiry) <= now:
        raise invalid("payment_method.expiry_date must lie in the future")


def check_card(body: Mapping[str, Any], source: Json, method: Mapping[str, Any]) -> None:
    """A stored card or a token, how it is captured, and who screens it."""
    if source.get("capture_method") not in {"automatic", "manual"}:
        raise invalid("capture_method must be automatic or manual")
    if ("id" in method) == ("card_token" in method or "billing_address" in method):
        raise invalid("payment_method needs either id or card_token")
    if body.get("total_installments") is not None:
        amount_of(body["total_installments"], "total_installments")
    fraud = source.get("fraud_check")
    if isinstance(fraud, Mapping) and fraud.get("enabled") is True:
        _check_fraud(fraud)


def _check_fraud(fraud: Mapping[str, Any]) -> None:
    if fraud.get("provider") != "konduto":
        raise invalid("fraud_check.provider must be konduto")
    config, data = required(fraud, "config"), required(fraud, "data")
    if config.get("sequence") not in _SEQUENCES or config.get("threshold") not in _THRESHOLDS:
        raise invalid("fraud_check.config needs a sequence and a threshold")
    if len(str(data.get("last_four_digits", ""))) != _LAST_DIGITS:
        raise invalid("fraud_check.data.last_four_digits must be four")
    if not _EXPIRATION.fullmatch(str(data.get("card_expiration_date", ""))):
        raise invalid("fraud_check.data.card_expiration_date must be MM/YYYY")
    if not data.get("card_holder_name"):
        raise invalid("fraud_check.data.card_holder_name is required")


def check_split(body: Mapping[str, Any]) -> list[Json]:
    """Parts that sum to the charge; empty where it is not split."""
    parts = body.get("allocations") or []
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise invalid("allocations must be a list")
    total = 0
    for part in parts:
        receiver = required(part, "receiver")
        if receiver.get("type") not in {"platform", "connected_account"}:
            raise invalid("receiver.type must be platform or connected_account")
        total += amount_of(part.get("amount"), "allocations.amount")
    if parts and total != body["source"]["amount"]:
        raise invalid("allocations must sum to source.amount")
    return [dict(part) for part in parts]
