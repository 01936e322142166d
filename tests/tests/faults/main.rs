//! What happens when a backend is down, slow, restarted, closed to us or holds what
//! is no entry: every case for every setup that has a backend.
//!
//! Trials are named `<setup>::<case>`.

mod availability;
mod contents;
mod cost;
mod credentials;
mod scene;
mod stuck;
mod under_load;

use std::process::ExitCode;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use kvgate_tests::failure::{Failure, Outcome};
use kvgate_tests::setups::{ALL, RealBackend, Setup};
use kvgate_tests::shared::Kept;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// Each has a server and mostly a backend of its own; more at once only wait for
/// processors.
const TEST_THREADS: usize = 4;

/// A setup with its backend.
#[derive(Clone, Copy)]
struct Real {
    setup: &'static Setup,
    backend: &'static RealBackend,
}

type Run = fn(Real) -> LocalBoxFuture<'static, Outcome>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(TEST_THREADS));
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => panic!("starting the runtime: {error}"),
    };
    let cases: [(&str, Run); 8] = [
        ("down_at_start", |real| Box::pin(availability::down_at_start(real))),
        ("goes_down", |real| Box::pin(availability::goes_down(real))),
        ("frozen", |real| Box::pin(stuck::frozen(real))),
        ("stuck_connection", |real| Box::pin(stuck::stuck_connection(real))),
        ("restarted_under_load", |real| Box::pin(under_load::restarted(real))),
        ("wrong_password", |real| Box::pin(credentials::wrong_password(real))),
        ("foreign_content", |real| Box::pin(contents::foreign(real))),
        ("get_many_cost", |real| Box::pin(cost::get_many(real))),
    ];
    let reals = ALL.iter().filter_map(|setup| {
        let real = Real { setup, backend: setup.backend.as_ref()? };
        Some((real, Arc::new(Kept::new(setup))))
    });
    let reals: Vec<_> = reals.collect();
    let mut trials = Vec::new();
    // case by case, not setup by setup: tests that wait for the turn of one shared backend
    // would hold up all threads
    for (name, run) in cases {
        for (real, kept) in reals.iter().filter(|(real, _)| real.setup.facts.runs_fault(name)) {
            let (real, kept) = (*real, Arc::clone(kept));
            let runtime = Arc::clone(&runtime);
            trials.push(Trial::test(format!("{}::{name}", real.setup.name), move || {
                let outcome = runtime.block_on(async {
                    let _turn = kept.turn().await?;
                    run(real).await
                });
                outcome.map_err(|failure: Failure| failure.to_string().into())
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
