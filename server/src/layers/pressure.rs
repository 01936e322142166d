//! How many calls may be in flight while more come than can be done.
//!
//! To refuse a call is cheap but not free: at twice the load, refusals take a part of the
//! CPUs, and the calls that are accepted share what is left. As many as before would each
//! take longer. So the bound follows Little's law: it is lowered until an accepted call takes
//! no longer than one did before calls were refused.
//!
//! That is right only where the CPUs are what calls wait for: fewer at the same time are then
//! no fewer in a second. Calls that wait for a backend leave the bound as it is configured.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Load;

/// How often the bound is looked at: some calls of a busy server must end in the meantime.
const WINDOW: Duration = Duration::from_millis(100);

/// The lowest bound, as a part of `concurrent_calls_max`: enough calls to keep the CPUs busy,
/// and no caller is shut out by a wrong guess.
const LOWEST: f64 = 0.25;

/// The part of the CPUs' time that the server has to use before it counts as busy.
const BUSY: f64 = 0.75;

/// How much longer than before a call may take: without it the bound would only fall.
const SLACK: f64 = 1.05;

/// The weight of one window in what calls took before.
const WEIGHT: f64 = 0.1;

/// By how much the bound rises at most in a window in which calls are refused: a window in
/// which few happened to be in flight says little.
const RECOVERY: f64 = 1.02;

/// How many windows of refusals in a row there are from one trial of the whole bound to the
/// next. Without it callers who try again at once would be refused for ever, though there is
/// room for all of them.
const TRIAL_EVERY: usize = 50;

/// How many windows a trial takes: calls of the first were refused before it began.
const TRIAL: usize = 2;

/// What happened between two looks.
struct Window {
    in_flight: usize,
    /// Calls that were accepted and have ended.
    ended: usize,
    refused: usize,
    lasted: Duration,
    /// The time of all CPUs that the server used, of the time that there was.
    used: f64,
}

/// Adapts the bound of the calls in flight.
struct Pressure {
    max: f64,
    bound: f64,
    /// What a call took, in seconds, when none were refused.
    unhurried: Option<f64>,
    /// Windows in a row in which calls were refused.
    refusing: usize,
}

impl Pressure {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn new(max: usize) -> Self {
        let max = max as f64;
        Self { max, bound: max, unhurried: None, refusing: 0 }
    }

    /// The bound for the next window.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to max")]
    fn after(&mut self, window: &Window) -> usize {
        if window.refused == 0 {
            self.learn(window);
            // the bound was not met: whoever comes back after an overload finds all of it
            self.bound = self.max;
            self.refusing = 0;
            return self.max as usize;
        }
        self.refusing += 1;
        if self.refusing % TRIAL_EVERY >= TRIAL_EVERY - TRIAL {
            return self.max as usize;
        }
        let higher = self.bound * RECOVERY;
        self.bound = match self.unhurried {
            Some(unhurried) if window.used >= BUSY => {
                // half way: one window is not to be trusted
                let fitting = window.per_second() * unhurried * SLACK;
                f64::midpoint(self.bound, fitting).min(higher)
            }
            _ => higher,
        };
        self.bound = self.bound.clamp((self.max * LOWEST).max(1.0), self.max);
        self.bound.round() as usize
    }

    /// Learns what a call takes, by Little's law, from a window without refusals.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn learn(&mut self, window: &Window) {
        if window.ended > 0 && window.in_flight > 0 {
            let took = window.in_flight as f64 / window.per_second();
            let before = self.unhurried.unwrap_or(took);
            self.unhurried = Some(before + WEIGHT * (took - before));
        }
    }
}

impl Window {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn per_second(&self) -> f64 {
        self.ended as f64 / self.lasted.as_secs_f64()
    }
}

/// Adapts the bound for as long as the server runs.
pub(crate) async fn adapt(load: Arc<Load>, cpus: usize) {
    let mut pressure = Pressure::new(load.max());
    let (mut from, mut used, mut before) = (Instant::now(), cpu_time(), load.counts());
    loop {
        tokio::time::sleep(WINDOW).await;
        let (now, used_now, counts) = (Instant::now(), cpu_time(), load.counts());
        let lasted = now - from;
        let there_was = lasted.as_secs_f64() * f64::from(u32::try_from(cpus).unwrap_or(u32::MAX));
        let window = Window {
            in_flight: load.in_flight(),
            ended: counts.ended.wrapping_sub(before.ended),
            refused: counts.refused.wrapping_sub(before.refused),
            lasted,
            used: used_now.saturating_sub(used).as_secs_f64() / there_was,
        };
        load.set_bound(pressure.after(&window));
        (from, used, before) = (now, used_now, counts);
    }
}

/// What the process has used of all CPUs.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.try_into().unwrap_or_default()
}

/// Not known: the bound stays as it is configured.
#[cfg(not(unix))]
fn cpu_time() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(in_flight: usize, ended: usize, refused: usize, used: f64) -> Window {
        Window { in_flight, ended, refused, lasted: Duration::from_millis(100), used }
    }

    /// A server that does 1500 calls in a window, or 900 while it refuses as well.
    fn overloaded(used: f64, windows: usize) -> usize {
        let mut pressure = Pressure::new(128);
        for _ in 0..50 {
            assert_eq!(pressure.after(&window(128, 1500, 0, used)), 128);
        }
        let mut bound = 128;
        for _ in 0..windows {
            bound = pressure.after(&window(bound, 900, 2100, used));
        }
        bound
    }

    #[test]
    fn fewer_calls_while_refusals_take_the_cpus() {
        // 128 * 900 / 1500 would take as long as before
        let bound = overloaded(1.0, 50);
        assert!((77..=82).contains(&bound), "{bound}");
    }

    #[test]
    fn no_fewer_where_calls_wait_for_a_backend() {
        assert_eq!(overloaded(0.5, 50), 128);
    }

    #[test]
    fn never_fewer_than_a_quarter() {
        let mut pressure = Pressure::new(128);
        pressure.after(&window(1, 1500, 0, 1.0));
        for _ in 0..50 {
            pressure.after(&window(128, 10, 2100, 1.0));
        }
        assert_eq!(pressure.after(&window(128, 10, 2100, 1.0)), 32);
        let mut one = Pressure::new(1);
        assert_eq!(one.after(&window(1, 10, 10, 1.0)), 1);
    }

    #[test]
    fn all_of_them_again_when_nothing_is_refused() {
        let mut pressure = Pressure::new(128);
        for _ in 0..50 {
            pressure.after(&window(128, 1500, 0, 1.0));
        }
        for _ in 0..50 {
            pressure.after(&window(128, 900, 2100, 1.0));
        }
        assert!(pressure.bound < 100.0, "{}", pressure.bound);
        assert_eq!(pressure.after(&window(40, 1500, 0, 0.6)), 128);
    }

    #[test]
    fn the_whole_bound_is_tried_now_and_then() {
        let mut pressure = Pressure::new(128);
        pressure.after(&window(128, 1500, 0, 1.0));
        let mut bounds = Vec::new();
        for _ in 0..TRIAL_EVERY {
            let bound = bounds.last().copied().unwrap_or(128);
            bounds.push(pressure.after(&window(bound, 900, 2100, 1.0)));
        }
        assert!(bounds[30] < 100, "{bounds:?}");
        assert_eq!(bounds[TRIAL_EVERY - TRIAL - 1..][..TRIAL], [128; TRIAL]);
        assert!(bounds[TRIAL_EVERY - 1] < 100, "{bounds:?}");
    }

    #[test]
    fn an_idle_server_learns_nothing() {
        let mut pressure = Pressure::new(128);
        assert_eq!(pressure.after(&window(0, 0, 0, 0.0)), 128);
        assert_eq!(pressure.unhurried, None);
    }

    #[cfg(unix)]
    #[test]
    fn the_time_of_the_cpus_passes() {
        let begun = cpu_time();
        while cpu_time() == begun {
            std::hint::spin_loop();
        }
    }
}
