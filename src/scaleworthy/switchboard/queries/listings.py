"""The short lists: campaigns, users, recordings."""

from scaleworthy.switchboard.paging import newest_first

CAMPAIGNS = """
select c.id, c.tenant_id, c.name, c.channel, c.status, c.budget_cents, c.created_at, coalesce(n.leads, 0) as leads
from campaigns c
left join (select campaign_id, count(*) as leads from leads group by campaign_id) n on n.campaign_id = c.id
order by c.id limit 200"""

USERS = "select id, tenant_id, name, email, role, created_at from users order by id limit 200"

RECORDINGS = newest_first(
    "recordings",
    "r",
    """
select r.id, r.tenant_id, r.call_id, r.object_key, r.duration_s, r.size_bytes, r.created_at,
       c.phone_number, c.direction, c.lead_id
from recordings r join calls c on c.id = r.call_id""",
)
