//! What the cases of all languages don't show: faults, deadlines, tokens, TLS, streams, and
//! what belongs to Rust alone.

mod connection;
mod faults;
mod many;
mod security;
mod streams;
mod stub;
mod traces;
mod values;
