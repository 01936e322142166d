//! Python writes and the server reads, and the other way round: every case for
//! every setup whose entries py-key-value-aio shares.
//!
//! Trials are named `<setup>::<theme>::<case>`. They need the virtual
//! environment that `tests/run` makes.

mod both_open;
mod expiry;
mod names;
mod pair;
mod refused;
mod unreadable;
mod values;

use std::process::ExitCode;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use kvgate_tests::failure::Outcome;
use kvgate_tests::setups::{ALL, Setup};
use kvgate_tests::shared::Kept;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

type Run = fn(&'static Setup) -> LocalBoxFuture<'static, Outcome>;

/// Boxes the cases of one theme, which all take the setup.
macro_rules! cases {
    ($theme:ident: $($case:ident),+ $(,)?) => {
        [$((
            concat!(stringify!($theme), "::", stringify!($case)),
            (|setup| Box::pin($theme::$case(setup))) as Run,
        )),+]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => panic!("starting the runtime: {error}"),
    };
    let mut cases: Vec<(&str, Run)> = Vec::new();
    cases.extend(cases!(values: from_python, from_server, large, replaced, deleted, many));
    cases.extend(cases!(expiry: from_python, from_server, ends, removed_by_a_put));
    cases.extend(cases!(names: from_python, from_server));
    cases.extend(cases!(both_open: python_first, both_write, many_processes));
    cases.extend(cases!(unreadable: nan, nan_in_a_large_value));
    cases.extend(cases!(refused: large_text));
    let mut trials = Vec::new();
    for setup in ALL.iter().filter(|setup| setup.python.is_some()) {
        let kept = Arc::new(Kept::new(setup));
        for (name, run) in &cases {
            if *name == "both_open::many_processes" && !setup.facts.rewritten_at_once {
                continue;
            }
            if *name == "refused::large_text" && setup.facts.python_text_bytes_max == usize::MAX {
                continue;
            }
            let (run, runtime, kept) = (*run, Arc::clone(&runtime), Arc::clone(&kept));
            trials.push(Trial::test(format!("{}::{name}", setup.name), move || {
                let outcome = runtime.block_on(async {
                    kept.keep().await?;
                    run(setup).await
                });
                outcome.map_err(|failure| failure.to_string().into())
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
