//! `MinIO`; and what the other setup of S3 has in common.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use async_trait::async_trait;
use kvgate_proto::v1::Stability;
use serde_json::{Value, json};

use super::{Backend, Facts, GetManyCost, Place, RealBackend, Setup};
use crate::failure::Outcome;
use crate::s3::{ACCESS_KEY_ID, BUCKET, REGION, S3, SECRET_ACCESS_KEY, minio, settings};

pub(super) const SETUP: Setup = Setup {
    name: "s3",
    settings: settings_of,
    backend: Some(RealBackend {
        about: "MinIO of February 2026, one server with one drive",
        start: |directory| {
            Box::pin(async move { Ok(Box::new(S3::start(&directory, minio).await?) as Box<_>) })
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: Some("s3"),
    facts: FACTS,
};

/// The suite asks much of it at once.
pub(super) fn settings_of(place: &Place) -> String {
    format!("type = \"s3\"\ntimeout = \"20s\"\n{}", place.backend_settings())
}

/// One for each key: S3 has no request for many.
pub(super) const GET_MANY: GetManyCost = GetManyCost { round_trips: Some(1000), commands: None };

pub(super) const FACTS: Facts = Facts {
    // a request for each entry: more of them are in `end_to_end/s3_bucket.rs`
    entries_many: 150,
    ..Facts::of("s3", Stability::Unstable)
};

#[async_trait]
impl Backend for S3 {
    fn settings(&self) -> String {
        settings(self.address, SECRET_ACCESS_KEY)
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        Some(settings(proxy, SECRET_ACCESS_KEY))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        let wrong = "hunter2-hunter2";
        Some((settings(self.address, wrong), wrong))
    }

    fn python(&self) -> Value {
        json!({
            "endpoint_url": format!("http://{}", self.address),
            "bucket_name": BUCKET,
            "region_name": REGION,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": SECRET_ACCESS_KEY,
        })
    }

    async fn stop(&self) -> Outcome {
        self.daemon.stop().await
    }

    async fn start(&self) -> Outcome {
        self.daemon.restart().await
    }

    fn freeze(&self) -> Outcome {
        self.daemon.freeze()
    }

    fn thaw(&self) -> Outcome {
        self.daemon.thaw()
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let request = self.client.put_object().bucket(BUCKET).key(format!("{collection}/{key}"));
        request.body(b"no envelope".to_vec().into()).send().await?;
        Ok(())
    }

    /// Every object with its metadata.
    async fn contents(&self) -> Outcome<String> {
        let mut lines = BTreeMap::new();
        let mut pages = self.client.list_objects_v2().bucket(BUCKET).into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            for name in page.contents().iter().filter_map(|object| object.key()) {
                let request = self.client.get_object().bucket(BUCKET).key(name);
                let object = request.send().await?;
                let mut line = object.content_type().unwrap_or_default().to_owned();
                let metadata: BTreeMap<_, _> = object.metadata().into_iter().flatten().collect();
                for (name, value) in metadata {
                    write!(line, " {name}={value}")?;
                }
                let body = object.body.collect().await?.into_bytes();
                write!(line, " {}", std::str::from_utf8(&body)?)?;
                lines.insert(name.to_owned(), line);
            }
        }
        let lines: Vec<_> = lines.iter().map(|(name, line)| format!("{name}: {line}")).collect();
        Ok(lines.join("\n"))
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}
