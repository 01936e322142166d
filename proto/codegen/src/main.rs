//! Makes `proto/src/gen` from `proto/keyvalue`: `cargo run -p kvgate-codegen`.
//!
//! CI runs it and fails if the result differs from what is committed.

use std::error::Error;
use std::path::Path;

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("codegen lies in proto/")?;
    let out = proto.join("src/gen");
    let files = ["error_reason", "key_value_service", "store_service"]
        .map(|name| format!("keyvalue/v1/{name}.proto"));
    let descriptors = protox::compile(files, [proto, &proto.join("third_party")])?;
    std::fs::write(out.join("keyvalue.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .out_dir(&out)
        // values are handed from the socket to the store without a copy
        .bytes(".")
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        // tonic's transport would be chosen here; clients bring their own channel
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
