CREATE TABLE totals (name text PRIMARY KEY, value int);
INSERT INTO totals VALUES ('calls', 12);
-- repeat: 200
SELECT value FROM totals WHERE name = 'calls';
