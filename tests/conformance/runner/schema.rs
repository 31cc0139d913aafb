//! Messages of the contract between bytes and the JSON in which scenarios write them, with the names of the protos.

use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions, prost::Message};
use serde_json::Value;

/// All messages and calls of the contract.
#[derive(Debug, Clone)]
pub(crate) struct Schema(DescriptorPool);

impl Schema {
    /// What the protos say.
    pub(crate) fn read() -> Result<Self, String> {
        let pool = DescriptorPool::decode(rialto_proto::DESCRIPTOR_SET).map_err(|error| error.to_string())?;
        Ok(Self(pool))
    }

    /// What a call takes and gives, by its path: `/rialto.v1.MessagingService/Attach`.
    pub(crate) fn call(&self, path: &str) -> Option<(MessageDescriptor, MessageDescriptor)> {
        let (service, call) = path.trim_start_matches('/').split_once('/')?;
        let service = self.0.get_service_by_name(service)?;
        let call = service.methods().find(|method| method.name() == call)?;
        Some((call.input(), call.output()))
    }
}

/// A message as JSON.
pub(crate) fn told(descriptor: &MessageDescriptor, bytes: Bytes) -> Result<Value, String> {
    let message = DynamicMessage::decode(descriptor.clone(), bytes).map_err(|error| error.to_string())?;
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| error.to_string())
}

/// A message from JSON. `raw`, in hexadecimal digits, is put behind it as it is.
pub(crate) fn written(descriptor: &MessageDescriptor, mut message: Value) -> Result<Bytes, String> {
    let raw = message.as_object_mut().and_then(|message| message.remove("raw"));
    let message =
        DynamicMessage::deserialize(descriptor.clone(), message).map_err(|error| error.to_string())?;
    let mut bytes = message.encode_to_vec();
    if let Some(raw) = raw.as_ref().and_then(Value::as_str) {
        let raw = data_encoding::HEXLOWER.decode(raw.as_bytes()).map_err(|error| error.to_string())?;
        bytes.extend(raw);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_the_same_after_it_was_written_and_read() {
        let schema = Schema::read().unwrap();
        let (_, response) = schema.call("/rialto.v1.MessagingService/Attach").unwrap();
        let message =
            json!({"first_seq": 3, "frames": [{"ref": 1, "accepted": {"event_id": "e", "offset": 7}}]});
        let bytes = written(&response, message.clone()).unwrap();
        assert_eq!(told(&response, bytes).unwrap(), message);
    }

    #[test]
    fn bytes_that_no_proto_knows_can_be_put_behind() {
        let schema = Schema::read().unwrap();
        let (_, response) = schema.call("/rialto.v1.MessagingService/Attach").unwrap();
        let bytes = written(&response, json!({"first_seq": 1, "raw": "fa3e00"})).unwrap();
        assert_eq!(&bytes[..], [8, 1, 0xfa, 0x3e, 0]);
        assert!(written(&response, json!({"first": 1})).is_err());
        assert!(schema.call("/rialto.v1.MessagingService/Nothing").is_none());
    }
}
