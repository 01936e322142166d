//! Runs every case for every setup, against a real server.
//!
//! Trials are named `<setup>::<theme>::<case>`, so that
//! `cargo test -p kvgate-tests --test conformance -- memory::` selects a store.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kvgate_tests::case::Case;
use kvgate_tests::cases;
use kvgate_tests::context::Context;
use kvgate_tests::failure::{Failure, Outcome};
use kvgate_tests::running::Running;
use kvgate_tests::setups::{ALL, Setup};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// Cases mostly wait, so more of them than there are cores run at once.
const TEST_THREADS: usize = 8;

/// Far above what any case takes, so that one that hangs fails.
const CASE_PATIENCE: Duration = Duration::from_mins(5);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(TEST_THREADS));
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => panic!("starting the runtime: {error}"),
    };
    let trials = ALL.iter().flat_map(|setup| trials(setup, &runtime)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// All cases for one setup. They share a server that the first one starts and
/// the last one ends.
fn trials(setup: &'static Setup, runtime: &Arc<Runtime>) -> Vec<Trial> {
    let shared = Arc::new(Shared { setup, running: OnceCell::new() });
    let mut trials = Vec::new();
    for (theme, cases) in cases::all() {
        if !setup.facts.runs_theme(theme) {
            continue;
        }
        for case in cases {
            let name = format!("{}::{theme}::{}", setup.name, case.name);
            let collection = format!("{theme}.{}", case.name);
            let (shared, runtime) = (Arc::clone(&shared), Arc::clone(runtime));
            trials.push(Trial::test(name, move || {
                let outcome = runtime.block_on(run(shared, &case, &collection));
                outcome.map_err(|failure| {
                    let place = format!("setup `{}`, collection `{collection}`", setup.name);
                    failure.within(place).to_string().into()
                })
            }));
        }
    }
    trials
}

async fn run(shared: Arc<Shared>, case: &Case, collection: &str) -> Outcome {
    let running = if case.own_server || !shared.setup.facts.shares_server {
        Arc::new(Running::start(shared.setup).await?)
    } else {
        shared.running().await?
    };
    let context = Context::new(shared.setup, running, collection).await?;
    let unmet = case.needs.iter().find(|need| !need.is_met(&context));
    let outcome = async {
        match unmet {
            Some(need) => need.check_opposite(&context).await,
            None => (case.run)(context).await,
        }
    };
    let timed_out = |_| Err(Failure::new(format!("not done after {CASE_PATIENCE:?}")));
    tokio::time::timeout(CASE_PATIENCE, outcome).await.unwrap_or_else(timed_out)
}

/// The server that the cases of one setup share.
struct Shared {
    setup: &'static Setup,
    running: OnceCell<Result<Arc<Running>, String>>,
}

impl Shared {
    async fn running(&self) -> Outcome<Arc<Running>> {
        let start = async || match Running::start(self.setup).await {
            Ok(running) => Ok(Arc::new(running)),
            Err(failure) => Err(failure.to_string()),
        };
        self.running.get_or_init(start).await.clone().map_err(Failure::new)
    }
}
