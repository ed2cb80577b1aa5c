CREATE TABLE calls (id bigserial PRIMARY KEY);
CREATE TABLE leads (id integer GENERATED ALWAYS AS IDENTITY);
CREATE TABLE empty (id serial PRIMARY KEY);
SELECT setval('calls_id_seq', 2100000000), setval('leads_id_seq', 1000000);
