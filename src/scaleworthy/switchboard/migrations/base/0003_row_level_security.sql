-- After a transaction that set it, app.current_tenant is '' and not NULL: without NULLIF an unscoped statement would fail on the
-- cast instead of seeing nothing. As a scalar subquery the setting is read and cast once per statement; bare, it is once per row
-- wherever a plan scans. FORCE makes the policies hold for the owner too.
do $$
declare
    name text;
begin
    foreach name in array array[
        'users', 'campaigns', 'leads', 'activities', 'calls', 'recordings', 'webhook_events', 'payments'
    ] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy tenant_only on %I'
            ' using (tenant_id = (select NULLIF(current_setting(''app.current_tenant'', true), '''')::uuid))'
            ' with check (tenant_id = (select NULLIF(current_setting(''app.current_tenant'', true), '''')::uuid))',
            name
        );
        execute format('grant select, insert, update, delete on %I to switchboard_app', name);
        execute format('grant usage on sequence %I to switchboard_app', name || '_id_seq');
    end loop;
    execute format('grant usage on schema %I to switchboard_app', current_schema());
end
$$;
