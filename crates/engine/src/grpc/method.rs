//! A method, as the `.proto` file describes it: what goes in and comes out, as JSON here and as messages on the wire.
use std::fmt;

use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use super::frame;

#[derive(Clone)]
pub struct Method {
    /// `package.Service/Method`.
    pub name: String,
    pub input: MessageDescriptor,
    output: MessageDescriptor,
    /// The caller sends a list of messages.
    pub takes_many: bool,
    /// The server answers with any number of messages.
    pub gives_many: bool,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Method").field(&self.name).finish()
    }
}

impl Method {
    /// Find a method in an encoded set of files.
    ///
    /// # Errors
    /// There is none of this name, and which there are.
    pub fn find(descriptors: &[u8], name: &str) -> Result<Self, String> {
        let pool = DescriptorPool::decode(descriptors)
            .map_err(|error| format!("descriptors that cannot be read: {error}"))?;
        let (service_name, method_name) = name
            .rsplit_once(['/', '.'])
            .ok_or_else(|| format!("must be package.Service/Method, got {name:?}"))?;
        let Some(service) = pool.get_service_by_name(service_name) else {
            let known: Vec<String> = pool.services().map(|it| it.full_name().into()).collect();
            return Err(format!(
                "there is no service {service_name:?}; the proto has {}",
                listed(&known)
            ));
        };
        let Some(method) = service.methods().find(|it| it.name() == method_name) else {
            let known: Vec<String> = service.methods().map(|it| it.name().into()).collect();
            return Err(format!(
                "{service_name} has no method {method_name:?}; it has {}",
                listed(&known)
            ));
        };
        Ok(Self {
            name: format!("{service_name}/{method_name}"),
            input: method.input(),
            output: method.output(),
            takes_many: method.is_client_streaming(),
            gives_many: method.is_server_streaming(),
        })
    }

    /// Append the body that carries this JSON: a message, or a list of them where the method takes many.
    ///
    /// # Errors
    /// Why it is no such message.
    pub fn encode(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if !self.takes_many {
            let mut reader = serde_json::Deserializer::from_slice(json);
            let message = DynamicMessage::deserialize(self.input.clone(), &mut reader);
            return put(message, out);
        }
        let list: Vec<Value> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        for one in list {
            put(DynamicMessage::deserialize(self.input.clone(), one), out)?;
        }
        Ok(())
    }

    /// Append a message of the answer as JSON: names as in the file, values that are not set with their defaults,
    /// 64-bit numbers as numbers.
    ///
    /// # Errors
    /// The bytes are no such message.
    pub fn decode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let unreadable = |reason: &dyn fmt::Display| {
            format!("a message that is no {}: {reason}", self.output.full_name())
        };
        let message = DynamicMessage::decode(self.output.clone(), message)
            .map_err(|error| unreadable(&error))?;
        let options = SerializeOptions::new()
            .stringify_64_bit_integers(false)
            .use_proto_field_name(true)
            .skip_default_fields(false);
        let mut writer = serde_json::Serializer::new(out);
        message
            .serialize_with_options(&mut writer, &options)
            .map_err(|error| unreadable(&error))
    }

    /// The JSON of the body of a unary answer.
    ///
    /// # Errors
    /// It is not exactly one message.
    pub fn only(&self, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, String> {
        let Some((first, rest)) = frame::split(body) else {
            return Err(format!("OK without a whole message ({} bytes)", body.len()));
        };
        if !rest.is_empty() {
            return Err("more than the one message of a unary call".into());
        }
        let mut json = vec![];
        self.decode(&first.plain(bytes_max)?, &mut json)?;
        Ok(json)
    }
}

fn put(
    message: Result<DynamicMessage, serde_json::Error>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let message = message.map_err(|error| error.to_string())?;
    frame::put(out, |out| {
        message.encode(out).map_err(|error| error.to_string())
    })
}

/// Names for a message to people: a few of them.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        few if few.len() <= 12 => few.join(", "),
        many => format!("{} and {} more", many[..12].join(", "), many.len() - 12),
    }
}
