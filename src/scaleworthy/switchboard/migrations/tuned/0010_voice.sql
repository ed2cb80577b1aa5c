create index transcripts_of_call on transcripts (tenant_id, call_id, at_ms, id);
create index transcripts_call on transcripts (call_id);
create index files_of_call on files (tenant_id, call_id, id desc) where call_id is not null;
create index files_call on files (call_id);
create unique index file_parts_of_file on file_parts (tenant_id, file_id, number);
create index file_parts_file on file_parts (file_id);
create index media_streams_of_call on media_streams (tenant_id, call_id, id desc);
create index media_streams_call on media_streams (call_id);
