//! What a case asks of a store, and what must hold where the store can't.

use std::fmt::Debug;

use tonic::Code;

use crate::client::{Answer, found};
use crate::context::Context;
use crate::failure::{Outcome, expect_equal};
use crate::rpc_error::refused;

/// What a case asks of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// What is put is there afterwards.
    KeepsEntries,
    /// `ListKeys` and `ScanEntries`.
    ListKeys,
    /// `ListCollections`.
    ListCollections,
    /// `DeleteCollection`.
    DeleteCollection,
    /// `DestroyStore`.
    Destroy,
    /// `Cull`.
    Cull,
}

impl Need {
    /// Whether the store can do it.
    pub fn is_met(self, context: &Context) -> bool {
        let capabilities = &context.capabilities;
        match self {
            Self::KeepsEntries => context.setup.facts.keeps_entries,
            Self::ListKeys => capabilities.list_keys,
            Self::ListCollections => capabilities.list_collections,
            Self::DeleteCollection => capabilities.delete_collection,
            Self::Destroy => capabilities.destroy,
            Self::Cull => capabilities.cull,
        }
    }

    /// Checks what must hold for a store that can't.
    pub async fn check_opposite(self, context: &Context) -> Outcome {
        let (here, client, store) = (&context.here, &context.client, context.store());
        match self {
            Self::KeepsEntries => keeps_nothing(context).await,
            Self::ListKeys => {
                unsupported(context, "ListKeys", here.list_keys("", 0, "").await)?;
                unsupported(context, "ScanEntries", here.scan_messages("").await)
            }
            Self::ListCollections => {
                let answer = client.list_collections(store, "", 0, "").await;
                unsupported(context, "ListCollections", answer)
            }
            Self::DeleteCollection => {
                unsupported(context, "DeleteCollection", here.delete_collection().await)
            }
            Self::Destroy => {
                unsupported(context, "DestroyStore", client.destroy_store(store).await)
            }
            Self::Cull => unsupported(context, "Cull", client.cull(store).await),
        }
    }
}

fn unsupported<T: Debug>(context: &Context, call: &str, answer: Answer<T>) -> Outcome {
    let error = refused(answer, call, Code::Unimplemented, "OPERATION_NOT_SUPPORTED")?;
    error.expect_metadata("store", context.store())
}

/// A store that keeps nothing takes every entry and never has one.
async fn keeps_nothing(context: &Context) -> Outcome {
    let here = &context.here;
    here.put("a", "{}").await?;
    here.put_many(vec![crate::client::entry("b", "{}")]).await?;
    expect_equal(here.describe("Get", &"a"), here.get("a").await?, None)?;
    let nothing = vec![("a".to_owned(), None), ("b".to_owned(), None)];
    let call = here.describe("GetMany", &["a", "b"]);
    expect_equal(call, found(here.get_many(&["a", "b"]).await?)?, nothing)?;
    expect_equal(here.describe("Ttl", &"a"), here.ttl("a").await?.entry, None)?;
    expect_equal(here.describe("Delete", &"a"), here.delete("a").await?, false)?;
    if context.capabilities.list_keys {
        let nothing: Vec<String> = Vec::new();
        expect_equal(here.describe("ListKeys", &""), here.keys("", 0).await?, nothing)?;
        expect_equal(here.describe("ScanEntries", &""), here.scan("").await?, Vec::new())?;
    }
    expect_equal("the capability `retains`", context.capabilities.retains, false)
}
