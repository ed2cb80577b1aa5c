"""Payment events: each has its effect once, however often it is delivered."""

# Two deliveries of one event at the same moment wait for each other here; the second then sees what the first stored.
LOCK = "select pg_advisory_xact_lock(hashtextextended(%(event_id)s, 0))"

STORE = """
with stored as (
    insert into webhook_events (tenant_id, event_id, type, payload, received_at)
    select %(tenant_id)s, %(event_id)s, %(type)s, %(payload)s, %(now)s
    where not exists (select from webhook_events where event_id = %(event_id)s)
    returning id
), paid as (
    insert into payments (tenant_id, webhook_event_id, amount_cents, currency, paid_at)
    select %(tenant_id)s, id, %(amount_cents)s, %(currency)s, %(now)s from stored where %(pays)s
)
select id from stored"""
