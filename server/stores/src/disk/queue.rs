//! Group commit: the changes of all callers go through one queue, and what waits
//! there while a transaction is written goes into the next one together.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvgate_core::{Error, Kind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::batch::BatchWriter;
use super::change::{Answer, Change};

/// The most changes and bytes of one transaction: a longer one would keep other
/// processes, and those who wait for its end, waiting for longer.
const TRANSACTION_CHANGES_MAX: usize = 1000;
const TRANSACTION_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most bytes that wait in the queue. Who finds it full waits for room.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The queue before the one connection that writes.
#[derive(Clone)]
pub(super) struct WriteQueue(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    room: Arc<Semaphore>,
    writer: Mutex<BatchWriter>,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<Request>,
    /// Whether somebody writes, and will look into the queue again.
    draining: bool,
}

/// Changes of one caller that are committed together.
struct Request {
    changes: Vec<Change>,
    bytes: usize,
    answer: oneshot::Sender<Vec<Answer>>,
    _room: OwnedSemaphorePermit,
}

impl WriteQueue {
    pub(super) fn new(writer: BatchWriter) -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::default(),
            room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            writer: Mutex::new(writer),
        }))
    }

    /// Does the changes in order and answers each. A caller that goes away does
    /// not undo what is in the queue already.
    pub(super) async fn run(&self, changes: Vec<Change>) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(changes.len());
        let mut waiting = Vec::new();
        for (changes, bytes) in split(changes) {
            waiting.push(self.enqueue(changes, bytes).await?);
        }
        for answer in waiting {
            answers.extend(answer.await.map_err(|_| lost())?);
        }
        Ok(answers)
    }

    async fn enqueue(
        &self,
        changes: Vec<Change>,
        bytes: usize,
    ) -> Result<oneshot::Receiver<Vec<Answer>>> {
        // one change may be larger than the queue: then it waits until it is alone
        let permits = u32::try_from(bytes.min(QUEUE_BYTES_MAX)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0.room).acquire_many_owned(permits);
        let room = room
            .await
            .map_err(|e| Error::new(Kind::Internal, "the queue is closed").with_source(e))?;
        let (answer, answered) = oneshot::channel();
        let mut queue = self.0.queue();
        queue.requests.push_back(Request { changes, bytes, answer, _room: room });
        if !queue.draining {
            queue.draining = true;
            let drain = Drain { shared: Arc::clone(&self.0), is_done: false };
            tokio::task::spawn_blocking(move || drain.run());
        }
        Ok(answered)
    }

    /// How many transactions were committed.
    #[cfg(test)]
    pub(super) fn commits(&self) -> u64 {
        let writer = self.0.writer.lock();
        writer.unwrap_or_else(PoisonError::into_inner).commits
    }
}

/// Parts that fit into one transaction each, and their bytes.
fn split(changes: Vec<Change>) -> Vec<(Vec<Change>, usize)> {
    let mut parts: Vec<(Vec<Change>, usize)> = Vec::new();
    for change in changes {
        let bytes = change.bytes();
        match parts.last_mut() {
            Some((part, sum)) if fits(part.len() + 1, *sum + bytes) => {
                part.push(change);
                *sum += bytes;
            }
            _ => parts.push((vec![change], bytes)),
        }
    }
    parts
}

fn fits(changes: usize, bytes: usize) -> bool {
    changes <= TRANSACTION_CHANGES_MAX && bytes <= TRANSACTION_BYTES_MAX
}

fn lost() -> Error {
    Error::new(Kind::Internal, "the writer ended without an answer").may_have_happened()
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // each change of the queue is one call: a panic can't leave it half done
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests of the next transaction; none: nobody drains any more.
    fn next_batch(&self) -> Vec<Request> {
        let mut queue = self.queue();
        let (mut changes, mut bytes) = (0, 0);
        let mut batch = Vec::new();
        while let Some(request) = queue.requests.front() {
            changes += request.changes.len();
            bytes += request.bytes;
            if !batch.is_empty() && !fits(changes, bytes) {
                break;
            }
            batch.extend(queue.requests.pop_front());
        }
        queue.draining = !batch.is_empty();
        batch
    }
}

/// The work of whoever found nobody writing.
struct Drain {
    shared: Arc<Shared>,
    is_done: bool,
}

impl Drain {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut writer = shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let batch = shared.next_batch();
            if batch.is_empty() {
                // from here on somebody else may drain
                self.is_done = true;
                return;
            }
            let changes: Vec<&Change> = batch.iter().flat_map(|one| &one.changes).collect();
            let mut answers = writer.run(&changes).into_iter();
            for request in batch {
                let of_request = answers.by_ref().take(request.changes.len()).collect();
                // a caller that has gone away wants no answer
                request.answer.send(of_request).ok();
            }
        }
    }
}

/// If the runtime drops the work before it begins, or the work panics, nobody else
/// would ever look into the queue: those who wait in it are told so.
impl Drop for Drain {
    fn drop(&mut self) {
        if !self.is_done {
            let mut queue = self.shared.queue();
            queue.draining = false;
            queue.requests.clear();
        }
    }
}
