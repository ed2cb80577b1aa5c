"""What a voice command does: a task, a note on a lead, a look at leads by name."""

# The lead that is named, or the one of the call that is on; of another tenant it is invisible here.
LEAD = """
select id, name from leads
where id = coalesce(%(lead_id)s::bigint, (select lead_id from calls where id = %(call_id)s::bigint))"""
TASK = """
insert into tasks (tenant_id, lead_id, title, notes, due_at, created_at)
select %(tenant_id)s, (select id from leads where id = %(lead_id)s::bigint), %(title)s, %(notes)s, %(due_at)s::timestamptz, %(now)s
returning id, tenant_id, lead_id, title, notes, status, due_at, created_at, delivery"""
NOTE = """
with noted as (
    insert into activities (tenant_id, lead_id, kind, note, occurred_at)
    select %(tenant_id)s, id, 'note', %(note)s, %(now)s from leads where id = %(lead_id)s
    returning id, tenant_id, lead_id, kind, note, occurred_at
), marked as (
    update leads set last_activity_id = noted.id, updated_at = %(now)s from noted where leads.id = noted.lead_id
)
select * from noted"""
# Whole words of the name, and no more than a screen of it. Wildcards of the words are taken as they are said.
FIND = """
select id, tenant_id, name, company, status, phone from leads
where strpos(lower(name), lower(%(subject)s)) > 0 or strpos(lower(coalesce(company, '')), lower(%(subject)s)) > 0
order by created_at desc, id desc limit 5"""
