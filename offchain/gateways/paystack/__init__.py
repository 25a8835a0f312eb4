"""Paystack: cards, bank accounts and USSD on its hosted page; transfers to bank accounts."""
