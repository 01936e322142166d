//! A cluster: commands go to the nodes that have their keys, to all of them at once.
//!
//! The client library has a cluster of its own. It sends a command again when the
//! answer was lost, which a write must not be; a pipeline of its goes to one node; and
//! what waits in it has no bound.

use std::collections::HashMap;
use std::iter::zip;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::future::{join_all, select_ok, try_join_all};
use futures::{FutureExt, StreamExt, stream};
use kvgate_core::{Error, Kind, Result};
use redis::{Arg, Cmd, Pipeline, ServerErrorKind, Value};

use super::connection::{Access, Address, Dialer};
use super::fault;
use super::listing::{self, Keys};
use super::renewed::{PAUSE, Perishable, Renewed};
use super::servers::{Answers, Links, fixed, unless_refused};
use super::slots::{self, Range, SLOTS};

/// How often a command follows its key to another node. A key moves once; more often
/// only while the nodes don't agree.
const HOPS_MAX: usize = 5;

/// How many nodes are asked at once who has which slots. The first answer counts.
const ASKED_AT_ONCE: usize = 5;

/// The nodes of a cluster, and who of them has what.
pub(super) struct Cluster {
    nodes: Arc<Nodes>,
    map: Renewed<Arc<Map>>,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Address>, dialer: Dialer, connections: NonZeroUsize) -> Self {
        let nodes = Arc::new(Nodes { seeds, dialer, connections, known: Mutex::default() });
        let asked = Arc::clone(&nodes);
        let map = Renewed::new(move || {
            let nodes = Arc::clone(&asked);
            async move { nodes.map().await }
        });
        Self { nodes, map }
    }

    /// Carries out commands, each on the key that is its first argument; those on the
    /// same key in their order. A node that can't be reached is an error for the
    /// commands on its keys alone.
    pub(super) async fn run(&self, commands: Vec<Cmd>, access: Access) -> Result<Answers> {
        let map = self.map.get().await?;
        let on_the_move = || Err(unavailable("the key moves from one node to another".to_owned()));
        let mut answers: Answers = commands.iter().map(|_| on_the_move()).collect();
        let mut left: Vec<Routed> = zip(0.., commands)
            .map(|(index, command)| Routed { index, to: map.target(&command), command })
            .collect();
        for _ in 0..HOPS_MAX {
            let parts = self.split(std::mem::take(&mut left), &mut answers);
            if parts.is_empty() {
                break;
            }
            let running = parts.into_iter().map(|part| part.run(access));
            for (index, outcome) in join_all(running).await.into_iter().flatten() {
                match outcome {
                    Outcome::Answered(answer) => answers[index] = answer,
                    Outcome::Lost(error) => {
                        map.go_stale();
                        answers[index] = Err(error);
                    }
                    Outcome::Redirected(command, to) => {
                        map.go_stale();
                        left.push(Routed { index, to: Some(to), command });
                    }
                }
            }
        }
        Ok(answers)
    }

    /// What each node is to be sent. A command that has nowhere to go is answered.
    fn split(&self, mut routed: Vec<Routed>, answers: &mut Answers) -> Vec<Part> {
        // two that were redirected by different nodes may be on the same key
        routed.sort_unstable_by_key(|routed| routed.index);
        let mut parts: HashMap<Target, Part> = HashMap::new();
        for Routed { index, to, command } in routed {
            let Some(to) = to else {
                answers[index] = Err(unavailable("no node has the key's slot".to_owned()));
                continue;
            };
            let part = parts.entry(to).or_insert_with_key(|to| Part {
                to: to.clone(),
                links: self.nodes.links(&to.node),
                indices: Vec::new(),
                commands: Pipeline::new(),
            });
            part.add(index, command);
        }
        parts.into_values().collect()
    }

    /// All keys that match a pattern, of all primaries at once. One that moves from
    /// node to node meanwhile may be missed, or be there twice.
    pub(super) async fn keys(&self, pattern: &str) -> Result<Keys> {
        let map = self.map.get().await?;
        map.check_complete()?;
        let connecting = map.primaries.iter().map(|(_, links)| links.connection());
        let connections = try_join_all(connecting).await.inspect_err(|_| map.go_stale())?;
        let keys = connections.into_iter().map(|connection| listing::keys(connection, pattern));
        Ok(stream::select_all(keys).boxed())
    }

    /// Whether every slot has a primary and every primary answers.
    pub(super) async fn check(&self) -> Result<()> {
        let map = self.map.get().await?;
        map.check_complete()?;
        let checks = map.primaries.iter().map(|(_, links)| links.check());
        try_join_all(checks).await.inspect_err(|_| map.go_stale()).map(drop)
    }
}

/// A command on its way.
struct Routed {
    /// Its place among the answers.
    index: usize,
    to: Option<Target>,
    command: Cmd,
}

/// Where a command is sent.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Target {
    node: Address,
    /// The key is just moving there: the node must be told that we know.
    asking: bool,
}

/// What one node is sent at once.
struct Part {
    to: Target,
    links: Arc<Links>,
    indices: Vec<usize>,
    commands: Pipeline,
}

/// What became of a command.
enum Outcome {
    Answered(Result<Value>),
    /// The node could not be asked, or did not answer.
    Lost(Error),
    /// The node has the key no longer, and did nothing.
    Redirected(Cmd, Target),
}

impl Part {
    fn add(&mut self, index: usize, command: Cmd) {
        if self.to.asking {
            self.commands.cmd("ASKING");
        }
        self.indices.push(index);
        self.commands.add_command(command);
    }

    async fn run(self, access: Access) -> Vec<(usize, Outcome)> {
        let answers = match self.links.send(&self.commands, access).await {
            Ok(answers) => answers,
            Err(error) => {
                let lost = |index| (index, Outcome::Lost(error.clone()));
                return self.indices.into_iter().map(lost).collect();
            }
        };
        // every other answer is that to ASKING
        let each = if self.to.asking { 2 } else { 1 };
        let answers = zip(self.commands.cmd_iter(), answers).skip(each - 1).step_by(each);
        let outcome = |(command, answer): (&Cmd, Value)| match redirect(&answer, &self.to.node) {
            Some(to) => Outcome::Redirected(command.clone(), to),
            None => Outcome::Answered(unless_refused(answer)),
        };
        zip(self.indices.iter().copied(), answers.map(outcome)).collect()
    }
}

/// Where a node sends us, if it does: `MOVED 3999 10.0.0.2:6379`.
fn redirect(answer: &Value, by: &Address) -> Option<Target> {
    let Value::ServerError(refusal) = answer else {
        return None;
    };
    let asking = match refusal.kind()? {
        ServerErrorKind::Moved => false,
        ServerErrorKind::Ask => true,
        _ => return None,
    };
    let (host, port) = refusal.details()?.split(' ').nth(1)?.rsplit_once(':')?;
    Some(Target { node: slots::address(host, port.parse().ok()?, &by.host), asking })
}

/// The nodes that are known, with the connections to them.
struct Nodes {
    seeds: Vec<Address>,
    dialer: Dialer,
    connections: NonZeroUsize,
    known: Mutex<HashMap<Address, Arc<Links>>>,
}

impl Nodes {
    fn links(&self, node: &Address) -> Arc<Links> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let links = known.entry(node.clone()).or_insert_with(|| {
            Arc::new(Links::new(self.connections, || fixed(&self.dialer, node)))
        });
        Arc::clone(links)
    }

    /// Asks who has which slots.
    async fn map(&self) -> Result<Arc<Map>> {
        let asking = self.some().into_iter().map(|node| {
            let links = self.links(&node);
            async move {
                let mut question = redis::cmd("CLUSTER");
                question.arg("SLOTS");
                let answer = links.connection().await?.ask(question).await?;
                let ranges = slots::read(answer, &node.host);
                match ranges.ok_or_else(|| fault::unexpected("CLUSTER SLOTS"))? {
                    ranges if ranges.is_empty() => {
                        Err(unavailable(format!("the node at {node} is in no cluster")))
                    }
                    ranges => Ok(ranges),
                }
            }
            .boxed()
        });
        let (ranges, _) = select_ok(asking).await?;
        let map = Map::new(&ranges, |node| self.links(node));
        let is_of_use = |node: &Address| {
            self.seeds.contains(node) || map.primaries.iter().any(|(primary, _)| primary == node)
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|node, _| is_of_use(node));
        Ok(Arc::new(map))
    }

    /// Some of the nodes, others each time.
    fn some(&self) -> Vec<Address> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes: Vec<_> = known.keys().chain(&self.seeds).cloned().collect();
        nodes.sort_unstable_by_key(|_| rand::random::<u64>());
        nodes.truncate(ASKED_AT_ONCE);
        nodes
    }
}

/// Which primary has which slots.
struct Map {
    made: Instant,
    is_stale: AtomicBool,
    primaries: Vec<(Address, Arc<Links>)>,
    /// The index of the primary of each slot.
    by_slot: Vec<Option<usize>>,
}

impl Map {
    fn new(ranges: &[Range], links: impl Fn(&Address) -> Arc<Links>) -> Self {
        let mut map = Self {
            made: Instant::now(),
            is_stale: AtomicBool::new(false),
            primaries: Vec::new(),
            by_slot: vec![None; SLOTS],
        };
        for Range { first, last, primary } in ranges {
            let known = map.primaries.iter().position(|(node, _)| node == primary);
            let index = known.unwrap_or_else(|| {
                map.primaries.push((primary.clone(), links(primary)));
                map.primaries.len() - 1
            });
            map.by_slot[*first..=*last].fill(Some(index));
        }
        map
    }

    /// The node that has the key of a command.
    fn target(&self, command: &Cmd) -> Option<Target> {
        let Some(Arg::Simple(key)) = command.args_iter().nth(1) else {
            return None;
        };
        let (node, _) = &self.primaries[self.by_slot[slots::of(key)]?];
        Some(Target { node: node.clone(), asking: false })
    }

    fn check_complete(&self) -> Result<()> {
        if self.by_slot.iter().all(Option::is_some) {
            return Ok(());
        }
        self.go_stale();
        Err(unavailable("some slots of the cluster are on no node".to_owned()))
    }

    fn go_stale(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }
}

impl Perishable for Arc<Map> {
    fn is_over(&self) -> bool {
        // while a node is down every call to it finds the map stale
        self.is_stale.load(Ordering::Relaxed) && self.made.elapsed() >= PAUSE
    }
}

fn unavailable(context: String) -> Error {
    Error::new(Kind::Unavailable, context)
}
