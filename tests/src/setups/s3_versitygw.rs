//! versitygw, which keeps objects as files: stricter about names than others.

use super::s3::{FACTS, GET_MANY, settings_of};
use super::{RealBackend, Setup};
use crate::s3::{S3, versitygw};

pub(super) const SETUP: Setup = Setup {
    name: "s3_versitygw",
    settings: settings_of,
    backend: Some(RealBackend {
        about: "versitygw 1.8, which keeps objects as files",
        start: |directory| {
            Box::pin(async move { Ok(Box::new(S3::start(&directory, versitygw).await?) as Box<_>) })
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: Some("s3"),
    facts: FACTS,
};
