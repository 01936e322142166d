//! The slots of a cluster: every key is in one of them, and each is on one node.

use redis::Value;

use super::connection::Address;

/// How many slots there are.
pub(super) const SLOTS: usize = 16_384;

/// The slot of a stored key.
pub(super) fn of(key: &[u8]) -> usize {
    usize::from(crc16(hashed_part(key))) % SLOTS
}

/// What decides the slot: the whole key, or what stands in its first braces if there
/// is something.
fn hashed_part(key: &[u8]) -> &[u8] {
    let position = |bytes: &[u8], brace| bytes.iter().position(|byte| *byte == brace);
    let Some(open) = position(key, b'{') else {
        return key;
    };
    let inner = &key[open + 1..];
    match position(inner, b'}') {
        None | Some(0) => key,
        Some(length) => &inner[..length],
    }
}

/// CRC-16/XMODEM, as the cluster specification says.
fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x1021;
    bytes.iter().fold(0, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..u8::BITS {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ POLYNOMIAL };
        }
        crc
    })
}

/// Slots that follow one another and are on the same primary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) primary: Address,
}

/// Reads the answer to `CLUSTER SLOTS`: ranges, each with its first slot, its last one,
/// the primary and the replicas. `asked` is the host that a node means which does not
/// know its own.
pub(super) fn read(answer: Value, asked: &str) -> Option<Vec<Range>> {
    let Value::Array(ranges) = answer else {
        return None;
    };
    ranges.into_iter().map(|range| read_range(range, asked)).collect()
}

fn read_range(range: Value, asked: &str) -> Option<Range> {
    let Value::Array(parts) = range else {
        return None;
    };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = parts.as_slice() else {
        return None;
    };
    let [host, Value::Int(port), ..] = primary.as_slice() else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        _ => "",
    };
    let slot = |number: &i64| usize::try_from(*number).ok().filter(|slot| *slot < SLOTS);
    let port = u16::try_from(*port).ok()?;
    Some(Range { first: slot(first)?, last: slot(last)?, primary: address(host, port, asked) })
}

/// The address of a node as another one tells it.
pub(super) fn address(host: &str, port: u16, asked: &str) -> Address {
    let host = if matches!(host, "" | "?") { asked } else { host };
    Address { host: host.to_owned(), port }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the cluster specification, and from `CLUSTER KEYSLOT`.
    #[test]
    fn slots_of_keys() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, slot) in [
            ("", 0),
            ("foo", 12_182),
            ("{user1000}.following", 3_443),
            ("{user1000}.followers", 3_443),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
            ("foo{bar", 15_278),
        ] {
            assert_eq!(of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn answers_of_nodes() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port)]);
        let named = || Value::BulkString(b"10.0.0.1".to_vec());
        let range = |first, last, node| {
            Value::Array(vec![Value::Int(first), Value::Int(last), node, Value::Nil])
        };
        let answer = Value::Array(vec![
            range(0, 1, node(named(), 7000)),
            range(2, 16_383, node(Value::Nil, 7001)),
        ]);
        let address = |host: &str, port| Address { host: host.to_owned(), port };
        assert_eq!(
            read(answer, "asked"),
            Some(vec![
                Range { first: 0, last: 1, primary: address("10.0.0.1", 7000) },
                Range { first: 2, last: 16_383, primary: address("asked", 7001) },
            ])
        );
        assert_eq!(read(Value::Nil, "asked"), None);
        assert_eq!(read(Value::Array(vec![range(0, 16_384, node(named(), 1))]), "asked"), None);
    }
}
