-- An outbox of the same form for Kafka, with positions, attempts and dead letters of its own: neither Kafka nor Valkey waits for the other.
-- It has the runtime's name for it in a schema of its own, which its relay's search_path names.
create schema switchboard_kafka;
create table switchboard_kafka.scaleworthy_outbox (like scaleworthy_outbox including all);
grant usage on schema switchboard_kafka to switchboard_app, switchboard_relay;
grant select, update, delete on switchboard_kafka.scaleworthy_outbox to switchboard_relay;
grant insert on switchboard_kafka.scaleworthy_outbox to switchboard_app;

-- What is written to the one is written to the other, in the same transaction and with the same id, where the session's setting asks for it.
create function switchboard_kafka.copy_event() returns trigger language plpgsql as $$
begin
    insert into switchboard_kafka.scaleworthy_outbox (id, topic, tenant, aggregate, payload, headers, at)
    values (new.id, new.topic, new.tenant, new.aggregate, new.payload, new.headers, new.at);
    return null;
end
$$;
-- For each row: one for each statement would have its rows collected also where nobody asks for Kafka.
create trigger copied_to_kafka after insert on scaleworthy_outbox for each row
    when (current_setting('switchboard.kafka', true) = 'on') execute function switchboard_kafka.copy_event();
