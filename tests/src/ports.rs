//! Ports for backends, which must have the same one again after a restart.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::failure::{Failure, Outcome};

/// Below those that the kernel hands out, so that no client's connection takes a
/// port while its backend is stopped.
const PORTS: Range<u16> = 10_000..32_000;

/// A port on loopback that nobody listens on.
pub fn free() -> Outcome<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // test processes at the same time begin at different places
    let first = std::process::id().wrapping_mul(97) % u32::from(PORTS.end - PORTS.start);
    for _ in PORTS {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (first + step) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Failure::new(format!("no port from {} to {} is free", PORTS.start, PORTS.end)))
}
