CREATE TABLE members (tenant_id int, person text);
CREATE TABLE leads (id int PRIMARY KEY, tenant_id int);
INSERT INTO leads SELECT n, n % 100 FROM generate_series(1, 20000) AS n;
CREATE INDEX ON leads (tenant_id);
ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON leads USING (tenant_id IN (SELECT tenant_id FROM members WHERE person = current_user));
ANALYZE;
