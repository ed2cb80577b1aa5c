-- The service may ask whose key or customer this is; it cannot read the list of tenants and their keys.
create function tenant_by_key(wanted text) returns table (id uuid, name text)
language sql stable security definer set search_path = public, pg_temp
begin atomic
    select t.id, t.name from tenants t where t.key = wanted;
end;

create function tenant_by_customer(wanted text) returns table (id uuid, name text)
language sql stable security definer set search_path = public, pg_temp
begin atomic
    select t.id, t.name from tenants t where t.stripe_customer = wanted;
end;

revoke all on function tenant_by_key(text), tenant_by_customer(text) from public;
grant execute on function tenant_by_key(text), tenant_by_customer(text) to switchboard_app;
