//! Puts that are under way to being sent: they can be given a ttl, and are awaited.

use std::future::IntoFuture;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kvgate_proto::v1;

use crate::calls::Calls;
use crate::entry::{PutEntry, duration};
use crate::error::Result;
use crate::status::{after_put_many, unsent};

/// A put of one entry. It is sent when it is awaited.
#[must_use = "it is sent when it is awaited"]
pub struct Put {
    calls: Calls,
    request: Result<v1::PutRequest>,
}

impl Put {
    pub(crate) fn new(calls: Calls, request: Result<v1::PutRequest>) -> Self {
        Self { calls, request }
    }

    /// How long the entry lives; nothing: for ever.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        let ttl = ttl.into().map(duration).transpose();
        self.request = self.request.and_then(|request| Ok(v1::PutRequest { ttl: ttl?, ..request }));
        self
    }
}

impl IntoFuture for Put {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let call = self.calls.unary(self.request?, |to, request| {
                async move { to.key_value().put(request).await }.boxed()
            });
            call.await.map(|_| ())
        }
        .boxed()
    }
}

/// A put of many entries. It is sent when it is awaited.
#[must_use = "it is sent when it is awaited"]
pub struct PutMany {
    calls: Calls,
    request: Result<v1::PutManyRequest>,
}

impl PutMany {
    pub(crate) fn new<E: Into<PutEntry>>(
        calls: Calls,
        store: String,
        collection: String,
        entries: impl IntoIterator<Item = E>,
    ) -> Self {
        let encode = |(index, entry): (u64, E)| entry.into().encode(index);
        let entries: Result<_> = (0..).zip(entries).map(encode).collect();
        let request =
            entries.map(|entries| v1::PutManyRequest { store, collection, entries, ttl: None });
        Self { calls, request }
    }

    /// How long the entries live that have no ttl of their own; nothing: for ever.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        let ttl = ttl.into().map(duration).transpose();
        self.request =
            self.request.and_then(|request| Ok(v1::PutManyRequest { ttl: ttl?, ..request }));
        self
    }
}

impl IntoFuture for PutMany {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let call = self.calls.unary(self.request.map_err(unsent)?, |to, request| {
                async move { to.key_value().put_many(request).await }.boxed()
            });
            call.await.map(|_| ()).map_err(|error| after_put_many(error, 0))
        }
        .boxed()
    }
}
