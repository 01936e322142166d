//! What is called how often.

use std::str::FromStr;

/// A call that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Get,
    Put,
    Delete,
    Ttl,
    GetMany,
    PutMany,
}

impl Call {
    const ALL: [Self; 6] =
        [Self::Get, Self::Put, Self::Delete, Self::Ttl, Self::GetMany, Self::PutMany];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Ttl => "ttl",
            Self::GetMany => "get_many",
            Self::PutMany => "put_many",
        }
    }
}

/// Calls and their weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    calls: Vec<(Call, u32)>,
    total: u32,
}

impl Mix {
    /// The sum of the weights.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// The calls, in the order of the mix.
    pub(super) fn calls(&self) -> impl Iterator<Item = Call> {
        self.calls.iter().map(|(call, _)| *call)
    }

    /// The call that a number below the total stands for.
    pub(super) fn pick(&self, mut number: u32) -> Call {
        for (call, weight) in &self.calls {
            if number < *weight {
                return *call;
            }
            number -= weight;
        }
        self.calls[0].0
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = Call::ALL.map(Call::word).join(", ");
        let expected = || format!("expected weights such as get=80,put=20, of {words}");
        let mut calls: Vec<(Call, u32)> = Vec::new();
        for part in text.split(',') {
            let (word, weight) = part.split_once('=').unwrap_or((part, "1"));
            let call = Call::ALL.into_iter().find(|call| call.word() == word.trim());
            let weight = weight.trim().parse::<u16>().ok().filter(|weight| *weight > 0);
            let (Some(call), Some(weight)) = (call, weight) else { return Err(expected()) };
            if calls.iter().any(|(other, _)| *other == call) {
                return Err(format!("{word} is there twice"));
            }
            calls.push((call, weight.into()));
        }
        let total = calls.iter().map(|(_, weight)| weight).sum();
        Ok(Self { calls, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        let mix: Mix = "get=80, put_many=20".parse().expect("a mix");
        assert_eq!(mix.total(), 100);
        assert_eq!(
            (mix.pick(0), mix.pick(79), mix.pick(80)),
            (Call::Get, Call::Get, Call::PutMany)
        );
        assert_eq!("put".parse::<Mix>().expect("a mix").total(), 1);
        for text in ["", "get=0", "get=-1", "got=1", "get=1,get=2", "get=x", "get=1,"] {
            assert!(text.parse::<Mix>().is_err(), "{text}");
        }
    }
}
