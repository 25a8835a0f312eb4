"""What events do not carry: never a guess, always said where it comes from.

A detail is believed only where it fits the event it belongs to: the payment's id, token and amount,
and the hash of ``PaymentExtrasRecorded`` where the treasury logs one. What no longer can be found
out is recorded as ``unavailable`` with the reason, and holds nothing up.
"""
