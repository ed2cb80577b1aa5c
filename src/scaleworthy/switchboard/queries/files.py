"""Files: a row that describes one, and rows of its bytes."""
# ruff: noqa: S608 - texts of this file are put together, never a value: those are bound

PART_BYTES = 256 * 1024
_FILE = "id, tenant_id, call_id, name, content_type, size_bytes, sha256, created_at"

# The file and all its parts in one statement: there is no file without its bytes.
STORE = f"""
with stored as (
    insert into files (tenant_id, call_id, name, content_type, size_bytes, sha256, created_at)
    select %(tenant_id)s, %(call_id)s, %(name)s, %(content_type)s, %(size_bytes)s, %(sha256)s, %(now)s
    where %(call_id)s::bigint is null or exists (select from calls where id = %(call_id)s)
    returning {_FILE}
), parts as (
    insert into file_parts (tenant_id, file_id, number, bytes)
    select stored.tenant_id, stored.id, part.number, part.bytes
    from stored, unnest(%(parts)s::bytea[]) with ordinality as part (bytes, number)
)
select {_FILE} from stored"""
ONE = f"select {_FILE} from files where id = %(id)s"
LATEST = f"select {_FILE} from files order by id desc limit 100"
PART = "select bytes from file_parts where file_id = %(id)s and number = %(number)s"
OF_RECORDING = """
select f.id, f.tenant_id, f.call_id, f.name, f.content_type, f.size_bytes, f.sha256, f.created_at
from recordings r join files f on f.call_id = r.call_id and f.content_type like 'audio/%%'
where r.id = %(id)s order by f.id desc limit 1"""
RECORDING = "select id from recordings where id = %(id)s"
DELETE = "delete from files where id = %(id)s returning id"
