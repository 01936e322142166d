//! Which store the call that runs on this thread is for.
//!
//! The layers see a call's path, not its message: it is the service that learns the store.
//! It notes it here while the layer polls it, on the same thread, and the layer takes it
//! from here after each poll.

use std::cell::Cell;

thread_local! {
    static STORE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Notes the store of the running call, by its place among the stores.
pub(crate) fn note_store(index: usize) {
    STORE.set(Some(index));
}

/// Takes what was noted since it was last taken.
pub(crate) fn noted_store() -> Option<usize> {
    STORE.take()
}
