"""Tasks for the other service: written down first, sent after, marked when it has them."""
# ruff: noqa: S608 - texts of this file are put together, never a value: those are bound

_TASK = "id, tenant_id, lead_id, title, notes, status, due_at, created_at, delivery, remote_id, attempts, last_error"

# Written as due later, not now: who wrote it sends it first, and if that process ends, another one does when the time has come.
CREATE = f"""
insert into tasks (tenant_id, lead_id, title, notes, due_at, created_at, delivery, attempts, next_attempt_at)
select %(tenant_id)s::uuid, %(lead_id)s::bigint, %(title)s, %(notes)s, %(due_at)s::timestamptz, %(now)s, 'queued', 1, %(lease)s::timestamptz
where %(lead_id)s::bigint is null or exists (select from leads where id = %(lead_id)s::bigint)
returning {_TASK}"""
ONE = f"select {_TASK} from tasks where id = %(id)s"
MARK = f"""
update tasks set delivery = %(delivery)s, remote_id = %(remote_id)s::text, last_error = %(error)s::text,
    next_attempt_at = %(next)s::timestamptz
where id = %(id)s and delivery = 'queued'
returning {_TASK}"""
WAITING = "select id from tenants_with_due_tasks(%(now)s::timestamptz, %(most)s::integer) as id"
# Leased by moving the time on: two processes never send one task at once, and one that ends gives it back by itself.
LEASE = f"""
update tasks set attempts = attempts + 1, next_attempt_at = %(lease)s::timestamptz
where id in (
    select id from tasks where delivery = 'queued' and next_attempt_at <= %(now)s::timestamptz
    order by next_attempt_at, id limit %(most)s::integer for update skip locked
)
returning {_TASK}"""
