-- Search by trigrams and by words. ILIKE and @@ are not leakproof: under row-level security a condition of theirs may see only rows that
-- the policy has let through, so an index over them is never used, and each search reads all leads of its tenant. The way out: a role
-- that no one logs in as, for which the policy of leads has no condition, and one function of that role which has the tenant's condition
-- written into it. Within it the index is used; nothing else can be asked as that role, and what it finds is read under the caller's policy.
create extension if not exists pg_trgm;
create extension if not exists btree_gin;

select ensure_role('switchboard_search', 'nologin');

-- Names and companies by words; addresses and numbers, each a word of its own, would make most of the index and are found by trigrams.
-- The tenant first here too: GIN then joins its rows with those of the trigrams.
create index leads_search on leads using gin (
    tenant_id,
    (name || ' ' || coalesce(company, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '')) gin_trgm_ops,
    to_tsvector('simple', name || ' ' || coalesce(company, ''))
) with (gin_pending_list_limit = 256);

create policy search_everywhere on leads for select to switchboard_search using (true);
grant select on leads to switchboard_search;

-- Found first and sorted then: with the limit pushed down, a search for something rare would walk through all leads by date.
create function leads_matching(pattern text, words text, at_most integer) returns setof bigint
language sql stable security definer rows 20 set search_path = public, pg_temp
begin atomic
    with found as materialized (
        select l.id, l.created_at from leads l
        where l.tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid)
          and (
            (l.name || ' ' || coalesce(l.company, '') || ' ' || coalesce(l.email, '') || ' ' || coalesce(l.phone, '')) ilike pattern
            or to_tsvector('simple', l.name || ' ' || coalesce(l.company, '')) @@ to_tsquery('simple', words)
          )
    )
    select f.id from found f order by f.created_at desc, f.id desc limit at_most;
end;

-- Who makes the function over has to be a member of the role and may need, for the moment, that it can create here.
do $$
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant switchboard_search to %I', current_user);
    end if;
    execute format('grant usage, create on schema %I to switchboard_search', current_schema());
    alter function leads_matching(text, text, integer) owner to switchboard_search;
    execute format('revoke create on schema %I from switchboard_search', current_schema());
end
$$;
revoke all on function leads_matching(text, text, integer) from public;
grant execute on function leads_matching(text, text, integer) to switchboard_app;
