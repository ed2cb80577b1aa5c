-- What later migrations do with tables and roles of theirs, in one place. 0001 and 0003 did the same before there were these.

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

-- Each table given holds rows of tenants, which the service reads and writes: those of its own tenant alone (why so: 0003).
create function protect_tenant_rows(variadic tables text[]) returns void language plpgsql as $$
declare
    name text;
begin
    foreach name in array tables loop
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
end
$$;
revoke all on function protect_tenant_rows(text[]) from public;
