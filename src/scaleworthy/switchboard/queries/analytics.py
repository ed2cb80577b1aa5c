"""Aggregates over a tenant's leads, calls, activities and payments."""

DASHBOARD_LEADS = """
select count(*) as total, count(*) filter (where created_at >= %(week)s) as new_7d from leads"""
DASHBOARD_CALLS = """
select count(*) filter (where started_at >= %(day)s) as started_24h,
       count(*) filter (where status = 'completed') as completed_7d,
       coalesce(round(avg(duration_s) filter (where status = 'completed')), 0)::integer as average_duration_s
from calls where started_at >= %(week)s"""
DASHBOARD_ACTIVITIES = "select count(*) as activities_24h from activities where occurred_at >= %(day)s"
DASHBOARD_REVENUE = """
select coalesce(sum(amount_cents), 0)::bigint as revenue_30d_cents from payments where paid_at >= %(month)s"""
ACTIVE_CALLS = """
select id, tenant_id, lead_id, phone_number, direction, started_at
from calls where status = 'active'
order by started_at desc, id desc limit 20"""

CALLS_PER_DAY = """
select (started_at at time zone 'UTC')::date as day, count(*) as calls,
       count(*) filter (where status = 'completed') as completed, coalesce(sum(duration_s), 0)::bigint as talk_s
from calls where started_at >= %(month)s
group by 1 order by 1"""
LEADS_PER_DAY = """
select (created_at at time zone 'UTC')::date as day, count(*) as leads
from leads where created_at >= %(month)s
group by 1 order by 1"""

KPI_LEADS = """
select count(*) as leads, count(*) filter (where status = 'won') as won,
       count(*) filter (where status in ('qualified', 'won')) as qualified
from leads where created_at >= %(since)s"""
KPI_CALLS = """
select count(*) as calls, count(*) filter (where status = 'completed') as completed,
       coalesce(sum(duration_s), 0)::bigint as talk_s
from calls where started_at >= %(since)s"""
KPI_ACTIVITIES = "select count(*) as activities from activities where occurred_at >= %(since)s"
KPI_REVENUE = """
select count(*) as payments, coalesce(sum(amount_cents), 0)::bigint as revenue_cents
from payments where paid_at >= %(since)s"""
