"""The hosted page: where a person pays, or lets the payment fail."""

from html import escape
from urllib.parse import urlencode, urlsplit

from stack.fakes.paystack.transactions import Transaction

_STYLE = (
    "body{font:1.1rem/1.5 system-ui;max-width:26rem;margin:4rem auto;padding:0 1rem}"
    "button{font:inherit;padding:.6rem 1.2rem;margin-right:.6rem}"
)
_OUTCOMES = {"success": "This payment is done.", "failed": "This payment failed."}


def checkout_page(transaction: Transaction) -> str:
    """The page of a payment: buttons while it can be paid, else what became of it."""
    amount = f"{transaction.currency} {transaction.asked // 100}.{transaction.asked % 100:02d}"
    if transaction.status in {"success", "reversed"}:
        below = f"<p role=status>{_OUTCOMES['success']}</p>"
    else:
        told = _OUTCOMES.get(transaction.status, "")
        below = (
            f"<p role=status>{told}</p><form method=post>"
            "<button name=action value=pay>Pay</button>"
            "<button name=action value=fail>Let it fail</button></form>"
        )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Fake Paystack checkout</title>"
        f"<style>{_STYLE}</style><h1>Fake Paystack</h1>"
        f"<p>Reference <code>{escape(transaction.reference)}</code>, by "
        f"{escape(transaction.channel)}: <strong>{escape(amount)}</strong>. "
        "No money moves here.</p>"
        f"{below}</html>"
    )


def return_address(transaction: Transaction) -> str | None:
    """Where the backer goes afterwards, with the reference as Paystack appends it."""
    url = transaction.callback_url
    if not url:
        return None
    query = urlencode({"trxref": transaction.reference, "reference": transaction.reference})
    return f"{url}{'&' if urlsplit(url).query else '?'}{query}"
