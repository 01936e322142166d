//! One object: its stored form, and the requests that read and write it.

use std::collections::HashMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::{Bytes, BytesMut};
use kvgate_core::{Entry, Error, Kind, Result, Timestamp, Value, envelope, is_live};

use super::bucket::{Answer, Bucket, is_missing, is_passing, is_unmet};

/// The most objects that one request deletes.
const DELETES_MAX: usize = 1000;

/// How often a put is sent that others are in the way of.
const PUTS_MAX: usize = 5;

const CONTENT_TYPE: &str = "application/json";

/// The metadata that py-key-value writes too: when the entry was put, and when it ends.
const CREATED_AT: &str = "created-at";
const EXPIRES_AT: &str = "expires-at";

/// The metadata of what stands where an entry has expired and could not be deleted, see
/// `expired.rs`.
const REMOVED: &str = "kvgate-removed";

/// The tag of the same, by which a rule of the bucket can find it.
const REMOVED_TAG: &str = "kvgate=removed";

/// An object that was read.
pub(super) struct Object {
    pub(super) body: Bytes,
    pub(super) head: Head,
}

/// What is to be known of an object without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Changes with the body: another entry with the same one has the same expiry.
    pub(super) etag: Option<String>,
    /// The expiry that stands beside the body.
    pub(super) expires_at: Option<Timestamp>,
    /// Whether it stands where an entry was.
    pub(super) is_removed: bool,
}

impl Head {
    fn new(etag: Option<String>, metadata: Option<&HashMap<String, String>>) -> Self {
        let value = |name: &str| metadata.and_then(|metadata| metadata.get(name));
        Self {
            etag,
            expires_at: value(EXPIRES_AT).and_then(|text| Timestamp::parse(text)),
            is_removed: value(REMOVED).is_some(),
        }
    }

    /// Whether it is that of an entry whose time is over.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        !is_live(self.expires_at, now)
    }
}

/// What an object is made of.
pub(super) struct Body {
    text: Bytes,
    metadata: HashMap<String, String>,
    tag: Option<&'static str>,
}

impl Body {
    /// That of an entry.
    pub(super) fn of_entry(collection: &str, key: &str, entry: &Entry) -> Self {
        let times = [(CREATED_AT, entry.created_at), (EXPIRES_AT, entry.expires_at)];
        let times = times.into_iter().filter_map(|(name, time)| Some((name, time?)));
        Self {
            text: envelope::encode(entry, Some((collection, key))).into(),
            metadata: times.map(|(name, time)| (name.to_owned(), time.to_string())).collect(),
            tag: None,
        }
    }

    /// What takes the place of an entry that has expired: nothing is left of its value, and
    /// readers who don't know of it take it for the expired entry.
    pub(super) fn of_removed(expires_at: Timestamp) -> Self {
        let nothing = Value::from_checked(Bytes::from_static(b"{}"));
        let entry = Entry { value: nothing, created_at: None, expires_at: Some(expires_at) };
        let times = [(EXPIRES_AT, expires_at.to_string()), (REMOVED, "true".to_owned())];
        Self {
            text: envelope::encode(&entry, None).into(),
            metadata: times.into_iter().map(|(name, text)| (name.to_owned(), text)).collect(),
            tag: Some(REMOVED_TAG),
        }
    }

    /// How many bytes the object will have.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Any text.
    pub(super) fn of_text(text: &'static str) -> Self {
        Self { text: Bytes::from_static(text.as_bytes()), metadata: HashMap::new(), tag: None }
    }
}

impl Bucket {
    /// Reads an object; nothing if it is not there.
    pub(super) async fn get(&self, name: &str, bytes_max: usize) -> Result<Option<Object>> {
        let answer = self.attempt(|client| {
            let request = client.get_object().bucket(&self.name).key(name);
            async move {
                let output = request.send().await?;
                // the request is under way until its body is here
                Ok::<_, SdkError<GetObjectError, _>>(self.read(output, bytes_max).await)
            }
        });
        match answer.await? {
            Ok(object) => object.map(Some),
            // not any 404: one of something in front of S3 says nothing about the object
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                Ok(None)
            }
            Err(error) => Err(self.read_failure(&error)),
        }
    }

    async fn read(&self, mut output: GetObjectOutput, bytes_max: usize) -> Result<Object> {
        let length = output.content_length.and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > bytes_max) {
            return Err(over_limit(Kind::Unreadable, bytes_max));
        }
        let mut body = BytesMut::with_capacity(length.unwrap_or_default());
        let reading = async {
            while let Some(part) = output.body.next().await {
                let part = part.map_err(|error| {
                    Error::new(Kind::Unavailable, "the answer of S3 has broken off")
                        .with_source(error)
                })?;
                if body.len() + part.len() > bytes_max {
                    return Err(over_limit(Kind::Unreadable, bytes_max));
                }
                body.extend_from_slice(&part);
            }
            Ok(())
        };
        let patience = self.service.timeout;
        tokio::time::timeout(patience, reading).await.map_err(|_| {
            let context = format!("S3 did not answer within {patience:?}");
            Error::new(Kind::Unavailable, context)
        })??;
        let head = Head::new(output.e_tag, output.metadata.as_ref());
        Ok(Object { body: body.freeze(), head })
    }

    /// What is to be known of an object without its body; nothing if it is not there.
    pub(super) async fn head(&self, name: &str) -> Result<Option<Head>> {
        let answer =
            self.attempt(|client| client.head_object().bucket(&self.name).key(name).send());
        match answer.await? {
            Ok(output) => Ok(Some(Head::new(output.e_tag, output.metadata.as_ref()))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.read_failure(&error)),
        }
    }

    /// Writes an object.
    pub(super) async fn put(&self, name: &str, body: &Body) -> Result<()> {
        let mut attempts = 1..PUTS_MAX;
        loop {
            let answer = self.attempt(|client| self.put_request(&client, name, body).send());
            match answer.await? {
                Ok(_) => return Ok(()),
                Err(error) if is_passing(&error) && attempts.next().is_some() => {}
                Err(error) => return Err(self.failure(&error)),
            }
        }
    }

    /// Writes an object in place of the one that has this `ETag`.
    pub(super) async fn put_if(&self, name: &str, body: &Body, etag: &str) -> Result<Verdict> {
        let answer =
            self.attempt(|client| self.put_request(&client, name, body).if_match(etag).send());
        self.verdict(answer.await?)
    }

    fn put_request(&self, client: &Client, name: &str, body: &Body) -> PutObjectFluentBuilder {
        client
            .put_object()
            .bucket(&self.name)
            .key(name)
            .content_type(CONTENT_TYPE)
            .set_metadata(Some(body.metadata.clone()))
            .set_tagging(body.tag.map(str::to_owned))
            .body(ByteStream::from(body.text.clone()))
    }

    /// Removes an object.
    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        let answer =
            self.attempt(|client| client.delete_object().bucket(&self.name).key(name).send());
        answer.await?.map(drop).map_err(|error| self.failure(&error))
    }

    /// Removes the object if it has this `ETag`.
    pub(super) async fn delete_if(&self, name: &str, etag: &str) -> Result<Verdict> {
        let answer = self.attempt(|client| {
            client.delete_object().bucket(&self.name).key(name).if_match(etag).send()
        });
        self.verdict(answer.await?)
    }

    fn verdict<T, E>(&self, answer: Answer<T, E>) -> Result<Verdict>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        match answer {
            Ok(_) => Ok(Verdict::Done),
            Err(error) if is_unmet(&error) => Ok(Verdict::Unmet),
            Err(error) if error.code() == Some("NotImplemented") => Ok(Verdict::NotTaken),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Removes objects; what was not removed is told by its name.
    pub(super) async fn delete_many(&self, names: Vec<String>) -> HashMap<String, Error> {
        let mut failed = HashMap::new();
        for names in names.chunks(DELETES_MAX) {
            match self.delete_batch(names).await {
                Ok(left) => failed.extend(left),
                Err(error) => failed.extend(names.iter().map(|it| (it.clone(), error.clone()))),
            }
        }
        failed
    }

    async fn delete_batch(&self, names: &[String]) -> Result<HashMap<String, Error>> {
        if let [name] = names {
            return self.delete(name).await.map(|()| HashMap::new());
        }
        let incomplete = |error: BuildError| {
            Error::new(Kind::Internal, "an incomplete request to S3").with_source(error)
        };
        let identify = |name: &String| ObjectIdentifier::builder().key(name).build();
        let objects = names.iter().map(identify).collect::<Result<Vec<_>, _>>();
        let objects = objects.map_err(incomplete)?;
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(incomplete)?;
        let answer = self.attempt(|client| {
            client.delete_objects().bucket(&self.name).delete(delete.clone()).send()
        });
        let answer = answer.await?.map_err(|error| self.failure(&error))?;
        let failed = answer.errors.into_iter().flatten();
        Ok(failed.filter_map(|it| Some((it.key.clone()?, undeleted(&it)))).collect())
    }
}

/// What became of a request with a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was carried out.
    Done,
    /// The condition did not hold.
    Unmet,
    /// The server takes no such condition.
    NotTaken,
}

/// Why one of many objects was not deleted.
fn undeleted(refusal: &aws_sdk_s3::types::Error) -> Error {
    let code = refusal.code().unwrap_or("no code");
    let kind = match code {
        "AccessDenied" => Kind::AccessDenied,
        "InternalError" | "ServiceUnavailable" | "SlowDown" => Kind::Unavailable,
        _ => Kind::Internal,
    };
    let message = refusal.message().unwrap_or("it does not say why");
    Error::new(kind, format!("S3 did not delete an object: {code}: {message}")).may_have_happened()
}

/// An object that is larger than the settings allow is neither written nor read.
pub(super) fn over_limit(kind: Kind, bytes_max: usize) -> Error {
    let context =
        format!("the object has more than the {bytes_max} bytes of the limit object_bytes_max");
    Error::new(kind, context).with_limit("object_bytes_max", bytes_max as u64)
}
