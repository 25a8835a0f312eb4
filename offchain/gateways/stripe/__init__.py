"""Stripe: cards by PaymentIntent, receivers by Connect."""
