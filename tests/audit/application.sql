-- A service with tenants under row level security, and the indexes forgotten.
CREATE TYPE status AS ENUM ('new', 'open', 'won', 'lost');
CREATE TABLE tenants (id uuid PRIMARY KEY, name text NOT NULL);
INSERT INTO tenants SELECT lpad(to_hex(n), 32, '0')::uuid, 'tenant ' || n FROM generate_series(1, 100) AS n;
CREATE TABLE leads (
  id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, status status NOT NULL, name text,
  created_at timestamptz NOT NULL, shown text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO leads (id, tenant_id, status, name, created_at)
  SELECT n, lpad(to_hex(n % 100 + 1), 32, '0')::uuid, (ARRAY['new', 'open', 'won', 'lost'])[n % 4 + 1]::status, 'lead ' || n,
    '2026-01-01'::timestamptz + n * interval '1 min'
  FROM generate_series(1, 100000) AS n;
CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE AS
  $$ SELECT NULLIF(current_setting('app.current_tenant', true), '')::uuid $$;
ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON leads USING (tenant_id = current_tenant());
DO $$ BEGIN CREATE ROLE audited_app LOGIN; EXCEPTION WHEN duplicate_object THEN ALTER ROLE audited_app LOGIN; END $$;
GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO audited_app;
ANALYZE;
