CREATE TABLE leads (id int PRIMARY KEY, created_at timestamptz);
INSERT INTO leads SELECT n, '2026-01-01'::timestamptz + n * interval '1 min' FROM generate_series(1, 20000) AS n;
-- repeat: 5
SELECT id FROM leads WHERE (created_at, id) < ('2026-01-05', 7) ORDER BY created_at DESC, id DESC LIMIT 20;
