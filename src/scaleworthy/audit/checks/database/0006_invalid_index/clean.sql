CREATE TABLE leads (id int PRIMARY KEY, phone text);
INSERT INTO leads VALUES (1, '+1'), (2, '+2');
CREATE UNIQUE INDEX CONCURRENTLY leads_phone ON leads (phone);
