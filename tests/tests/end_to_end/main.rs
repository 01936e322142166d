//! The server as a whole: real data, a million entries, slow and vanishing
//! callers, stopping, and everything that can be wrong around it.

mod bulk_load;
mod configuration;
mod corrupt;
mod credential_manager;
mod directories;
mod elasticsearch;
mod full_disk;
mod graceful_stop;
mod health;
mod keyring;
mod keyutils;
mod limits;
mod locked;
mod memory_bound;
mod million;
mod mongodb_indexes;
mod redis_moves;
mod reflection;
mod registry;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod s3_bucket;
mod scarce;
mod slow_callers;
mod table;
mod vault;
mod vault_listing;
mod vault_logins;
mod wrappers;
