//! Which host an item is on: ketama, so that every client that knows it agrees, and a
//! host more or less moves only the items of its share.

use std::fmt::Display;

use md5::{Digest, Md5};

/// Digests a host, each of which gives four points.
const DIGESTS_PER_HOST: usize = 40;

/// The hosts' points on a circle, in order. An item is on the host of the first point
/// from its own on.
pub(super) struct Ring {
    points: Vec<(u32, usize)>,
}

impl Ring {
    /// A circle of hosts, by their addresses as `host:port`.
    pub(super) fn new(addresses: impl IntoIterator<Item = impl Display>) -> Self {
        let mut points = Vec::new();
        for (host, address) in addresses.into_iter().enumerate() {
            for number in 0..DIGESTS_PER_HOST {
                let digest = Md5::digest(format!("{address}-{number}"));
                points.extend(four_points(digest.into()).map(|point| (point, host)));
            }
        }
        points.sort_unstable();
        Self { points }
    }

    /// The number of the host that an item of this name is on.
    pub(super) fn host_of(&self, name: &str) -> usize {
        let [point, ..] = four_points(Md5::digest(name).into());
        let next = self.points.partition_point(|(other, _)| *other < point);
        let (_, host) = self.points[next % self.points.len()];
        host
    }
}

fn four_points(digest: [u8; 16]) -> [u32; 4] {
    let (points, _) = digest.as_chunks();
    [0, 1, 2, 3].map(|index| u32::from_le_bytes(points[index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: [&str; 4] =
        ["10.0.1.1:11211", "10.0.1.2:11211", "10.0.1.3:11211", "10.0.1.4:11211"];

    /// Told by the ketama ring of `uhashring` 2.5, a package of Python.
    #[test]
    fn agrees_with_other_clients() {
        let ring = Ring::new(ADDRESSES);
        for (name, number) in [
            ("a", 3),
            ("key", 4),
            ("default_collection::key", 2),
            ("letters::plain", 2),
            ("é::ü", 4),
            ("sessions::42", 3),
            ("test", 3),
            ("foo", 2),
            ("bar", 4),
            (&"k".repeat(250), 1),
        ] {
            assert_eq!(ring.host_of(name) + 1, number, "{name}");
        }
        let mut counts = [0; 4];
        for number in 0..10_000 {
            counts[ring.host_of(&format!("c::{number}"))] += 1;
        }
        assert_eq!(counts, [2609, 2077, 2508, 2806]);
    }

    #[test]
    fn a_host_less_moves_its_own_items_alone() {
        let (four, three) = (Ring::new(ADDRESSES), Ring::new(&ADDRESSES[..3]));
        for number in 0..1_000 {
            let name = format!("c::{number}");
            let host = four.host_of(&name);
            assert!(host == 3 || host == three.host_of(&name), "{name}");
        }
    }
}
