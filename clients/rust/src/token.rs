//! Bearer tokens: given, read from a file, or asked for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

use crate::error::{Error, Result};
use crate::transport::BoxError;

/// For how long a token that was read from a file is taken to be the one in it.
const FILE_AGE_MAX: Duration = Duration::from_secs(1);

/// Where the token of each call comes from. It has no `Debug`, which could show it.
#[derive(Clone, Default)]
pub(crate) enum Token {
    #[default]
    None,
    Given(MetadataValue<Ascii>),
    File(Arc<TokenFile>),
    Provided(Provider),
}

pub(crate) type Provider =
    Arc<dyn Fn() -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync>;

/// A file that has the token, and is read again when that may have changed.
pub(crate) struct TokenFile {
    path: PathBuf,
    last: Mutex<Option<(Instant, MetadataValue<Ascii>)>>,
}

impl Token {
    pub(crate) fn given(token: &str) -> Result<Self> {
        header(token).map(Self::Given)
    }

    pub(crate) fn file(path: PathBuf) -> Self {
        Self::File(Arc::new(TokenFile { path, last: Mutex::new(None) }))
    }

    /// The header of the next call.
    pub(crate) async fn header(&self) -> Result<Option<MetadataValue<Ascii>>> {
        match self {
            Self::None => Ok(None),
            Self::Given(header) => Ok(Some(header.clone())),
            Self::File(file) => file.header().await.map(Some),
            Self::Provided(provider) => {
                let token = provider().await;
                let token =
                    token.map_err(|error| Error::option(format!("getting a token: {error}")))?;
                header(&token).map(Some)
            }
        }
    }
}

impl TokenFile {
    async fn header(&self) -> Result<MetadataValue<Ascii>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, header)) = last
            && at.elapsed() < FILE_AGE_MAX
        {
            return Ok(header);
        }
        let path = self.path.display();
        let text = tokio::fs::read_to_string(&self.path).await;
        let text = text.map_err(|error| Error::option(format!("reading {path}: {error}")))?;
        let header = header(text.trim())?;
        let last = Some((Instant::now(), header.clone()));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(header)
    }
}

fn header(token: &str) -> Result<MetadataValue<Ascii>> {
    let invalid = || Error::option("the token is empty, or has characters that no token has");
    if token.is_empty() {
        return Err(invalid());
    }
    // the error of the parser is left out: it may show the token
    let mut header: MetadataValue<Ascii> =
        format!("Bearer {token}").parse().map_err(|_| invalid())?;
    header.set_sensitive(true);
    Ok(header)
}
