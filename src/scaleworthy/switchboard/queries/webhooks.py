"""Payment events: each has its effect once, however often it is delivered."""
# ruff: noqa: S608 - texts of this file are put together, never a value: those are bound

# Two deliveries of one event at the same moment wait for each other here; the second then sees what the first stored.
LOCK = "select pg_advisory_xact_lock(hashtextextended(%(event_id)s, 0))"

_STORED = """
with stored as (
    insert into webhook_events (tenant_id, event_id, type, payload, received_at)
    select %(tenant_id)s, %(event_id)s, %(type)s, %(payload)s, %(now)s
    where not exists (select from webhook_events where event_id = %(event_id)s)
    returning id
)"""
STORE = f"""{_STORED}, paid as (
    insert into payments (tenant_id, webhook_event_id, amount_cents, currency, paid_at)
    select %(tenant_id)s, id, %(amount_cents)s, %(currency)s, %(now)s from stored where %(pays)s
)
select id from stored"""

# Stored and in the queue, or neither; what it asks for is done by whoever takes it from there.
QUEUE = f"""{_STORED}, queued as (
    insert into webhook_queue (webhook_event_id, received_at) select id, %(now)s from stored
)
select id from stored"""

# Once for each id, however often it comes: the inbox, the effect and the queue change together.
HANDLE = """
with first as (
    insert into scaleworthy_inbox (consumer, id) values (%(consumer)s, %(event)s) on conflict do nothing returning id
), taken as (
    delete from webhook_queue where webhook_event_id = %(webhook)s and exists (select from first)
), paid as (
    insert into payments (tenant_id, webhook_event_id, amount_cents, currency, paid_at)
    select tenant_id, id, coalesce((payload #>> '{data,object,amount_paid}')::numeric::bigint, 0),
           coalesce(payload #>> '{data,object,currency}', 'usd'), %(now)s
    from webhook_events
    where id = %(webhook)s and type = 'invoice.payment_succeeded' and exists (select from first)
    returning id
)
select count(*) as paid from paid"""
SET_ASIDE = "insert into scaleworthy_inbox_dead (consumer, body, reason) values (%(consumer)s, %(body)s, %(reason)s)"
AGAIN = "select webhooks_again(%(after_s)s) as again"
BACKLOG = """
select count(*) as waiting, coalesce(greatest(extract(epoch from %(now)s - min(received_at)), 0), 0)::float as oldest_s
from (select received_at from webhook_queue order by webhook_event_id limit 10000) as oldest"""
