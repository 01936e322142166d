//! Keeps the servers and the load generator off each other's CPUs.

use crate::Result;

/// Which CPUs the servers have and which the load generator.
pub(crate) struct Cpus {
    server: Vec<usize>,
    load: Vec<usize>,
    /// Why the two are not kept apart, if they aren't.
    shared_because: Option<String>,
}

impl Cpus {
    /// Gives each side half of the CPUs that this process may use, and keeps
    /// the calling thread, with all it starts from now on, to the load
    /// generator's half.
    pub(crate) fn split() -> Self {
        let split = affinity::allowed().and_then(|mut server| {
            let load = server.split_off(server.len() / 2);
            if server.is_empty() {
                return Err("there is only one CPU".into());
            }
            affinity::enter(&load)?;
            Ok(Self { server, load, shared_because: None })
        });
        split.unwrap_or_else(|reason| {
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            let all: Vec<usize> = (0..count).collect();
            Self { server: all.clone(), load: all, shared_because: Some(reason.to_string()) }
        })
    }

    /// Runs `start` on the servers' CPUs: a process that it starts stays there.
    pub(crate) fn on_server_cpus<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        if self.shared_because.is_some() {
            return Ok(start());
        }
        affinity::enter(&self.server)?;
        let started = start();
        affinity::enter(&self.load)?;
        Ok(started)
    }

    pub(crate) fn server_count(&self) -> usize {
        self.server.len()
    }

    pub(crate) fn load_count(&self) -> usize {
        self.load.len()
    }

    /// What was done, for the report.
    pub(crate) fn describe(&self) -> String {
        match &self.shared_because {
            Some(reason) => {
                format!("server and load generator share all CPUs, not pinned: {reason}")
            }
            None => format!(
                "server pinned to CPU {}, load generator to CPU {}",
                listed(&self.server),
                listed(&self.load)
            ),
        }
    }
}

fn listed(cpus: &[usize]) -> String {
    let names: Vec<String> = cpus.iter().map(usize::to_string).collect();
    names.join(",")
}

#[cfg(target_os = "linux")]
mod affinity {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use crate::Result;

    /// The CPUs that this thread may use.
    pub(super) fn allowed() -> Result<Vec<usize>> {
        let allowed = sched_getaffinity(None)
            .map_err(|error| format!("the CPUs to use can't be read: {error}"))?;
        Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
    }

    /// Keeps this thread to `cpus`; what it starts inherits that.
    pub(super) fn enter(cpus: &[usize]) -> Result<()> {
        let mut set = CpuSet::new();
        for &cpu in cpus {
            set.set(cpu);
        }
        sched_setaffinity(None, &set)
            .map_err(|error| format!("pinning to CPUs {cpus:?} failed: {error}").into())
    }
}

#[cfg(not(target_os = "linux"))]
mod affinity {
    use crate::Result;

    pub(super) fn allowed() -> Result<Vec<usize>> {
        Err("pinning is done on Linux only".into())
    }

    pub(super) fn enter(_: &[usize]) -> Result<()> {
        Ok(())
    }
}
