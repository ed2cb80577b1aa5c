-- Two ways to the nearest articles, and the planner takes the cheaper one: a tenant with few is read by its index and sorted, which
-- is exact; one with many is asked through the graph, which is not, and which goes on until enough rows are the tenant's own.
create index knowledge_of_tenant on knowledge (tenant_id);
create index knowledge_nearest on knowledge using hnsw (embedding vector_cosine_ops) with (m = 16, ef_construction = 64);
create index tasks_open on tasks (tenant_id, lead_id, created_at desc) where status = 'open';
create index tasks_queued on tasks (tenant_id, next_attempt_at) where delivery = 'queued';
create index tasks_lead on tasks (lead_id);
