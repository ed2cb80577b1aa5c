"""What is known, by nearness; and what an agent sees of a caller."""

# With an index over all tenants' vectors a search may meet only strangers' rows first: it then goes on, in order, until it has enough.
# Without pgvector's index the setting changes nothing.
KEEP_SEARCHING = "select set_config('hnsw.iterative_scan', 'strict_order', true)"
# The distance is computed once, and the score from it; the order by the bare operator is what an index can answer.
NEAREST = """
select id, tenant_id, title, body, round((1 - distance)::numeric, 4)::float8 as score, created_at
from (
    select k.*, embedding <=> %(vector)s::vector as distance from knowledge k
    order by embedding <=> %(vector)s::vector limit %(rows)s
) nearest order by distance, id"""
ADD = """
insert into knowledge (tenant_id, title, body, embedding, created_at)
values (%(tenant_id)s, %(title)s, %(body)s, %(vector)s::vector, %(now)s)
returning id, tenant_id, title, body, created_at"""

LEAD_OF_PHONE = "select id from leads where phone = %(phone)s order by created_at desc, id desc limit 1"
LEAD_OF_CALL = "select lead_id as id, phone_number from calls where id = %(call_id)s"
CALLS = """
select id, tenant_id, lead_id, phone_number, direction, status, started_at, ended_at, duration_s
from calls where lead_id = %(id)s order by started_at desc, id desc limit 5"""
TASKS = """
select id, tenant_id, lead_id, title, status, due_at, created_at, delivery
from tasks where lead_id = %(id)s and status = 'open' order by created_at desc, id desc limit 10"""
LAST_SAID = """
select t.said from transcripts t join calls c on c.id = t.call_id
where c.lead_id = %(id)s and t.speaker = 'caller' order by c.started_at desc, t.at_ms desc, t.id desc limit 3"""
