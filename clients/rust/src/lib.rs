//! The Rust client of kvgate, one gRPC door to many key-value stores.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use serde::{Deserialize, Serialize};
//! #[derive(Serialize, Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! # async fn example() -> kvgate_client::Result<()> {
//! let client = kvgate_client::Client::new("http://localhost:50051")?;
//! let sessions = client.collection("sessions");
//! let ada = User { name: "Ada".to_owned() };
//! sessions.put("user-7", &ada).ttl(Duration::from_secs(3600)).await?;
//! let found: Option<User> = sessions.get("user-7").await?; // None: missing is no error
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] is made once, is cheap to clone, and is shared by all tasks;
//!   [`ClientBuilder`] has its options.
//! - [`Collection`] has the calls. Values are whatever serde reads and writes, or
//!   [`RawJson`], which comes and goes letter for letter.
//! - [`Error`] says what failed, by [`ErrorKind`], reason, field and metadata.
//!
//! Calls that may be repeated are tried again if the server or a store's backend can't be
//! reached; see [`ClientBuilder::attempts_max`]. Dropping a future or a stream ends its
//! call. Dropping the last clone of a client closes its connections once the calls under
//! way have ended.

mod address;
mod builder;
mod calls;
mod client;
mod collection;
mod description;
mod entry;
mod error;
mod load;
mod put;
mod retry;
mod status;
mod tls;
mod token;
mod trace;
mod transport;
mod value;

pub use builder::{
    ATTEMPTS_MAX, CONNECT_TIMEOUT, ClientBuilder, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT,
    MESSAGE_BYTES_MAX, TIMEOUT,
};
pub use client::Client;
pub use collection::{Collection, Page};
pub use description::{Health, Store};
pub use entry::{Entry, KeyResult, PutEntry, Ttl};
pub use error::{Error, ErrorKind, FailedEntry, PutManyFailure, Result};
pub use kvgate_proto::v1::{Capabilities, Limits, Stability};
pub use load::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, BATCHES_WAITING_MAX, StreamPutMany};
pub use put::{Put, PutMany};
pub use tls::Tls;
pub use tonic::Code;
pub use transport::{BoxError, GrpcService};
pub use value::{IntoValue, RawJson};
