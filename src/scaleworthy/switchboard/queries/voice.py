"""Transcripts of calls, and how their media streams went."""
# ruff: noqa: S608 - texts of this file are put together, never a value: those are bound

LINES_MAX = 1000
_LINE = "id, tenant_id, call_id, speaker, at_ms, said"
LINES = f"select {_LINE} from transcripts where call_id = %(id)s order by at_ms, id limit {LINES_MAX}"

# A call of another tenant is invisible here; the foreign key alone would accept it, as it does not ask the policies. How many
# lines there are is asked in the same statement: a transcript never outgrows what is shown of it.
ADD = f"""
insert into transcripts (tenant_id, call_id, speaker, at_ms, said)
select %(tenant_id)s, %(id)s, line.speaker, line.at_ms, line.said
from unnest(%(speakers)s::text[], %(at_ms)s::integer[], %(said)s::text[]) as line (speaker, at_ms, said)
where exists (select from calls where id = %(id)s)
  and (select count(*) from transcripts where call_id = %(id)s) + %(count)s <= {LINES_MAX}
returning {_LINE}"""

_STREAM = """id, tenant_id, call_id, reply, started_at, set_up_ms, frames_received, frames_sent, frames_lost, frames_late,
    jitter_ms, close_code, close_reason"""
STREAMS = f"select {_STREAM} from media_streams where call_id = %(id)s order by id desc limit 20"
SAVE_STREAM = f"""
insert into media_streams (tenant_id, call_id, reply, started_at, set_up_ms, frames_received, frames_sent, frames_lost, frames_late,
    jitter_ms, close_code, close_reason)
select %(tenant_id)s, %(id)s, %(reply)s, %(started_at)s, %(set_up_ms)s, %(frames_received)s, %(frames_sent)s, %(frames_lost)s,
    %(frames_late)s, %(jitter_ms)s, %(close_code)s, %(close_reason)s
where exists (select from calls where id = %(id)s)
returning {_STREAM}"""
