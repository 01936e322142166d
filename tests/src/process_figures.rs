//! What the operating system says about a process.

use std::time::Duration;

use crate::failure::{Failure, Outcome};

/// The memory that a process has resident, in bytes.
pub fn resident_bytes(pid: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes = kibibytes.ok_or_else(|| Failure::new("no VmRSS in /proc/PID/status"))?;
    Ok(kibibytes.trim().parse::<u64>()? * 1024)
}

/// The time that a process has computed, in all its threads.
pub fn cpu_time(pid: u32) -> Outcome<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in brackets, and may itself have spaces.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let mut fields = fields.split_whitespace().skip(11);
    let (Some(user), Some(system)) = (fields.next(), fields.next()) else {
        return Err(Failure::new("no times in /proc/PID/stat"));
    };
    let ticks = user.parse::<u64>()? + system.parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}
