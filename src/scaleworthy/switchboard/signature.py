"""Is this payment event really from the provider? Stripe's scheme: HMAC-SHA-256 over the time and the body.

Source: https://docs.stripe.com/webhooks#verify-manually (header `t=<Unix seconds>,v1=<hex>`, five minutes of tolerance).
"""

from __future__ import annotations

import hashlib
import hmac

TOLERANCE_S = 300


def sign(body: bytes, *, secret: str, at_s: int) -> str:
    """Return the header a provider sends with *body* at Unix time *at_s*."""
    return f"t={at_s},v1={_digest(body, secret, str(at_s))}"


def complaint(header: str, body: bytes, *, secret: str, now_s: float) -> str | None:
    """Return what is wrong with *header*, or None when it is *body*'s and recent. Several v1 entries: one has to fit."""
    at, given = "", []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            at = value
        elif name == "v1":
            given.append(value)
    # isdecimal alone admits digits that int() reads and the provider never sends.
    if not (at.isascii() and at.isdecimal()) or len(at) > 12 or not given:
        return "the signature has the form t=<Unix seconds>,v1=<hex>"
    wanted = _digest(body, secret, at).encode()
    # Compared in constant time: how long a refusal takes says nothing about the right answer.
    if not any(hmac.compare_digest(wanted, value.encode("utf-8", "replace")) for value in given):
        return "the signature does not fit the body"
    if abs(now_s - int(at)) > TOLERANCE_S:
        return f"the signature's time is more than {TOLERANCE_S} s from now"
    return None


def _digest(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
