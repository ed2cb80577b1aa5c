"""The statements that PostgreSQL is asked, each marked as ours by a comment so that none is reported as the service's.

They read statistics and catalogues, never the service's tables. `{schema}` is that of pg_stat_statements.
"""

from __future__ import annotations

MARK = "/* scaleworthy-observe */"
APPLICATION = "scaleworthy-observe"

SETTINGS = """
SELECT /* scaleworthy-observe */ set_config('statement_timeout', '5000', false), set_config('jit', 'off', false),
       set_config('default_transaction_read_only', 'on', false)
"""

RIGHTS = "SELECT /* scaleworthy-observe */ current_user::text, pg_has_role('pg_read_all_stats', 'USAGE')"

EXTENSION = """
SELECT /* scaleworthy-observe */ n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""

# A library's settings exist only where it was loaded, and every role may see that they do.
LOADED = "SELECT /* scaleworthy-observe */ current_setting('pg_stat_statements.max', true) IS NOT NULL"

IO_TIMED = "SELECT /* scaleworthy-observe */ current_setting('track_io_timing') = 'on'"

SIZE = "SELECT /* scaleworthy-observe */ pg_database_size(current_database())"

# Our transactions are in the statistics before the next look, so that they can be taken out.
FLUSH = "SELECT /* scaleworthy-observe */ pg_stat_force_next_flush()"

DATABASE = """
SELECT /* scaleworthy-observe */ xact_commit, xact_rollback, blks_hit, blks_read, temp_bytes, deadlocks,
       (SELECT wal_bytes::float8 FROM pg_stat_wal), (SELECT count(*) FROM pg_locks WHERE NOT granted),
       current_setting('max_connections')::int
FROM pg_stat_database WHERE datname = current_database()
"""
DATABASE_BEFORE_14 = DATABASE.replace("(SELECT wal_bytes::float8 FROM pg_stat_wal)", "0::float8")

# A role without rights sees neither kind nor state of others' back ends; clients have a user and a database.
ACTIVITY = """
SELECT /* scaleworthy-observe */
       CASE WHEN state = 'active' AND wait_event_type = 'Lock' THEN 'waiting'
            WHEN state LIKE 'idle in transaction%' THEN 'idle in transaction'
            WHEN state = 'fastpath function call' THEN 'active'
            ELSE coalesce(state, 'hidden') END,
       count(*) FILTER (WHERE datname = current_database()),
       count(*),
       coalesce(max(extract(epoch FROM clock_timestamp() - xact_start))
                FILTER (WHERE datname = current_database()), 0)::float8
FROM pg_stat_activity
WHERE coalesce(backend_type = 'client backend', usesysid IS NOT NULL AND datid IS NOT NULL)
      AND application_name <> 'scaleworthy-observe'
GROUP BY 1
"""

IO = """
SELECT /* scaleworthy-observe */ operation, sum(bytes)::float8, sum(ms)::float8 FROM pg_stat_io,
       LATERAL (VALUES ('read', read_bytes, read_time), ('write', write_bytes, write_time),
                       ('extend', extend_bytes, extend_time)) AS one (operation, bytes, ms)
WHERE bytes IS NOT NULL GROUP BY 1
"""
IO_BEFORE_18 = (
    IO.replace("read_bytes", "reads * op_bytes")
    .replace("write_bytes", "writes * op_bytes")
    .replace("extend_bytes", "extends * op_bytes")
)

# The functions instead of pg_stat_user_tables, whose view joins and groups every index.
TABLES = r"""
SELECT /* scaleworthy-observe */
       CASE WHEN n.nspname = 'public' THEN c.relname::text ELSE n.nspname || '.' || c.relname END,
       pg_stat_get_tuples_returned(c.oid), written
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
     LATERAL (SELECT pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
                     + pg_stat_get_tuples_deleted(c.oid) AS written) AS w
WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
      AND (written > 0 OR pg_stat_get_tuples_returned(c.oid) > 0)
"""

# The function with false does not read the file of texts. Roles and nesting are summed up.
STATEMENTS = """
SELECT /* scaleworthy-observe */ queryid, sum(calls)::int8, sum(total_exec_time)::float8, sum(rows)::int8
FROM {schema}.pg_stat_statements(false)
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY queryid
"""

STATEMENTS_READABLE = "SELECT /* scaleworthy-observe */ count(*) FROM {schema}.pg_stat_statements(false)"

TEXTS = """
SELECT /* scaleworthy-observe */ DISTINCT ON (queryid) queryid, query FROM {schema}.pg_stat_statements(true)
WHERE queryid = ANY(%s)
"""
