CREATE TABLE leads (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
INSERT INTO leads SELECT generate_series(1, 40000);
DELETE FROM leads WHERE id % 2 = 0;
SELECT pg_stat_force_next_flush();
VACUUM ANALYZE leads;
