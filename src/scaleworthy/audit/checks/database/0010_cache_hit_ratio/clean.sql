CREATE TABLE events AS SELECT n, repeat('x', 1000) AS body FROM generate_series(1, 20000) AS n;
SELECT count(*) FROM events;
SELECT pg_stat_force_next_flush();
SELECT pg_stat_reset();
-- repeat: 6
SELECT count(*) FROM events;
