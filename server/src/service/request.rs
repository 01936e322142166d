//! Checks what callers send before any store sees it.

use std::time::Duration;

use bytes::Bytes;
use kvgate_core::{Entry, Timestamp, Value, ValueProblem};
use kvgate_proto::v1::{ErrorReason, PutEntry};
use tonic::Code;

use super::Service;
use super::caller::Caller;
use super::status::Fault;
use crate::access::Wish;
use crate::config::Operation;
use crate::topology::ServedStore;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// How much of an unknown store's name an error repeats.
const SHOWN_NAME_CHARS_MAX: usize = 100;

/// A store and a collection in it, as a request named them.
pub(super) struct Target<'a> {
    pub(super) served: &'a ServedStore,
    pub(super) collection: &'a str,
}

impl Service {
    /// The store of this name, for a caller who may do this with it.
    pub(super) fn store(
        &self,
        caller: &Caller,
        name: &str,
        wish: Wish<'_>,
    ) -> Result<&ServedStore, Fault> {
        let served = self.find_store(caller, name)?;
        caller.check(&served.name, wish)?;
        Ok(served)
    }

    /// The store of this name. Who may not see it is not told whether there is one.
    fn find_store(&self, caller: &Caller, name: &str) -> Result<&ServedStore, Fault> {
        if let Some(served) = self.topology.find(name) {
            return Ok(served);
        }
        caller.check(name, Wish::See)?;
        // the name comes from the caller: an error is a header, and must stay small
        let name: String = name.chars().take(SHOWN_NAME_CHARS_MAX).collect();
        let message = format!("no store {name:?} is configured; ListStores lists those that are");
        Err(Fault::new(Code::NotFound, ErrorReason::StoreNotFound, message).with("store", name))
    }

    /// The collection of this name, for a caller who may do this in it.
    pub(super) fn target<'a>(
        &'a self,
        caller: &Caller,
        operation: Operation,
        store: &str,
        collection: &'a str,
    ) -> Result<Target<'a>, Fault> {
        let served = self.find_store(caller, store)?;
        let collection =
            if collection.is_empty() { &served.default_collection } else { collection };
        caller.check(&served.name, Wish::In(operation, collection))?;
        let limit = Limit::server("collection_bytes_max", self.limits.collection_bytes_max);
        let own = served.store.limits().collection_bytes_max;
        let own = own.map(|max| Limit::store("collection_bytes_max", max));
        check_name(collection, "collection", [Some(limit), own])?;
        Ok(Target { served, collection })
    }

    pub(super) fn check_key(&self, key: &str, field: impl Fn() -> String) -> Result<(), Fault> {
        if key.is_empty() {
            return Err(Fault::invalid(ErrorReason::InvalidKey, field(), "key is empty"));
        }
        let limit = Limit::server("key_bytes_max", self.limits.key_bytes_max);
        check_name(key, "key", [Some(limit), None]).map_err(|fault| fault.in_field(field()))
    }

    pub(super) fn check_keys(&self, keys: &[String]) -> Result<(), Fault> {
        self.check_count(keys.len(), "keys")?;
        self.check_each_key(keys)
    }

    pub(super) fn check_each_key(&self, keys: &[String]) -> Result<(), Fault> {
        keys.iter()
            .enumerate()
            .try_for_each(|(i, key)| self.check_key(key, || format!("keys[{i}]")))
    }

    pub(super) fn check_count(&self, count: usize, field: &str) -> Result<(), Fault> {
        let max = self.limits.keys_per_call_max;
        if count <= max {
            return Ok(());
        }
        let message = format!(
            "{count} {field} in one call are over the server's limit of {max} \
             (keys_per_call_max): send several calls, or use a streaming call"
        );
        let fault = Fault::invalid(ErrorReason::TooManyKeys, field, message);
        Err(fault.with_limit("keys_per_call_max", max))
    }

    /// The entry that a put stores. `place` says where it stands in the request:
    /// nowhere in particular, or `entries[3].`.
    pub(super) fn entry(
        &self,
        value: &Bytes,
        ttl: Option<&prost_types::Duration>,
        now: Timestamp,
        place: impl Fn() -> String,
    ) -> Result<Entry, Fault> {
        let max = self.limits.value_bytes_max();
        if value.len() > max {
            let size = value.len();
            let message = format!(
                "value of {size} bytes is over the server's limit of {max} bytes (value_bytes_max)"
            );
            let fault =
                Fault::invalid(ErrorReason::ValueTooLarge, format!("{}value", place()), message);
            return Err(fault.with_limit("value_bytes_max", max));
        }
        let value = Value::parse(value, self.limits.json_depth_max).map_err(|problem| {
            let fault = Fault::invalid(
                ErrorReason::InvalidValue,
                format!("{}value", place()),
                problem.to_string(),
            );
            match problem {
                ValueProblem::TooDeep(max) => fault.with_limit("json_depth_max", max),
                _ => fault,
            }
        })?;
        let expires_at = ttl.map(|ttl| expiry(ttl, now, place)).transpose()?;
        Ok(Entry { value, created_at: Some(now), expires_at })
    }

    /// The entries that a put of many stores.
    pub(super) fn entries<'a>(
        &self,
        entries: &'a [PutEntry],
        default_ttl: Option<&prost_types::Duration>,
    ) -> Result<Vec<(&'a str, Entry)>, Fault> {
        self.check_count(entries.len(), "entries")?;
        let now = self.topology.clock.now();
        if let Some(ttl) = default_ttl {
            expiry(ttl, now, String::new)?;
        }
        let check = |(i, entry): (usize, &'a PutEntry)| {
            self.check_key(&entry.key, || format!("entries[{i}].key"))?;
            let ttl = entry.ttl.as_ref().or(default_ttl);
            let checked = self.entry(&entry.value, ttl, now, || format!("entries[{i}]."))?;
            Ok((entry.key.as_str(), checked))
        };
        entries.iter().enumerate().map(check).collect()
    }

    pub(super) fn page_size(&self, asked: i32) -> Result<usize, Fault> {
        match usize::try_from(asked) {
            Err(_) => {
                let message = "page_size is negative; 0 asks for the server's default";
                Err(Fault::invalid(ErrorReason::InvalidPageSize, "page_size", message))
            }
            Ok(0) => Ok(self.limits.page_size_default),
            Ok(size) => Ok(size.min(self.limits.page_size_max)),
        }
    }
}

struct Limit {
    whose: &'static str,
    name: &'static str,
    max: usize,
}

impl Limit {
    fn server(name: &'static str, max: usize) -> Self {
        Self { whose: "server", name, max }
    }

    fn store(name: &'static str, max: usize) -> Self {
        Self { whose: "store", name, max }
    }
}

fn check_name(name: &str, field: &str, limits: [Option<Limit>; 2]) -> Result<(), Fault> {
    let reason = match field {
        "key" => ErrorReason::InvalidKey,
        _ => ErrorReason::InvalidCollection,
    };
    if name.contains('\0') {
        return Err(Fault::invalid(reason, field, format!("{field} contains a NUL character")));
    }
    for Limit { whose, name: limit_name, max } in limits.into_iter().flatten() {
        if name.len() > max {
            let size = name.len();
            let message = format!(
                "{field} of {size} bytes is over the {whose}'s limit of {max} bytes ({limit_name})"
            );
            return Err(Fault::invalid(reason, field, message).with_limit(limit_name, max));
        }
    }
    Ok(())
}

fn expiry(
    ttl: &prost_types::Duration,
    now: Timestamp,
    place: impl Fn() -> String,
) -> Result<Timestamp, Fault> {
    let invalid =
        |message: &str| Fault::invalid(ErrorReason::InvalidTtl, format!("{}ttl", place()), message);
    // not by prost's conversion: it panics at the smallest number of seconds
    let seconds = u64::try_from(ttl.seconds).ok();
    let nanos = u32::try_from(ttl.nanos).ok().filter(|nanos| *nanos < NANOS_PER_SECOND);
    let length = seconds
        .zip(nanos)
        .map(|(seconds, nanos)| Duration::new(seconds, nanos))
        .filter(|length| !length.is_zero())
        .ok_or_else(|| invalid("ttl must be greater than zero; leave it out to store for ever"))?;
    now.checked_add(length)
        .ok_or_else(|| invalid("ttl ends after the year 9999; leave it out to store for ever"))
}
