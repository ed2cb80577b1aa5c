CREATE TABLE tenants (id int PRIMARY KEY);
CREATE TABLE leads (tenant_id int REFERENCES tenants, id int, PRIMARY KEY (tenant_id, id));
CREATE TABLE calls (id int PRIMARY KEY, tenant_id int, lead_id int, FOREIGN KEY (tenant_id, lead_id) REFERENCES leads);
-- The key's columns come first, in another order: that covers.
CREATE INDEX calls_lead ON calls (lead_id, tenant_id, id);
