//! What is wrong with a call, told before the run: all of it at once.
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::Method;
use super::method::listed;

/// What is wrong with a call of `method` that sends `message` (JSON that may hold templates) and reads its answer as a
/// stream or as one message; each as `field: reason`.
pub fn problems(descriptors: &[u8], method: &str, message: &str, streams: bool) -> Vec<String> {
    let message: Value = match serde_json::from_str(message) {
        Ok(message) => message,
        Err(error) => return vec![format!("message: {error}")],
    };
    let method = match Method::find(descriptors, method) {
        Ok(method) => method,
        Err(reason) => return vec![format!("grpc: {reason}")],
    };
    let mut problems = vec![];
    if method.gives_many && !streams {
        problems.push(format!(
            "stream: {} answers with a stream of messages; say stream: true",
            method.name
        ));
    }
    if streams && !method.gives_many {
        problems.push(format!(
            "stream: {} answers with one message; leave it out",
            method.name
        ));
    }
    match (method.takes_many, &message) {
        (true, Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                check_message(
                    &method.input,
                    item,
                    &format!("message[{at}]"),
                    &mut problems,
                );
            }
        }
        (true, _) => problems.push(format!(
            "message: {} takes a stream of messages: give a list",
            method.name
        )),
        (false, one) => check_message(&method.input, one, "message", &mut problems),
    }
    problems
}

fn check_message(kind: &MessageDescriptor, value: &Value, path: &str, problems: &mut Vec<String>) {
    if kind.full_name().starts_with("google.protobuf.") {
        // These have forms of their own, such as a text for a time.
        if !has_template(value) {
            let read = DynamicMessage::deserialize(kind.clone(), value.clone());
            note(read, path, problems);
        }
        return;
    }
    let Value::Object(members) = value else {
        if !has_template(value) {
            let name = kind.full_name();
            problems.push(format!("{path}: must be a mapping ({name}), got {value}"));
        }
        return;
    };
    for (name, value) in members {
        let path = format!("{path}.{name}");
        let field = kind.get_field_by_name(name);
        match field.or_else(|| kind.get_field_by_json_name(name)) {
            Some(field) => check_field(&field, value, &path, problems),
            None => {
                let known: Vec<String> = kind.fields().map(|it| it.name().into()).collect();
                problems.push(format!(
                    "{path}: {} has no such field; it has {}",
                    kind.full_name(),
                    listed(&known)
                ));
            }
        }
    }
}

fn check_field(field: &FieldDescriptor, value: &Value, path: &str, problems: &mut Vec<String>) {
    if let (Kind::Message(inner), false) = (field.kind(), field.is_map()) {
        return match value {
            Value::Null => {}
            Value::Array(items) if field.is_list() => {
                for (at, item) in items.iter().enumerate() {
                    check_message(&inner, item, &format!("{path}[{at}]"), problems);
                }
            }
            _ if field.is_list() && !has_template(value) => {
                problems.push(format!("{path}: must be a list, got {value}"));
            }
            _ if field.is_list() => {}
            one => check_message(&inner, one, path, problems),
        };
    }
    if !has_template(value) {
        let mut alone = Map::new();
        alone.insert(field.name().into(), value.clone());
        let message = field.parent_message().clone();
        note(
            DynamicMessage::deserialize(message, json!(alone)),
            path,
            problems,
        );
    }
}

fn note(read: Result<DynamicMessage, serde_json::Error>, path: &str, problems: &mut Vec<String>) {
    if let Err(error) = read {
        problems.push(format!("{path}: {error}"));
    }
}

/// Does a template stand in it, so that only the run knows its value?
fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(has_template),
        Value::Object(members) => members.values().any(has_template),
        _ => false,
    }
}
