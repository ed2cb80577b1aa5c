create index conversations_newest on conversations (tenant_id, created_at desc, id desc);
create index conversations_lead on conversations (lead_id);
create index conversation_turns_of_conversation on conversation_turns (tenant_id, conversation_id, id);
create index conversation_turns_conversation on conversation_turns (conversation_id);
