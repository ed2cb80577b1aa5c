-- The service logs in as a role that owns nothing and cannot step around row-level security.
-- Roles belong to the whole cluster: another database of it may be creating the same one at this moment.
do $$
begin
    if not exists (select from pg_roles where rolname = 'switchboard_app') then
        create role switchboard_app login nosuperuser nocreatedb nocreaterole nobypassrls;
    end if;
exception
    when duplicate_object or unique_violation then null;
end
$$;
