//! The messages of `keyvalue.v1` as the load generator sees them.
//!
//! The same bytes as the generated messages, but names are `Bytes` that point
//! into what was received: the load generator must cost less than what it
//! measures, and a `String` a name is its largest cost. Fields that nothing
//! looks at are left out; protobuf skips them.

use bytes::Bytes;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) store: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) collection: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) key: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) entry: Option<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) store: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) collection: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PutResponse {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamGetManyRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) store: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) collection: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub(crate) keys: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamGetManyResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) results: Vec<GetResult>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetResult {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(crate) entry: Option<Entry>,
}

#[cfg(test)]
mod tests {
    use kvgate_proto::v1;

    use super::*;

    #[test]
    fn a_request_is_what_the_generated_message_reads() {
        let request = PutRequest {
            store: "s".into(),
            collection: "c".into(),
            key: "k".into(),
            value: "{}".into(),
        };
        let read = v1::PutRequest::decode(request.encode_to_vec().as_slice()).unwrap();
        assert_eq!((read.store.as_str(), read.collection.as_str()), ("s", "c"));
        assert_eq!((read.key.as_str(), &read.value[..]), ("k", &b"{}"[..]));

        let request = StreamGetManyRequest {
            store: "s".into(),
            collection: "c".into(),
            keys: vec!["a".into(), "b".into()],
        };
        let read = v1::StreamGetManyRequest::decode(request.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read.keys, ["a", "b"]);
    }

    #[test]
    fn an_answer_is_what_the_generated_message_writes() {
        let entry = v1::Entry {
            key: "k".to_owned(),
            value: "{}".into(),
            created_at: Some(prost_types::Timestamp::default()),
            expires_at: None,
        };
        let result = v1::GetResult {
            key: "k".to_owned(),
            outcome: Some(v1::get_result::Outcome::Entry(entry)),
        };
        let sent = v1::StreamGetManyResponse { results: vec![result] }.encode_to_vec();
        let read = StreamGetManyResponse::decode(sent.as_slice()).unwrap();
        let entry = Entry { key: "k".into(), value: "{}".into() };
        assert_eq!(read.results, [GetResult { key: "k".into(), entry: Some(entry) }]);
    }
}
