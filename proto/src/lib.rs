//! The `keyvalue.v1` gRPC API of kvgate: messages, client and server.
//!
//! Everything in [`v1`] is made from `proto/keyvalue/v1/*.proto` by
//! `cargo run -p kvgate-codegen`.

/// Package `keyvalue.v1`.
#[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated code")]
#[rustfmt::skip]
pub mod v1 {
    include!("gen/keyvalue.v1.rs");
}

/// The API as an encoded `google.protobuf.FileDescriptorSet`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/keyvalue.v1.bin");

/// The domain of every `google.rpc.ErrorInfo` that kvgate sends.
pub const ERROR_DOMAIN: &str = "kvgate.dev";

impl v1::ErrorReason {
    /// The reason as `google.rpc.ErrorInfo` carries it.
    pub fn as_reason(self) -> &'static str {
        self.as_str_name().trim_start_matches("ERROR_REASON_")
    }
}
