//! The edge: who is let in, what they may do, and everything that must fail.

mod attempts;
mod certificates;
mod issuer;
mod jwt;
mod secure;
mod tenants;
mod tokens;
mod unix_socket;
