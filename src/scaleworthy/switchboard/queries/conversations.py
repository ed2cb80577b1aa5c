"""Conversations: what was asked of the council or by voice, and what was answered. `c` is a conversation, `t` one turn of it."""
# ruff: noqa: S608 - texts of this file are put together, never a value: those are bound

from scaleworthy.switchboard.paging import newest_first

TURNS_MAX = 200
_CONVERSATION = "c.id, c.tenant_id, c.channel, c.lead_id, c.title, c.created_at, c.updated_at"
_TURN = "t.id, t.tenant_id, t.conversation_id, t.speaker, t.said, t.model, t.tokens, t.cost_usd, t.created_at"
LIST = newest_first(
    "conversations",
    "c",
    f"""
select {_CONVERSATION}, n.turns, n.tokens
from conversations c
cross join lateral (
    select count(*)::int as turns, coalesce(sum(t.tokens), 0)::bigint as tokens from conversation_turns t where t.conversation_id = c.id
) n""",
)

ONE = f"select {_CONVERSATION} from conversations c where c.id = %(id)s"
TURNS = f"select {_TURN} from conversation_turns t where t.conversation_id = %(id)s order by t.id limit {TURNS_MAX}"
# What was said before, newest first, for a model to go on from; members' opinions are not.
BEFORE = """
select t.speaker, t.said from conversation_turns t
where t.conversation_id = %(id)s and t.speaker <> 'member' order by t.id desc limit 20"""

# Begins a conversation, or goes on with one. One of another tenant, and one that is full, are not there: nothing is kept, and no row
# comes back. A lead of another tenant is invisible, and left out.
KEEP = f"""
with begun as (
    insert into conversations (tenant_id, channel, lead_id, title, created_at, updated_at)
    select %(tenant_id)s, %(channel)s, (select id from leads where id = %(lead_id)s::bigint), %(title)s, %(now)s, %(now)s
    where %(id)s::bigint is null
    returning id
), gone_on as (
    update conversations set updated_at = %(now)s
    where id = %(id)s::bigint
      and (select count(*) from conversation_turns where conversation_id = %(id)s::bigint) + %(count)s <= {TURNS_MAX}
    returning id
), c as (
    select id from begun union all select id from gone_on
), kept as (
    insert into conversation_turns (tenant_id, conversation_id, speaker, said, model, tokens, cost_usd, created_at)
    select %(tenant_id)s, c.id, turn.speaker, turn.said, turn.model, turn.tokens, turn.cost_usd, %(now)s
    from c cross join unnest(
        %(speakers)s::text[], %(said)s::text[], %(models)s::text[], %(tokens)s::integer[], %(costs)s::double precision[]
    ) with ordinality as turn (speaker, said, model, tokens, cost_usd, number)
    order by turn.number
)
select id from c"""
