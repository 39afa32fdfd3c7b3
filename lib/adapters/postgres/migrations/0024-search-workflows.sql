-- Search runs as a role of its own: under a policy with a condition no index may serve an operator
-- that is not leakproof, and neither `@>` nor `@@` is. The tenant still comes from the transaction.
create policy lookup on workflows for select to cloudflow_lookup using (true);
grant select on workflows to cloudflow_lookup;

-- Without the tenant: rare words are found by this index, common ones by the tenant's primary key, and
-- the planner can tell which. With the tenant in it, a large tenant's own rows made it look too dear.
drop index workflows_search;
create index workflows_search on workflows using gin (search);

create function search_workflows(
  p_mode text, p_text text, p_definition jsonb, p_after text, p_limit integer
) returns setof text
  language sql stable security definer
  set search_path = pg_catalog, public
  as $$
    select w.workflow_id
    from public.workflows w
    where w.tenant_id = (select public.app_tenant())
      and w.mode = p_mode and w.deleted_at is null
      and (p_text is null or w.search @@ plainto_tsquery('simple', p_text))
      and (p_definition is null or w.definition @> p_definition)
      and (p_after is null or w.workflow_id > p_after)
    order by w.workflow_id
    limit p_limit
  $$;
alter function search_workflows(text, text, jsonb, text, integer) owner to cloudflow_lookup;
grant execute on function search_workflows(text, text, jsonb, text, integer) to cloudflow_app;
