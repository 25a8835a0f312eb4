"""What settlement tells of itself: status, one payment's story, reliability, metrics and health.

Guarantees: everything is read from Postgres at the moment it is asked, and nothing is changed.
"""
