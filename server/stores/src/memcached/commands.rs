//! The commands of memcached's text protocol that the store needs. Many are sent in a
//! row, and their answers come in the same order.

use std::future::Future;

use bytes::Bytes;
use kvgate_core::{Removed, envelope};

use super::item::Item;
use super::reader::{Fault, Reader, Source, unexpected};

/// How many names one `get` asks for. Servers take more, but serve nobody else on the
/// same thread meanwhile.
const NAMES_PER_GET_MAX: usize = 1_000;

/// Commands that are sent in a row, with an answer for each name.
pub(super) trait Batch: Sync {
    /// The answer for one name.
    type Answer: Send;

    /// Whether nothing is changed by it, so that it may be sent twice.
    const READS: bool;

    /// How many answers it has.
    fn len(&self) -> usize;

    /// The commands, each with what belongs to it.
    fn commands(&self) -> impl Iterator<Item = String> + Send;

    /// Reads the answers. After an error the connection must not be used again, and
    /// `answers` has those that came before it.
    fn read<R: Source>(
        &self,
        from: &mut Reader<R>,
        answers: &mut Vec<Result<Self::Answer, Fault>>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Reads items.
pub(super) struct Get<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) item_bytes_max: usize,
}

impl Batch for Get<'_> {
    type Answer = Option<Bytes>;
    const READS: bool = true;

    fn len(&self) -> usize {
        self.names.len()
    }

    fn commands(&self) -> impl Iterator<Item = String> + Send {
        let get = |names: &[&str]| format!("get {}\r\n", names.join(" "));
        self.names.chunks(NAMES_PER_GET_MAX).map(get)
    }

    async fn read<R: Source>(
        &self,
        from: &mut Reader<R>,
        answers: &mut Vec<Result<Option<Bytes>, Fault>>,
    ) -> Result<(), Fault> {
        for mut names in self.names.chunks(NAMES_PER_GET_MAX) {
            // items come in the order of their names; those between them are not there
            while let Some(header) = Header::parse(from.line().await?)? {
                let place = names.iter().position(|name| name.as_bytes() == header.name);
                let place = place.ok_or(Fault::Nonsense("an item that was not asked for"))?;
                let bytes = header.bytes;
                let value = from.value(bytes, self.item_bytes_max).await?;
                answers.extend(names[..place].iter().map(|_| Ok(None)));
                answers.push(value.map(Some).ok_or(Fault::Oversized));
                names = &names[place + 1..];
            }
            answers.extend(names.iter().map(|_| Ok(None)));
        }
        Ok(())
    }
}

/// Stores items.
pub(super) struct Set<'a> {
    pub(super) items: Vec<&'a Item>,
}

impl Batch for Set<'_> {
    type Answer = ();
    const READS: bool = false;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn commands(&self) -> impl Iterator<Item = String> + Send {
        self.items.iter().map(|Item { name, exptime, value }| {
            format!("set {name} 0 {exptime} {}\r\n{value}\r\n", value.len())
        })
    }

    async fn read<R: Source>(
        &self,
        from: &mut Reader<R>,
        answers: &mut Vec<Result<(), Fault>>,
    ) -> Result<(), Fault> {
        for _ in &self.items {
            answers.push(match from.line().await? {
                b"STORED" => Ok(()),
                b"SERVER_ERROR object too large for cache" => Err(Fault::TooLarge),
                // while it makes room for the item, or while it reads a large one
                b"SERVER_ERROR out of memory storing object"
                | b"SERVER_ERROR Out of memory during read" => Err(Fault::Full),
                other => return Err(unexpected(other)),
            });
        }
        Ok(())
    }
}

/// Removes items. Each is read first: whether an entry was there for the caller
/// depends on the time in its envelope, which memcached does not know.
pub(super) struct Delete<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) item_bytes_max: usize,
}

impl Batch for Delete<'_> {
    type Answer = Option<Removed>;
    const READS: bool = false;

    fn len(&self) -> usize {
        self.names.len()
    }

    fn commands(&self) -> impl Iterator<Item = String> + Send {
        self.names.iter().map(|name| format!("get {name}\r\ndelete {name}\r\n"))
    }

    async fn read<R: Source>(
        &self,
        from: &mut Reader<R>,
        answers: &mut Vec<Result<Option<Removed>, Fault>>,
    ) -> Result<(), Fault> {
        for name in &self.names {
            let get = Get { names: vec![name], item_bytes_max: self.item_bytes_max };
            let mut held = Vec::new();
            get.read(from, &mut held).await?;
            // of what is no entry no time is known
            let held = held.pop().and_then(Result::ok).flatten();
            let decoded = held.and_then(|value| envelope::decode(&value).ok());
            let expires_at = decoded.and_then(|decoded| decoded.entry.expires_at);
            answers.push(match from.line().await? {
                b"DELETED" => Ok(Some(Removed { expires_at })),
                b"NOT_FOUND" => Ok(None),
                other => return Err(unexpected(other)),
            });
        }
        Ok(())
    }
}

/// Asks whether the server answers, and lets us in.
pub(super) struct Version;

impl Batch for Version {
    type Answer = ();
    const READS: bool = true;

    fn len(&self) -> usize {
        1
    }

    fn commands(&self) -> impl Iterator<Item = String> + Send {
        std::iter::once("version\r\n".to_owned())
    }

    async fn read<R: Source>(
        &self,
        from: &mut Reader<R>,
        answers: &mut Vec<Result<(), Fault>>,
    ) -> Result<(), Fault> {
        match from.line().await? {
            line if line.starts_with(b"VERSION ") => answers.push(Ok(())),
            other => return Err(unexpected(other)),
        }
        Ok(())
    }
}

/// Shows who we are. A server that asks for no password would store it as an item.
pub(super) struct LogIn<'a> {
    pub(super) username: &'a str,
    pub(super) password: &'a str,
}

impl Batch for LogIn<'_> {
    type Answer = ();
    const READS: bool = false;

    fn len(&self) -> usize {
        1
    }

    fn commands(&self) -> impl Iterator<Item = String> + Send {
        let Self { username, password } = self;
        let bytes = username.len() + 1 + password.len();
        let command = format!("set auth 0 0 {bytes}\r\n{username} {password}\r\n");
        std::iter::once(command)
    }

    async fn read<R: Source>(
        &self,
        from: &mut Reader<R>,
        answers: &mut Vec<Result<(), Fault>>,
    ) -> Result<(), Fault> {
        match from.line().await? {
            b"STORED" => answers.push(Ok(())),
            line if line.starts_with(b"CLIENT_ERROR ") => return Err(Fault::Denied),
            other => return Err(unexpected(other)),
        }
        Ok(())
    }
}

/// `VALUE <name> <flags> <bytes>`
struct Header<'a> {
    name: &'a [u8],
    bytes: usize,
}

impl<'a> Header<'a> {
    /// What stands before an item; nothing at the end of all of them.
    fn parse(line: &'a [u8]) -> Result<Option<Self>, Fault> {
        let mut words = line.split(|byte| *byte == b' ');
        match (words.next(), words.next(), words.next(), words.next(), words.next()) {
            (Some(b"END"), None, ..) => Ok(None),
            (Some(b"VALUE"), Some(name), Some(_flags), Some(bytes), None) => {
                let bytes = std::str::from_utf8(bytes).ok().and_then(|bytes| bytes.parse().ok());
                let bytes = bytes.ok_or(Fault::Nonsense("an item of no known length"))?;
                Ok(Some(Self { name, bytes }))
            }
            _ => Err(unexpected(line)),
        }
    }
}
