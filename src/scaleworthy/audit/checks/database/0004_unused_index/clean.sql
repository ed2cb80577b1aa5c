CREATE TABLE leads (id int PRIMARY KEY, name text UNIQUE, score int);
INSERT INTO leads SELECT n, 'lead ' || n, n % 100 FROM generate_series(1, 20000) AS n;
CREATE INDEX leads_score ON leads (score, name);
ANALYZE leads;
SET enable_seqscan = off;
SELECT count(*) FROM leads WHERE score = 7;
-- later: 8
