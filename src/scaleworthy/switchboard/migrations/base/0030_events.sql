-- The outbox and the inbox of the runtime's events, as its statements() write them; a test compares the two.
create table if not exists scaleworthy_outbox (
  number bigint generated always as identity primary key,
  written_by xid8 not null default pg_current_xact_id(),
  id uuid not null, topic text not null, tenant text not null, aggregate text not null, payload jsonb not null,
  headers jsonb not null default '{}', at timestamptz not null default clock_timestamp(),
  attempts int not null default 0, published_at timestamptz, dead_because text
);
create index if not exists scaleworthy_outbox_waiting on scaleworthy_outbox (number) where published_at is null and dead_because is null;
create index if not exists scaleworthy_outbox_published on scaleworthy_outbox (published_at) where published_at is not null;
create table if not exists scaleworthy_inbox (
  consumer text not null, id uuid not null, at timestamptz not null default clock_timestamp(), primary key (consumer, id)
);
create index if not exists scaleworthy_inbox_at on scaleworthy_inbox (at);
create table if not exists scaleworthy_inbox_dead (
  number bigint generated always as identity primary key,
  consumer text not null, body bytea not null, reason text not null, at timestamptz not null default clock_timestamp()
);

-- Webhooks that are stored and not handled yet: ids alone, so that health may count them without being any tenant.
create table webhook_queue (
    webhook_event_id bigint primary key,
    received_at timestamptz not null
);

-- The relay reads the events of every tenant, and nothing else; the service may write them, and cannot read them.
select ensure_role('switchboard_relay', 'login');
do $$
begin
    -- Lets it say which transaction holds events back; without it they are held back all the same.
    grant pg_read_all_stats to switchboard_relay;
exception
    when insufficient_privilege then null;
end
$$;
grant select, update, delete on scaleworthy_outbox to switchboard_relay;
grant insert on scaleworthy_outbox, scaleworthy_inbox_dead to switchboard_app;
grant select, insert on scaleworthy_inbox to switchboard_app;
grant select, insert, delete on webhook_queue to switchboard_app;

-- A stream server that loses its data loses webhooks that were published and not handled: they are published again. Handling one twice
-- has no second effect, so this asks only whether a webhook has been in the queue for long after it was published.
create function webhooks_again(after_s float) returns bigint language sql security definer set search_path = public, pg_temp
begin atomic
    with again as (
        update scaleworthy_outbox o set published_at = null, attempts = 0
        from webhook_queue q
        where o.topic = 'webhook.received' and (o.payload ->> 'id')::bigint = q.webhook_event_id and o.dead_because is null
            and o.published_at < clock_timestamp() - after_s * interval '1 s'
            and o.number >= (select coalesce(min(number), 0) from scaleworthy_outbox where at > clock_timestamp() - interval '1 day')
        returning o.number
    )
    select count(*) from again;
end;
revoke all on function webhooks_again(float) from public;
grant execute on function webhooks_again(float) to switchboard_app;

-- What has happened is told in the transaction in which it happens, by the way that the session's setting names: 'outbox', 'notify', or
-- nothing (seeds, people at psql). A statement of many rows tells of each, with one INSERT.
-- Arguments of a trigger: what has happened; to what; columns that are not told; the column that has to have changed.
create function tell_rows() returns trigger language plpgsql as $$
declare
    mode constant text := coalesce(current_setting('switchboard.events', true), '');
begin
    if mode = 'outbox' then
        insert into scaleworthy_outbox (id, topic, tenant, aggregate, payload)
        select gen_random_uuid(), tg_argv[0], r.tenant_id::text, tg_argv[1] || ':' || r.id, to_jsonb(r) - tg_argv[2]::text[]
        from rows r;
    elsif mode = 'notify' then
        perform tell_by_notify(r.tenant_id, to_jsonb(r) - tg_argv[2]::text[], tg_argv[0]) from rows r;
    end if;
    return null;
end
$$;
create function tell_changes() returns trigger language plpgsql as $$
declare
    mode constant text := coalesce(current_setting('switchboard.events', true), '');
begin
    if mode = 'outbox' then
        insert into scaleworthy_outbox (id, topic, tenant, aggregate, payload)
        select gen_random_uuid(), tg_argv[0], r.tenant_id::text, tg_argv[1] || ':' || r.id, to_jsonb(r) - tg_argv[2]::text[]
        from rows r join olds o using (id)
        where to_jsonb(r) -> tg_argv[3] is distinct from to_jsonb(o) -> tg_argv[3];
    elsif mode = 'notify' then
        perform tell_by_notify(r.tenant_id, to_jsonb(r) - tg_argv[2]::text[], tg_argv[0])
        from rows r join olds o using (id)
        where to_jsonb(r) -> tg_argv[3] is distinct from to_jsonb(o) -> tg_argv[3];
    end if;
    return null;
end
$$;
-- A notification has at most 8,000 bytes, and one that is longer would fail the write: such a row is told by its id.
create function tell_by_notify(tenant uuid, data jsonb, kind text) returns void language sql as $$
    select pg_notify(
        'switchboard_events',
        tenant || '|' || kind || '|' || case
            when octet_length(data::text) < 7800 then data::text
            else jsonb_build_object('id', data -> 'id', 'tenant_id', tenant)::text
        end
    )
$$;

create trigger told_started after insert on calls
    referencing new table as rows for each statement execute function tell_rows('call.started', 'call', '{}');
create trigger told_ended after update on calls
    referencing old table as olds new table as rows for each statement
    execute function tell_changes('call.ended', 'call', '{}', 'ended_at');
create trigger told_created after insert on leads
    referencing new table as rows for each statement execute function tell_rows('lead.created', 'lead', '{last_activity_id}');
create trigger told_updated after update on leads
    referencing old table as olds new table as rows for each statement
    execute function tell_changes('lead.updated', 'lead', '{last_activity_id}', 'updated_at');
create trigger told_deleted after delete on leads
    referencing old table as rows for each statement execute function tell_rows('lead.deleted', 'lead', '{last_activity_id}');
create trigger told_received after insert on webhook_events
    referencing new table as rows for each statement execute function tell_rows('webhook.received', 'webhook', '{payload}');
create trigger told_paid after insert on payments
    referencing new table as rows for each statement execute function tell_rows('payment.received', 'payment', '{}');
