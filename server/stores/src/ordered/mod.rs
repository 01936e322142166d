//! What the stores share that keep the keys of all collections in one order:
//! compound keys, in the order of their bytes.

mod collections;
mod range;

pub(crate) use collections::{Listing, StoredKeys, range_of, stored_name};
pub(crate) use range::KeyRange;
