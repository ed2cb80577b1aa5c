"""Calls: a phone call from its start to its end."""
# ruff: noqa: S608 - texts of this file are put together, never a value: those are bound

_CALL = "id, tenant_id, lead_id, phone_number, direction, status, started_at, ended_at, duration_s"

# Without a lead, the caller is identified: the newest lead with this number. A lead of another tenant is invisible here, and no
# call starts; the foreign key alone would accept it, as it does not ask the policies.
START = f"""
insert into calls (tenant_id, lead_id, phone_number, direction, status, started_at)
select %(tenant_id)s,
       coalesce(
           %(lead_id)s::bigint,
           (select id from leads where phone = %(phone_number)s order by created_at desc, id desc limit 1)
       ),
       %(phone_number)s, %(direction)s, 'active', %(now)s
where %(lead_id)s::bigint is null or exists (select from leads where id = %(lead_id)s)
returning {_CALL}"""
ACTIVE = "select count(*) as active from calls where status = 'active'"

# One statement, so that a call ends whole or not at all: its state, its recording, its mark on the lead. An ended call is not
# ended again: no row, no effect.
END = f"""
with ended as (
    update calls set status = %(status)s, ended_at = %(now)s,
        duration_s = coalesce(%(duration_s)s, greatest(0, extract(epoch from %(now)s - started_at)::integer))
    where id = %(id)s and status = 'active'
    returning {_CALL}
), recorded as (
    insert into recordings (tenant_id, call_id, object_key, duration_s, size_bytes, created_at)
    select tenant_id, id, 'calls/' || id || '.wav', duration_s, duration_s * 8000::bigint, %(now)s
    from ended where status = 'completed'
), noted as (
    insert into activities (tenant_id, lead_id, kind, note, occurred_at)
    select tenant_id, lead_id, 'call', 'Call ' || replace(status, '_', ' '), %(now)s from ended where lead_id is not null
    returning id, lead_id
), marked as (
    update leads set last_activity_id = noted.id from noted where leads.id = noted.lead_id
)
select {_CALL} from ended"""
ONE = f"select {_CALL} from calls where id = %(id)s"
