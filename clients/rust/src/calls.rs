//! Makes calls with what belongs to each: deadline, metadata, and more tries where that is
//! safe.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::{Request, Response, Status, Streaming};

use crate::error::{Error, Result};
use crate::retry::Tries;
use crate::status::from_status;
use crate::token::Token;
use crate::trace;
use crate::transport::{Connection, Transport};

/// What is said of calls.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) attempts_max: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) stream_timeout: Option<Duration>,
    pub(crate) metadata: MetadataMap,
}

/// Makes the calls of a client, or of one of its collections.
#[derive(Clone)]
pub(crate) struct Calls {
    shared: Arc<Shared>,
    options: Arc<Options>,
}

struct Shared {
    transport: Transport,
    token: Token,
}

/// How one call is begun.
type Answering<A> = BoxFuture<'static, Result<Response<A>, Status>>;

impl Calls {
    pub(crate) fn new(transport: Transport, token: Token, options: Options) -> Self {
        Self { shared: Arc::new(Shared { transport, token }), options: Arc::new(options) }
    }

    /// The same calls with another timeout, streams too.
    pub(crate) fn with_timeout(&self, timeout: Option<Duration>) -> Self {
        let mut options = Options::clone(&self.options);
        (options.timeout, options.stream_timeout) = (timeout, timeout);
        Self { shared: Arc::clone(&self.shared), options: Arc::new(options) }
    }

    /// The same calls with more metadata.
    pub(crate) fn with_metadata(&self, name: &str, value: &str) -> Result<Self> {
        let key: MetadataKey<Ascii> = name.parse().map_err(|_| {
            Error::option(format!("metadata can't be named {name:?}: use a-z, 0-9, _, - and ."))
        })?;
        // the parser's error may show the value
        let value: MetadataValue<Ascii> = value.parse().map_err(|_| {
            Error::option(format!("the metadata {name:?} has characters that no header may have"))
        })?;
        let mut options = Options::clone(&self.options);
        options.metadata.append(key, value);
        Ok(Self { shared: Arc::clone(&self.shared), options: Arc::new(options) })
    }

    /// Makes a call that may be repeated.
    pub(crate) async fn unary<Q: Clone, A>(
        &self,
        request: Q,
        call: impl Fn(Connection, Request<Q>) -> Answering<A>,
    ) -> Result<A> {
        let mut tries = Tries::new(self.options.attempts_max, self.options.timeout);
        loop {
            let attempt = async {
                let (connection, request) = self.prepare(request.clone(), &tries).await?;
                call(connection, request).await.map_err(|status| from_status(&status))
            };
            match tries.bound(attempt).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(error) => tries.pause_after(error).await?,
            }
        }
    }

    /// Makes a call that answers with a stream, which is repeated only before its first
    /// answer. Dropping the stream ends the call.
    pub(crate) fn stream<Q, A>(
        &self,
        request: Q,
        call: impl Fn(Connection, Request<Q>) -> Answering<Streaming<A>> + Send + Sync + 'static,
    ) -> BoxStream<'static, Result<A>>
    where
        Q: Clone + Send + Sync + 'static,
        A: Send + 'static,
    {
        let tries = Tries::new(self.options.attempts_max, self.options.stream_timeout);
        let (calls, call, request) = (self.clone(), Arc::new(call), Arc::new(request));
        let begin = Reading { tries, answers: None };
        stream::try_unfold(begin, move |mut reading| {
            let (calls, call, request) = (calls.clone(), Arc::clone(&call), Arc::clone(&request));
            async move {
                let answer = match &mut reading.answers {
                    Some(answers) => reading.tries.bound(next(answers)).await?,
                    None => calls.open(&mut reading, &*request, &*call).await?,
                };
                Ok(answer.map(|answer| (answer, reading)))
            }
        })
        .boxed()
    }

    /// Opens a stream and reads its first answer.
    async fn open<Q: Clone, A>(
        &self,
        reading: &mut Reading<A>,
        request: &Q,
        call: &impl Fn(Connection, Request<Q>) -> Answering<Streaming<A>>,
    ) -> Result<Option<A>> {
        loop {
            let attempt = async {
                let (connection, request) = self.prepare(Q::clone(request), &reading.tries).await?;
                let opened = call(connection, request).await;
                let mut answers = opened.map_err(|status| from_status(&status))?.into_inner();
                Ok((next(&mut answers).await?, answers))
            };
            match reading.tries.bound(attempt).await {
                Ok((first, answers)) => {
                    reading.answers = Some(answers);
                    return Ok(first);
                }
                Err(error) => reading.tries.pause_after(error).await?,
            }
        }
    }

    /// A connection and a request for a call that sends a stream: it is never repeated.
    pub(crate) async fn bulk<Q>(&self, messages: Q) -> Result<(Connection, Request<Q>, Tries)> {
        let tries = Tries::new(1, self.options.stream_timeout);
        let (connection, request) = tries.bound(self.prepare(messages, &tries)).await?;
        Ok((connection, request, tries))
    }

    async fn prepare<Q>(&self, message: Q, tries: &Tries) -> Result<(Connection, Request<Q>)> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.options.metadata.clone();
        trace::inject(request.metadata_mut());
        if let Some(token) = self.shared.token.header().await? {
            request.metadata_mut().insert("authorization", token);
        }
        if let Some(left) = tries.time_left() {
            request.set_timeout(left);
        }
        Ok((self.shared.transport.connection().await?, request))
    }
}

/// A stream that is read, once it is open.
struct Reading<A> {
    tries: Tries,
    answers: Option<Streaming<A>>,
}

async fn next<A>(answers: &mut Streaming<A>) -> Result<Option<A>> {
    answers.message().await.map_err(|status| from_status(&status))
}
