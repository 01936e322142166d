//! The bound on calls of each caller in a second.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use kvgate_proto::v1::ErrorReason;
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::is_health_check;
use crate::config::Limits;
use crate::service::Known;
use crate::service::status::Fault;

/// Callers that are told apart. Those beyond it share a bucket until others have been
/// quiet: names can come from tokens, of which there may be any number.
const CALLERS_MAX: usize = 100_000;

/// How many calls each caller may make: a bucket of `burst` calls that fills with
/// `per_second` calls a second.
///
/// A bucket is one number, the moment at which it is full again (the generic cell rate
/// algorithm): it needs no lock and nobody who fills it.
pub(crate) struct Rate {
    per_second: u32,
    /// What a call takes from a bucket, and what fits in it, in nanoseconds of filling.
    call_ns: u64,
    bucket_ns: u64,
    begun: Instant,
    full_at: RwLock<HashMap<String, Arc<AtomicU64>>>,
}

impl Rate {
    /// Nothing if the limits have no rate.
    pub(crate) fn new(limits: &Limits) -> Option<Self> {
        let per_second = limits.calls_per_second_max?;
        let burst = limits.calls_burst_max.unwrap_or(per_second);
        let call_ns = 1_000_000_000 / u64::from(per_second.max(1));
        Some(Self {
            per_second,
            call_ns,
            bucket_ns: call_ns * u64::from(burst.max(1)),
            begun: Instant::now(),
            full_at: RwLock::default(),
        })
    }

    /// Takes a call from a caller's bucket, or says when there is one again.
    fn take(&self, caller: &str) -> Result<(), Duration> {
        let now = self.now_ns();
        let bucket = self.bucket(caller, now);
        let taken = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let full_at = full_at.max(now) + self.call_ns;
            (full_at <= now + self.bucket_ns).then_some(full_at)
        });
        let wait = |full_at: u64| (full_at + self.call_ns).saturating_sub(now + self.bucket_ns);
        taken.map(|_| ()).map_err(|full_at| Duration::from_nanos(wait(full_at)))
    }

    fn bucket(&self, caller: &str, now: u64) -> Arc<AtomicU64> {
        let buckets = self.full_at.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(caller) {
            return Arc::clone(bucket);
        }
        drop(buckets);
        let mut buckets = self.full_at.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS_MAX {
            // a full bucket is as good as a new one
            buckets.retain(|_, full_at| full_at.load(Ordering::Relaxed) > now);
        }
        let name = if buckets.len() < CALLERS_MAX { caller } else { "" };
        Arc::clone(buckets.entry(name.to_owned()).or_default())
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
    }

    fn too_fast(&self, wait: Duration) -> Fault {
        let max = self.per_second;
        let message = format!(
            "the caller makes more than {max} calls a second, its limit (calls_per_second_max): \
             call again after the time in RetryInfo"
        );
        Fault::new(Code::ResourceExhausted, ErrorReason::TooManyCallsPerSecond, message)
            .with_limit("calls_per_second_max", max as usize)
            .retry_after(wait)
    }
}

#[derive(Clone)]
pub(super) struct RateLayer(Option<Arc<Rate>>);

impl RateLayer {
    /// Without a rate every call passes.
    pub(super) fn new(rate: Option<&Arc<Rate>>) -> Self {
        Self(rate.cloned())
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { inner, rate: self.0.clone() }
    }
}

/// Refuses the calls of callers that call too often.
#[derive(Clone)]
pub(crate) struct RateLimit<S> {
    inner: S,
    rate: Option<Arc<Rate>>,
}

impl<S, R, B> Service<Request<R>> for RateLimit<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = RateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        if let Some(rate) = self.rate.as_ref().filter(|_| !is_health_check(&request)) {
            let known = request.extensions().get::<Known>();
            // without authentication all callers are one
            let caller = known.map_or("", |known| known.identity.principal.as_str());
            if let Err(wait) = rate.take(caller) {
                return RateFuture::Refused { rate: Arc::clone(rate), wait };
            }
        }
        RateFuture::Calling { call: self.inner.call(request) }
    }
}

pin_project! {
    #[project = RateFutureProjection]
    pub(crate) enum RateFuture<F> {
        Calling { #[pin] call: F },
        Refused { rate: Arc<Rate>, wait: Duration },
    }
}

impl<F, B> Future for RateFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            RateFutureProjection::Calling { call } => call.poll(cx),
            RateFutureProjection::Refused { rate, wait } => {
                Poll::Ready(Ok(Status::from(rate.too_fast(*wait)).into_http()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_a_bucket() {
        let mut limits = Limits::default();
        (limits.calls_per_second_max, limits.calls_burst_max) = (Some(1), Some(3));
        let rate = Rate::new(&limits).expect("a rate");
        for _ in 0..3 {
            assert_eq!(rate.take("a"), Ok(()));
        }
        let wait = rate.take("a").expect_err("the fourth within a second");
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(rate.take("b"), Ok(()));
    }

    #[test]
    fn without_a_limit_there_is_no_rate() {
        assert!(Rate::new(&Limits::default()).is_none());
    }
}
