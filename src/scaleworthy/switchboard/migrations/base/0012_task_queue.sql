-- Which tenants have tasks that are due to be sent? The list of tenants is closed to the service; this gives it ids of those alone that
-- have work waiting. The policies hold for the owner too, so each tenant is looked at as itself; the setting ends as it began.
create function tenants_with_due_tasks(at timestamptz, most integer) returns setof uuid
language plpgsql volatile security definer set search_path = public, pg_temp
as $$
declare
    one uuid;
    found_so_far integer := 0;
    before text := coalesce(current_setting('app.current_tenant', true), '');
begin
    for one in select t.id from tenants t loop
        perform set_config('app.current_tenant', one::text, true);
        if exists (select from tasks where delivery = 'queued' and next_attempt_at <= at) then
            return next one;
            found_so_far := found_so_far + 1;
            exit when found_so_far >= most;
        end if;
    end loop;
    perform set_config('app.current_tenant', before, true);
end
$$;

revoke all on function tenants_with_due_tasks(timestamptz, integer) from public;
grant execute on function tenants_with_due_tasks(timestamptz, integer) to switchboard_app;
