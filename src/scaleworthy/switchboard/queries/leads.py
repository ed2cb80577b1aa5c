"""Leads: people a tenant may sell to. `l` is the lead, `u` its owner, `a` its last activity."""
# ruff: noqa: S608 - texts of this file are put together, never a value: those are bound

from scaleworthy.switchboard.paging import newest_first

_LEAD = """
    l.id, l.tenant_id, l.name, l.email, l.phone, l.company, l.status, l.source, l.score, l.value_cents,
    l.campaign_id, l.owner_id, l.last_activity_id, l.created_at, l.updated_at"""
_JOINED = (
    _LEAD
    + """,
    u.name as owner_name, u.email as owner_email,
    a.kind as activity_kind, a.note as activity_note, a.occurred_at as activity_at"""
)
_JOINS = """
left join users u on u.id = l.owner_id
left join activities a on a.id = l.last_activity_id"""
# By the way of the lead list.
LISTS = {
    "per lead": newest_first("leads", "l", f"select {_LEAD} from leads l"),
    "joined": newest_first("leads", "l", f"select {_JOINED} from leads l {_JOINS}"),
}
OF_STATUS = "l.status = %(status)s"

# What the lead list "per lead" asks once for each lead of the page.
OWNER = "select name as owner_name, email as owner_email from users where id = %(owner_id)s"
LAST_ACTIVITY = """
select kind as activity_kind, note as activity_note, occurred_at as activity_at
from activities where id = %(last_activity_id)s"""

ONE = f"select {_JOINED} from leads l {_JOINS} where l.id = %(id)s"
TIMELINE = """
select id, tenant_id, lead_id, user_id, kind, note, occurred_at
from activities where lead_id = %(id)s
order by occurred_at desc, id desc limit 10"""

# An owner or campaign of another tenant is invisible here, so it counts as missing.
REFERENCES = """
select %(owner_id)s::bigint is null or exists (select from users where id = %(owner_id)s) as owner_id,
       %(campaign_id)s::bigint is null or exists (select from campaigns where id = %(campaign_id)s) as campaign_id"""
_REFERENCES_HOLD = """
    (%(owner_id)s::bigint is null or exists (select from users where id = %(owner_id)s))
    and (%(campaign_id)s::bigint is null or exists (select from campaigns where id = %(campaign_id)s))"""

CREATE = f"""
with ids as (
    select nextval('leads_id_seq') as lead_id, nextval('activities_id_seq') as activity_id where {_REFERENCES_HOLD}
), l as (
    insert into leads (id, tenant_id, owner_id, campaign_id, name, email, phone, company, status, source, score,
                       value_cents, last_activity_id, created_at, updated_at)
    select lead_id, %(tenant_id)s, %(owner_id)s, %(campaign_id)s, %(name)s, %(email)s, %(phone)s, %(company)s,
           %(status)s, %(source)s, %(score)s, %(value_cents)s, activity_id, %(now)s, %(now)s
    from ids
    returning *
), a as (
    insert into activities (id, tenant_id, lead_id, user_id, kind, note, occurred_at)
    select activity_id, %(tenant_id)s, lead_id, %(owner_id)s, 'created', 'Lead created', %(now)s from ids
    returning *
)
select {_JOINED} from l {_JOINS.replace("join activities a on", "join a on")}"""

# For many at once: keys in advance, so that a lead and its first activity can name each other; and which references are this tenant's.
NEW_IDS = """
select nextval('leads_id_seq') as lead_id, nextval('activities_id_seq') as activity_id
from generate_series(1, %(count)s)"""
PRESENT = {table: f"select id from {table} where id = any(%(ids)s::bigint[])" for table in ("users", "campaigns")}

CHANGEABLE = (
    "owner_id",
    "campaign_id",
    "name",
    "email",
    "phone",
    "company",
    "status",
    "source",
    "score",
    "value_cents",
)


def change(fields: set[str]) -> str:
    """Return the statement that sets *fields*, which are names of CHANGEABLE."""
    assignments = "".join(f", {name} = %({name})s" for name in CHANGEABLE if name in fields)
    return f"""
with l as (
    update leads set updated_at = %(now)s{assignments}
    where id = %(id)s and {_REFERENCES_HOLD}
    returning *
)
select {_JOINED} from l {_JOINS}"""


DELETE = "delete from leads where id = %(id)s returning id"

BREAKDOWN = """
select status, source, count(*) as leads, sum(value_cents)::bigint as value_cents, sum(score)::bigint as scores
from leads group by status, source order by status, source"""
