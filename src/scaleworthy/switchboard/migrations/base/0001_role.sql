-- A role that may use this schema. Roles belong to the whole cluster: another database of it may have created this one, or be creating it
-- at this moment.
create function ensure_role(name text, options text) returns void language plpgsql as $$
begin
    begin
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I %s nosuperuser nocreatedb nocreaterole nobypassrls', name, options);
        end if;
    exception
        when duplicate_object or unique_violation then null;
    end;
    execute format('grant usage on schema %I to %I', current_schema(), name);
end
$$;
revoke all on function ensure_role(text, text) from public;

-- The service logs in as a role that owns nothing and cannot step around row-level security.
select ensure_role('switchboard_app', 'login');
