CREATE TABLE leads (id int PRIMARY KEY);
CREATE TABLE calls (id int PRIMARY KEY, lead_id int REFERENCES leads ON DELETE CASCADE, open boolean NOT NULL);
INSERT INTO leads SELECT generate_series(1, 100);
INSERT INTO calls SELECT n, n % 100 + 1, n % 10 = 0 FROM generate_series(1, 20000) AS n;
-- Only a part of the rows: deleting a lead cannot rely on it.
CREATE INDEX calls_open ON calls (lead_id) WHERE open;
DELETE FROM leads WHERE id = 1;
ANALYZE;
