CREATE TABLE leads (id int PRIMARY KEY, tenant_id int, created_at timestamptz, name text, gone boolean);
CREATE INDEX leads_a ON leads (tenant_id, created_at);
CREATE INDEX leads_b ON leads (tenant_id) WHERE gone;
CREATE INDEX leads_c ON leads (tenant_id DESC, created_at);
CREATE INDEX leads_d ON leads (created_at, tenant_id);
CREATE UNIQUE INDEX leads_e ON leads (name);
CREATE INDEX leads_f ON leads (name text_pattern_ops, id);
CREATE INDEX leads_g ON leads USING hash (tenant_id);
