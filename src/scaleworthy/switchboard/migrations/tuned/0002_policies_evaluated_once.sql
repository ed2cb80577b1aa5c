-- As a scalar subquery the setting is read and cast once per statement; bare, once per row wherever a plan scans.
do $$
declare
    name text;
begin
    foreach name in array array[
        'users', 'campaigns', 'leads', 'activities', 'calls', 'recordings', 'webhook_events', 'payments'
    ] loop
        execute format(
            'alter policy tenant_only on %I'
            ' using (tenant_id = (select NULLIF(current_setting(''app.current_tenant'', true), '''')::uuid))'
            ' with check (tenant_id = (select NULLIF(current_setting(''app.current_tenant'', true), '''')::uuid))',
            name
        );
    end loop;
end
$$;
