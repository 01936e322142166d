//! The limits: a bound on everything that a caller decides.

use schemars::JsonSchema;
use serde::Deserialize;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a message needs beside the value by default: names, times, and room for
/// fields that are not thought of yet.
const AROUND_VALUE: usize = 64 * KIB;

/// What it needs at the least: a collection and a key of the default limits, and
/// what gRPC adds.
const AROUND_VALUE_MIN: usize = 16 * KIB;

/// Limits on what callers may ask for. Each has an error that names it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// The longest key. Backends have limits of their own that are met less
    /// clearly: in the middle of a write, with an error of theirs.
    #[schemars(range(min = 1, max = 65536))]
    pub(crate) key_bytes_max: usize,
    /// The longest name of a collection; bounded for the same reason as
    /// `key_bytes_max`.
    #[schemars(range(min = 1, max = 65536))]
    pub(crate) collection_bytes_max: usize,
    /// The largest value: by default 64 KiB less than `message_bytes_max`, so that
    /// each value that can be put also fits the answer to a get.
    #[schemars(range(min = 1, max = 2_147_467_263_u32))]
    value_bytes_max: Option<usize>,
    /// How deep a value may be nested. Parsers of many languages are recursive: a
    /// value of brackets alone would take a reader's stack.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) json_depth_max: usize,
    /// The most keys of one unary call, which holds all their entries in memory at
    /// the same time. Streams have no such limit.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) keys_per_call_max: usize,
    /// How many names a page of a list has if the caller does not say.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) page_size_default: usize,
    /// The most names of a page; a caller that asks for more gets this many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) page_size_max: usize,
    /// The largest message, in and out. It is read as a whole before anything can
    /// be checked, so it bounds the memory of a call. 4 MiB is what gRPC clients
    /// take unless they are told otherwise.
    #[schemars(range(min = 131_072, max = 2_147_483_647))]
    pub(crate) message_bytes_max: usize,
    /// The most calls that are worked on at the same time. Beyond it calls are
    /// refused at once, which a caller can act on, rather than all being slow; and while
    /// refusing keeps the CPUs busy fewer are accepted, down to a quarter, so that those
    /// take no longer than before. Health checks are answered all the same.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) concurrent_calls_max: usize,
    /// The most open connections: each holds buffers and a file descriptor.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) connections_max: usize,
    /// The most calls at the same time on one connection, so that one client
    /// can't take all of `concurrent_calls_max`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) streams_per_connection_max: u32,
    /// The largest headers of a call: they are kept in memory for each call, and
    /// are read before the caller is known.
    #[schemars(range(min = 4096, max = 1_048_576))]
    pub(crate) header_bytes_max: u32,
    /// The most calls that one caller may make in a second, in the long run; a stream is
    /// one call, a health check none. So one caller can't take what is there for all.
    /// Without authentication all callers are one. No limit if it is not set.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) calls_per_second_max: Option<u32>,
    /// How many calls a caller that was quiet may make at once; as many as in a second
    /// if it is not set.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) calls_burst_max: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 4096,
            collection_bytes_max: 4096,
            value_bytes_max: None,
            json_depth_max: 128,
            keys_per_call_max: 10_000,
            page_size_default: 1000,
            page_size_max: 10_000,
            message_bytes_max: 4 * MIB,
            concurrent_calls_max: 10_000,
            connections_max: 10_000,
            streams_per_connection_max: 1000,
            header_bytes_max: 16 * 1024,
            calls_per_second_max: None,
            calls_burst_max: None,
        }
    }
}

impl Limits {
    /// The largest value.
    pub(crate) fn value_bytes_max(&self) -> usize {
        self.value_bytes_max.unwrap_or(self.message_bytes_max.saturating_sub(AROUND_VALUE))
    }

    /// What does not fit: the fields that a message is about, the one to blame
    /// first, and the message.
    pub(super) fn check(&self) -> Vec<(Vec<&'static str>, String)> {
        let mut problems: Vec<_> = self
            .bounds()
            .into_iter()
            .filter(|bound| !(bound.min..=bound.max).contains(&bound.value))
            .map(|Bound { field, min, max, .. }| {
                let message = format!("outside of its range, which is {min} to {max}");
                (vec![field], message)
            })
            .collect();
        if problems.is_empty() {
            problems.extend(self.check_each_other());
        }
        problems
    }

    fn check_each_other(&self) -> Vec<(Vec<&'static str>, String)> {
        let mut problems = Vec::new();
        if self.page_size_default > self.page_size_max {
            let message = format!(
                "page_size_default ({}) must not be more than page_size_max ({})",
                self.page_size_default, self.page_size_max
            );
            problems.push((vec!["page_size_default", "page_size_max"], message));
        }
        if self.calls_burst_max.is_some() && self.calls_per_second_max.is_none() {
            let message = "needs calls_per_second_max, at which a burst ends".to_owned();
            problems.push((vec!["calls_burst_max"], message));
        }
        let (value, message) = (self.value_bytes_max(), self.message_bytes_max);
        // longer names than the default need more room
        let names = self.key_bytes_max + self.collection_bytes_max;
        let around = AROUND_VALUE_MIN.max(names + 8 * KIB);
        if value + around > message {
            let text = format!(
                "value_bytes_max ({value}) must be at least {around} less than \
                 message_bytes_max ({message}), which holds the names too"
            );
            let fields = vec![
                "value_bytes_max",
                "message_bytes_max",
                "key_bytes_max",
                "collection_bytes_max",
            ];
            problems.push((fields, text));
        }
        problems
    }

    fn bounds(&self) -> [Bound; 14] {
        let bound = |field, value, min, max| Bound { field, value, min, max };
        [
            bound("key_bytes_max", self.key_bytes_max, 1, 64 * KIB),
            bound("collection_bytes_max", self.collection_bytes_max, 1, 64 * KIB),
            bound(
                "value_bytes_max",
                // if it is not set, the range of message_bytes_max is its range
                self.value_bytes_max.unwrap_or(1),
                1,
                MESSAGE_MAX - AROUND_VALUE_MIN,
            ),
            bound("json_depth_max", self.json_depth_max, 1, 1000),
            bound("keys_per_call_max", self.keys_per_call_max, 1, MANY),
            bound("page_size_default", self.page_size_default, 1, MANY),
            bound("page_size_max", self.page_size_max, 1, MANY),
            bound("message_bytes_max", self.message_bytes_max, 128 * KIB, MESSAGE_MAX),
            bound("concurrent_calls_max", self.concurrent_calls_max, 1, MANY),
            bound("connections_max", self.connections_max, 1, MANY),
            bound("streams_per_connection_max", self.streams_per_connection_max as usize, 1, MANY),
            bound("header_bytes_max", self.header_bytes_max as usize, 4 * KIB, MIB),
            // what is not set is within its range
            bound("calls_per_second_max", self.calls_per_second_max.unwrap_or(1) as usize, 1, MANY),
            bound("calls_burst_max", self.calls_burst_max.unwrap_or(1) as usize, 1, MANY),
        ]
    }
}

/// More than anybody needs, and little enough that nothing overflows.
const MANY: usize = 1_000_000;

/// gRPC libraries of several languages count a message's bytes in 31 bits.
const MESSAGE_MAX: usize = 2_147_483_647;

struct Bound {
    field: &'static str,
    value: usize,
    min: usize,
    max: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        let limits = Limits::default();
        assert_eq!(limits.check(), []);
        assert_eq!(limits.value_bytes_max(), 4 * MIB - 64 * KIB);
    }

    /// The bounds stand twice: attributes can't be read at run time.
    #[test]
    fn the_schema_has_the_same_bounds() {
        let schema = schemars::schema_for!(Limits).to_value();
        let properties = schema["properties"].as_object().expect("properties");
        let bounds = Limits::default().bounds();
        assert_eq!(properties.len(), bounds.len());
        for bound in bounds {
            let property = &properties[bound.field];
            assert_eq!(property["minimum"].as_u64(), Some(bound.min as u64), "{}", bound.field);
            assert_eq!(property["maximum"].as_u64(), Some(bound.max as u64), "{}", bound.field);
        }
    }

    #[test]
    fn what_does_not_fit() {
        let check = |limits: &Limits| {
            let problems = limits.check();
            problems.into_iter().map(|(fields, _)| fields[0]).collect::<Vec<_>>()
        };
        let mut limits =
            Limits { value_bytes_max: Some(4 * MIB - 16 * KIB + 1), ..Limits::default() };
        assert_eq!(check(&limits), ["value_bytes_max"]);
        limits.value_bytes_max = Some(4 * MIB - 16 * KIB);
        assert_eq!(check(&limits), [""; 0]);
        limits.key_bytes_max = 8 * KIB;
        assert_eq!(check(&limits), ["value_bytes_max"]);

        let limits = Limits { calls_burst_max: Some(2), ..Limits::default() };
        assert_eq!(check(&limits), ["calls_burst_max"]);
        let limits = Limits { page_size_max: 999, ..Limits::default() };
        assert_eq!(check(&limits), ["page_size_default"]);
        let limits = Limits {
            message_bytes_max: 1,
            key_bytes_max: 0,
            json_depth_max: 1001,
            ..Limits::default()
        };
        let fields = ["key_bytes_max", "json_depth_max", "message_bytes_max"];
        assert_eq!(check(&limits), fields);
    }
}
