CREATE TABLE leads (id int PRIMARY KEY);
-- session:
BEGIN;
SELECT count(*) FROM leads;
COMMIT;
-- later: 1
