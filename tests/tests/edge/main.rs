//! The edge: who is let in, what they may do, and everything that must fail.

mod certificates;
mod secure;
mod unix_socket;
