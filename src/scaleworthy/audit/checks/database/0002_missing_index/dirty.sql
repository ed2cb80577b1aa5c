DO $$ BEGIN CREATE ROLE audited_app NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE leads (id int PRIMARY KEY, tenant_id int NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO leads SELECT n, n % 100, (ARRAY['new', 'open', 'won', 'lost'])[n % 4 + 1],
  '2026-01-01'::timestamptz + n * interval '1 min' FROM generate_series(1, 60000) AS n;
ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON leads USING (tenant_id = current_setting('app.current_tenant')::int);
GRANT SELECT ON leads TO audited_app;
ANALYZE leads;
-- What the application runs, as the role that the policy is for.
BEGIN;
SET LOCAL ROLE audited_app;
SELECT set_config('app.current_tenant', '7', true);
-- repeat: 30
SELECT id, status, created_at FROM leads ORDER BY created_at DESC LIMIT 20;
-- end:
COMMIT;
