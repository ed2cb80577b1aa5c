CREATE TABLE calls (id serial PRIMARY KEY);
-- A column narrower than its sequence: the sequence alone looks well.
CREATE SEQUENCE numbers AS bigint;
CREATE TABLE leads (id integer DEFAULT nextval('numbers') PRIMARY KEY);
SELECT setval('calls_id_seq', 1600000000), setval('numbers', 2100000000);
