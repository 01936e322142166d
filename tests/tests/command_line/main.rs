//! The command line: each command against a real server, in pipes and with files, cut off and
//! gone on with.

mod bench;
mod closed_pipe;
mod copying;
mod cut_off;
mod failures;
mod files;
mod kvgate;
mod listing;
mod million;
mod one_key;
mod stores;
