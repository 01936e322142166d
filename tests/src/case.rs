//! A case of the conformance suite.

use futures::future::LocalBoxFuture;

use crate::context::Context;
use crate::failure::Outcome;
use crate::need::Need;

/// One case, run for every setup.
pub struct Case {
    /// Its name within its theme.
    pub name: &'static str,
    /// What it asks of a store. Where the store can't do it, the opposite is
    /// checked in place of the case.
    pub needs: Vec<Need>,
    /// Whether it disturbs others: it then has a server to itself.
    pub own_server: bool,
    /// The case itself.
    pub run: Run,
}

/// The body of a case. Its future stays on the thread of its trial.
pub type Run = Box<dyn Fn(Context) -> LocalBoxFuture<'static, Outcome> + Send + Sync>;

impl Case {
    /// A case for stores that keep what is put.
    pub fn new<F>(name: &'static str, run: impl Fn(Context) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + 'static,
    {
        Self { needs: vec![Need::KeepsEntries], ..Self::any_store(name, run) }
    }

    /// A case that holds for every store.
    pub fn any_store<F>(
        name: &'static str,
        run: impl Fn(Context) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Outcome> + 'static,
    {
        let run: Run = Box::new(move |context| Box::pin(run(context)));
        Self { name, needs: Vec::new(), own_server: false, run }
    }

    /// Asks for something more of the store.
    #[must_use]
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Asks for a server that no other case uses.
    #[must_use]
    pub fn own_server(self) -> Self {
        Self { own_server: true, ..self }
    }
}
