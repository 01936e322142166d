//! Entries that were given to a load and are not yet acknowledged: a failure names them.

use std::collections::VecDeque;

use kvgate_client::Error;

/// What entries are called that are not yet acknowledged. They are acknowledged in order.
pub(super) struct Waiting<T> {
    names: VecDeque<T>,
    acknowledged: u64,
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Self {
        Self { names: VecDeque::new(), acknowledged: 0 }
    }

    pub(super) fn push(&mut self, name: T) {
        self.names.push_back(name);
    }

    /// So many entries are stored, counted from the first; answers with the last of those that
    /// were not before.
    pub(super) fn acknowledge(&mut self, stored: u64) -> Option<T> {
        let mut last = None;
        while self.acknowledged < stored {
            self.acknowledged += 1;
            last = self.names.pop_front().or(last);
        }
        last
    }

    /// The entry that is to blame for a failure, if one is.
    pub(super) fn blamed(&self, error: &Error) -> Option<&T> {
        let of_field = error.field().and_then(|field| {
            field.strip_prefix("entries[")?.split_once(']')?.0.parse::<u64>().ok()
        });
        let failures = error.put_many().map(|failure| failure.first_failures.as_slice());
        let first = failures.and_then(<[_]>::first).map(|failed| failed.index);
        let place = of_field.or(first)?.checked_sub(self.acknowledged)?;
        self.names.get(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_in_order() {
        let mut waiting = Waiting::new();
        for name in ["a", "b", "c"] {
            waiting.push(name);
        }
        assert_eq!(waiting.acknowledge(2), Some("b"));
        assert_eq!(waiting.acknowledge(2), None);
        assert_eq!(waiting.names, ["c"]);
    }
}
