//! The edge: who is let in, what they may do, and everything that must fail.

mod abuse;
mod attempts;
mod browsers;
mod certificates;
mod collector;
mod compression;
mod connections;
mod figures;
mod issuer;
mod jwt;
mod logs;
mod rates;
mod real_collector;
mod secure;
mod tenants;
mod tokens;
mod traces;
mod unix_socket;
