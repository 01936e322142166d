//! What the tests of kvgate are made of: the server as a process, a thin
//! client, the setups (one a backend) and the cases of the conformance suite.
//!
//! The tests themselves are in `tests/tests`: `conformance` runs every case
//! for every setup, the others are about one thing each.

pub mod admin;
pub mod built;
pub mod case;
pub mod cases;
pub mod certificates;
pub mod client;
pub mod context;
pub mod daemon;
pub mod dynamodb;
pub mod elasticsearch;
pub mod failure;
pub mod folder;
pub mod mount;
pub mod need;
pub mod ports;
pub mod process_figures;
pub mod proxy;
pub mod python;
pub mod raw;
pub mod redis;
pub mod rpc_error;
pub mod running;
pub mod s3;
pub mod secret_service;
pub mod server;
pub mod setups;
pub mod shared;
pub mod vault;
pub mod wait;
pub mod wine;
