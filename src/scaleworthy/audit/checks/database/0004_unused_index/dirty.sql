CREATE TABLE leads (id int PRIMARY KEY, name text, score int);
INSERT INTO leads SELECT n, 'lead ' || n, n % 100 FROM generate_series(1, 20000) AS n;
CREATE INDEX leads_score ON leads (score, name);
-- later: 8
