CREATE TABLE leads (id int PRIMARY KEY, name text);
CREATE TABLE notes (id int PRIMARY KEY, lead_id int, body text);
INSERT INTO leads SELECT n, 'lead ' || n FROM generate_series(1, 100) AS n;
INSERT INTO notes SELECT n, n % 100, 'note' FROM generate_series(1, 300) AS n;
CREATE INDEX ON notes (lead_id);
-- request: list leads
SELECT id, name FROM leads ORDER BY id LIMIT 10;
-- repeat: 10
SELECT body FROM notes WHERE lead_id = 7;
-- request: read lead
SELECT id, name FROM leads WHERE id = 7;
SELECT body FROM notes WHERE lead_id = 7;
