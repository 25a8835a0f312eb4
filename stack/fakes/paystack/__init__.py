"""A Paystack that runs on this machine: same words, same refusals, no money.

Faithful to the Paystack OpenAPI and its published samples: one envelope, references that are taken
once, a hosted page to pay or fail on, refunds and transfers that are decided later, webhooks signed
with the secret key and repeated for 72 hours. ``/__fake__/…`` drives it: pay, fail, refund,
dispute, break, delay, forge. Everything is in memory.
"""
