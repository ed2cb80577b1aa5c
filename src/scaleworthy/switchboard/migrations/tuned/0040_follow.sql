-- Kept answers follow what changes: the publication that says which rows, and the role that reads the log. Where either is not
-- permitted, or the server does not decode its log, answers are kept for their time.
do $$
begin
    perform ensure_role('switchboard_follower', 'login replication');
exception
    when insufficient_privilege then null;
end
$$;
-- A lead that is deleted says whose it was.
create unique index leads_of_tenant on leads (tenant_id, id);
alter table leads replica identity using index leads_of_tenant;
do $$
begin
    execute format(
        'create publication switchboard_cache for table leads %1$s, calls %1$s, activities %1$s, payments %1$s, campaigns %1$s, tenants
         with (publish = ''insert, update, delete, truncate'', publish_via_partition_root = true)',
        -- Only what the rules name, where the server can leave out the rest.
        case when current_setting('server_version_num')::int >= 150000 then '(id, tenant_id)' else '' end
    );
exception
    when insufficient_privilege then null;
end
$$;
