"""The SQL that reads the evidence; each statement carries the tag that keeps it out of the statistics we judge.

The tag stands inside the statement, because pg_stat_statements keeps only the text from its first word on.
Versions: PostgreSQL 13 and newer.
"""

TAG = "/* scaleworthy-audit */"

# Objects of extensions are their authors' business; temporary and system schemas nobody's.
_USER = """n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"""
_OWN = "NOT EXISTS (SELECT FROM pg_depend x WHERE x.objid = c.oid AND x.classid = 'pg_class'::regclass AND x.deptype = 'e')"
_NAME = "format('%%I.%%I', n.nspname, c.relname)"


def _ours(text: str) -> str:
    """Return our own statement, with the words that stand in braces written out."""
    for word, meaning in (("tag", TAG), ("name", _NAME), ("user", _USER), ("own", _OWN)):
        text = text.replace(f"{{{word}}}", meaning)
    return text


SERVER = _ours("""
SELECT {tag} current_setting('server_version_num')::int AS version_num,
  split_part(current_setting('server_version'), ' ', 1) AS version,
  pg_is_in_recovery() AS in_recovery,
  (SELECT count(*)::int FROM pg_stat_replication) AS replicas,
  now() AS read_at, d.datname AS database, current_user::text AS role, r.rolsuper AS superuser,
  pg_database_size(d.oid) AS database_bytes,
  extract(epoch FROM now() - coalesce(s.stats_reset, 'epoch'))::float8 AS statistics_age_s,
  s.blks_hit AS blocks_hit, s.blks_read AS blocks_read, s.temp_files, s.temp_bytes,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections_server,
  s.numbackends AS connections_database, d.datconnlimit AS connections_database_max,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections_server_max
FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid JOIN pg_roles r ON r.rolname = current_user
WHERE d.datname = current_database()""")

# The seconds since initdb: the upper half of the system identifier is the time it was made.
INITDB = _ours(
    "SELECT {tag} extract(epoch FROM now())::float8 - (system_identifier >> 32) AS age_s FROM pg_control_system()"
)

TABLES = _ours("""
SELECT {tag} c.oid::int8, {name} AS name, n.nspname::text AS schema, c.relname::text AS relation,
  pg_get_userbyid(c.relowner)::text AS owner, c.relkind::text AS kind, greatest(c.reltuples, 0)::float8 AS rows,
  pg_table_size(c.oid) AS bytes, c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
  has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable,
  row_security_active(c.oid) AS row_security_active,
  coalesce(s.seq_scan, 0) AS sequential_scans, coalesce(s.seq_tup_read, 0) AS sequential_rows,
  coalesce(s.idx_scan, 0) AS index_scans, coalesce(s.n_tup_ins, 0) AS inserted, coalesce(s.n_tup_upd, 0) AS updated,
  coalesce(s.n_tup_hot_upd, 0) AS hot_updated, coalesce(s.n_tup_del, 0) AS deleted,
  coalesce(s.n_live_tup, 0) AS live_rows, coalesce(s.n_dead_tup, 0) AS dead_rows,
  coalesce(s.n_mod_since_analyze, 0) AS changed_since_analyze,
  coalesce(s.last_analyze, s.last_autoanalyze) IS NOT NULL OR c.reltuples >= 0 AS analyzed
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {user} AND {own}
ORDER BY 2""")

COLUMNS = _ours("""
SELECT {tag} {name} AS table, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
  t.typcategory::text AS category, a.attnotnull AS not_null
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {user} AND {own}
ORDER BY 1, a.attnum""")

# `shape` is everything that two indexes must share to be the same: method, operator classes, collations, order,
# expressions and predicate, one word per key column.
INDEXES = _ours("""
SELECT {tag} i.indexrelid::int8 AS oid, ic.relname::text AS name, {name} AS table, am.amname::text AS method,
  ARRAY(SELECT a.attname::text FROM generate_series(0, i.indnkeyatts - 1) k
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k] AND i.indkey[k] <> 0 ORDER BY k) AS columns,
  ARRAY(SELECT a.attname::text FROM generate_series(i.indnkeyatts, i.indnatts - 1) k
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k] ORDER BY k) AS included,
  ARRAY(SELECT concat_ws(' ', pg_get_indexdef(i.indexrelid, k + 1, true), i.indclass[k], i.indcollation[k], i.indoption[k])
    FROM generate_series(0, i.indnkeyatts - 1) k ORDER BY k) AS shape,
  i.indisunique AS unique, i.indisprimary AS primary,
  EXISTS (SELECT FROM pg_constraint x WHERE x.conindid = i.indexrelid) AS constraint,
  i.indisvalid AND i.indisready AS valid, i.indpred IS NOT NULL AS partial,
  coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate, i.indisreplident AS replica_identity,
  EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS building,
  pg_relation_size(i.indexrelid) AS bytes, coalesce(s.idx_scan, 0) AS scans, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am am ON am.oid = ic.relam
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
WHERE c.relkind IN ('r', 'p') AND {user} AND {own} ORDER BY 3, 2""")

FOREIGN_KEYS = _ours("""
SELECT {tag} x.conname::text AS name, {name} AS table, format('%%I.%%I', pn.nspname, p.relname) AS parent,
  ARRAY(SELECT a.attname::text FROM unnest(x.conkey) WITH ORDINALITY k(num, at)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num ORDER BY k.at) AS columns,
  CASE x.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' WHEN 'd' THEN 'set default'
    WHEN 'r' THEN 'restrict' ELSE 'no action' END AS on_delete
FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class p ON p.oid = x.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE x.contype = 'f' AND x.conparentid = 0 AND {user} AND {own} ORDER BY 2, 1""")

POLICIES = _ours("""
SELECT {tag} p.policyname::text AS name, format('%%I.%%I', p.schemaname, p.tablename) AS table, lower(p.cmd) AS command,
  p.permissive = 'PERMISSIVE' AS permissive, p.roles::text[] AS roles, p.qual AS using, p.with_check AS check
FROM pg_policies p ORDER BY 2, 1""")

# The functions that policies call, which may hide the setting that names the tenant.
FUNCTIONS = _ours("""
SELECT {tag} DISTINCT p.proname::text AS name, p.provolatile = 'v' AS volatile, coalesce(p.prosrc, '') AS body
FROM pg_policy o JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = o.oid
  AND d.refclassid = 'pg_proc'::regclass JOIN pg_proc p ON p.oid = d.refobjid ORDER BY 1""")

ROLES = _ours("""
SELECT {tag} rolname::text AS name, rolsuper AS superuser, rolbypassrls AS bypasses_row_security
FROM pg_roles ORDER BY 1""")

SETTINGS = _ours("""
SELECT {tag} name, setting AS value, coalesce(unit, '') AS unit, source, context, current_setting(name, true) AS shown
FROM pg_settings ORDER BY 1""")

# Ages are taken at the time the reader names, not at the server's: its clock is an argument.
SESSIONS = _ours("""
SELECT {tag} pid, coalesce(usename, '')::text AS role, coalesce(application_name, '') AS application,
  coalesce(state, '') AS state, extract(epoch FROM %(read_at)s - xact_start)::float8 AS transaction_s,
  coalesce(extract(epoch FROM %(read_at)s - state_change), 0)::float8 AS state_s, coalesce(left(query, 300), '') AS text
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid""")

SEQUENCES = _ours("""
SELECT {tag} format('%%I.%%I', s.schemaname, s.sequencename) AS name, s.last_value, s.max_value AS maximum,
  s.increment_by AS increment, d.table, d.column,
  CASE d.type WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647 END::int8 AS column_maximum
FROM pg_sequences s JOIN pg_namespace sn ON sn.nspname = s.schemaname
JOIN pg_class q ON q.relnamespace = sn.oid AND q.relname = s.sequencename
LEFT JOIN LATERAL (
  SELECT format('%%I.%%I', n.nspname, c.relname) AS table, a.attname::text AS column, format_type(a.atttypid, -1) AS type
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE (a.attrelid, a.attnum) IN (
      SELECT refobjid, refobjsubid FROM pg_depend
      WHERE classid = 'pg_class'::regclass AND objid = q.oid AND refclassid = 'pg_class'::regclass AND refobjsubid > 0
      UNION SELECT ad.adrelid, ad.adnum FROM pg_depend pd JOIN pg_attrdef ad ON ad.oid = pd.objid
      WHERE pd.classid = 'pg_attrdef'::regclass AND pd.refclassid = 'pg_class'::regclass AND pd.refobjid = q.oid)
  ORDER BY 1, 2 LIMIT 1) d ON true
WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1""")

EXTENSION_SCHEMA = _ours("""
SELECT {tag} quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'""")

STATEMENTS = _ours("""
SELECT {tag} q.queryid::text AS queryid, pg_get_userbyid(q.userid)::text AS role, q.query AS text, q.calls,
  q.total_exec_time AS total_ms, q.mean_exec_time AS mean_ms, q.rows,
  q.shared_blks_hit AS blocks_hit, q.shared_blks_read AS blocks_read,
  q.temp_blks_read + q.temp_blks_written AS temp_blocks
FROM {schema}.pg_stat_statements(true) q
WHERE q.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND q.calls > 0
  AND q.query NOT LIKE '%%scaleworthy-audit%%'
ORDER BY q.total_exec_time DESC, q.queryid LIMIT 2000""")

STATEMENTS_AGE = _ours("""
SELECT {tag} extract(epoch FROM now() - stats_reset)::float8 AS age_s FROM {schema}.pg_stat_statements_info""")

READS_ALL = _ours("SELECT {tag} pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may")

# A file of the server's own machine: only a superuser or a member of pg_read_server_files may.
MEMORY = _ours("SELECT {tag} pg_read_file(%(path)s, 0, 4096, true) AS text")
