"""Leads found by what is written of them: words of names and companies in any order, or a piece of text anywhere."""

import re

from scaleworthy.switchboard.queries.leads import LISTS

# Word for word what the index of migrations/tuned/0030_lead_search.sql is over; a test compares the plans.
_TEXT = "(l.name || ' ' || coalesce(l.company, '') || ' ' || coalesce(l.email, '') || ' ' || coalesce(l.phone, ''))"
_NAMES = "l.name || ' ' || coalesce(l.company, '')"
# (search, lead_list) → the statement. Both ways find the same leads.
_MATCH = {
    "scan": f"{_TEXT} ilike %(pattern)s or to_tsvector('simple', {_NAMES}) @@ to_tsquery('simple', %(words)s)",
    "indexed": "l.id = any(array(select leads_matching(%(pattern)s, %(words)s, %(rows)s)))",
}
SEARCH = {
    (way, leads): f"{listing.select} where {match} {listing.order.order()} limit %(rows)s"
    for way, match in _MATCH.items()
    for leads, listing in LISTS.items()
}


def pattern(text: str) -> str:
    """Return the ILIKE pattern of *text* anywhere; what is special there stands for itself."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def words(text: str) -> str | None:
    """Return the tsquery of all words of *text* with two letters or more, each by its beginning; None: there is none."""
    found = re.findall(r"[^\W_]{2,}", text)
    return " & ".join(f"'{word}':*" for word in found) or None
