//! What an event of a language model's answer says: OpenAI's chat, completions and responses, Anthropic's messages,
//! Ollama's chat and generate.
use serde_json::Value;

use super::Event;

/// One event, as far as measuring goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Holds some of the answer: text, reasoning, or arguments of a tool. A role alone is nothing.
    pub content: bool,
    /// Tokens so far, where the event tells.
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    /// The answer is complete.
    pub over: bool,
    pub error: Option<String>,
}

pub fn read(event: Event<'_>) -> Said {
    if event.data.trim_ascii() == b"[DONE]" {
        return Said {
            over: true,
            ..Said::default()
        };
    }
    let Ok(value) = serde_json::from_slice::<Value>(event.data) else {
        return Said {
            error: Some("an event that is not JSON".into()),
            ..Said::default()
        };
    };
    let kind = value["type"].as_str().unwrap_or("");
    let mut said = Said {
        content: has_content(&value, kind),
        over: is_over(&value, kind),
        error: error_of(&value),
        ..Said::default()
    };
    // At the top (OpenAI, Anthropic's message_delta), in the message (message_start), in the response.
    for usage in [
        &value["usage"],
        &value["message"]["usage"],
        &value["response"]["usage"],
    ] {
        said.input_tokens = number(usage, &["prompt_tokens", "input_tokens"]).or(said.input_tokens);
        said.output_tokens =
            number(usage, &["completion_tokens", "output_tokens"]).or(said.output_tokens);
    }
    said.input_tokens = number(&value, &["prompt_eval_count"]).or(said.input_tokens);
    said.output_tokens = number(&value, &["eval_count"]).or(said.output_tokens);
    said
}

fn number(value: &Value, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| value[*name].as_u64())
}

fn some_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn has_content(value: &Value, kind: &str) -> bool {
    // Responses: `delta` is the text itself. Messages: an object with the text under one of these.
    let delta = &value["delta"];
    if kind.ends_with(".delta") || kind == "content_block_delta" {
        return some_text(delta)
            || ["text", "thinking", "partial_json"]
                .iter()
                .any(|name| some_text(&delta[*name]));
    }
    let in_choice = |choice: &Value| {
        let delta = &choice["delta"];
        some_text(&choice["text"])
            || ["content", "reasoning_content", "reasoning", "refusal"]
                .iter()
                .any(|name| some_text(&delta[*name]))
            || delta["tool_calls"]
                .as_array()
                .is_some_and(|calls| calls.iter().any(names_or_feeds_a_tool))
    };
    value["choices"]
        .as_array()
        .is_some_and(|choices| choices.iter().any(in_choice))
        || some_text(&value["message"]["content"])
        || some_text(&value["message"]["thinking"])
        || value["response"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
}

fn names_or_feeds_a_tool(call: &Value) -> bool {
    some_text(&call["function"]["name"]) || some_text(&call["function"]["arguments"])
}

fn is_over(value: &Value, kind: &str) -> bool {
    matches!(
        kind,
        "message_stop" | "response.completed" | "response.incomplete"
    ) || value["done"].as_bool() == Some(true)
        || value["choices"].as_array().is_some_and(|choices| {
            choices
                .iter()
                .any(|choice| some_text(&choice["finish_reason"]))
        })
}

/// OpenAI and Anthropic send an object, Ollama a text.
fn error_of(value: &Value) -> Option<String> {
    let error = value.get("error").filter(|error| !error.is_null())?;
    let text = error["message"].as_str().or(error.as_str());
    Some(text.map_or_else(|| error.to_string(), str::to_string))
}
