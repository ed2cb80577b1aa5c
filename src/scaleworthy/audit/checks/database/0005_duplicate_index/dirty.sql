CREATE TABLE leads (id int PRIMARY KEY, tenant_id int, created_at timestamptz);
CREATE INDEX leads_a ON leads (tenant_id, created_at);
CREATE INDEX leads_b ON leads (tenant_id, created_at);
CREATE INDEX leads_c ON leads (tenant_id);
