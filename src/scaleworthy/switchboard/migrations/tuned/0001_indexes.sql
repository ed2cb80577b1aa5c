-- Tenant first: the policy of each table compares tenant_id, so it is part of every look-up.
create index leads_page on leads (tenant_id, created_at desc, id desc);
create index leads_phone on leads (tenant_id, phone);
create index leads_breakdown on leads (tenant_id, status, source) include (score, value_cents, campaign_id, created_at);
create index activities_of_lead on activities (tenant_id, lead_id, occurred_at desc, id desc);
create index activities_recent on activities (tenant_id, occurred_at);
create index calls_by_status on calls (tenant_id, status, started_at desc, id desc);
create index calls_recent on calls (tenant_id, started_at) include (status, duration_s);
create index recordings_page on recordings (tenant_id, created_at desc, id desc);
create index users_of_tenant on users (tenant_id, id);
create index campaigns_of_tenant on campaigns (tenant_id, id);
create index payments_recent on payments (tenant_id, paid_at) include (amount_cents);
create unique index webhook_events_once on webhook_events (tenant_id, event_id);

-- Foreign keys: what a delete or an update of the row pointed at has to find.
create index activities_lead on activities (lead_id);
create index activities_user on activities (user_id);
create index calls_lead on calls (lead_id);
create index leads_owner on leads (owner_id);
create index leads_campaign on leads (campaign_id);
create index recordings_call on recordings (call_id);
create index payments_event on payments (webhook_event_id);
