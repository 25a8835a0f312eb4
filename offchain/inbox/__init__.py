"""Webhooks, stored as received and worked off later.

Guarantees: one row per gateway event however often it is delivered; a stored event is worked off
even when Redis loses everything; an event that matches nothing yet is kept and tried again.
"""
