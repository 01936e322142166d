//! Page tokens that the server did not give, or gave for something else.

use std::fmt::Debug;

use crate::case::Case;
use crate::client::{Answer, entry};
use crate::context::Context;
use crate::failure::{Outcome, expect};
use crate::need::Need;
use crate::rpc_error::refused_field;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::any_store("damaged_token_of_keys", invented).needs(Need::ListKeys),
        Case::any_store("damaged_token_of_collections", invented_of_collections)
            .needs(Need::ListCollections),
        Case::new("token_of_another_request", foreign).needs(Need::ListKeys),
        Case::new("changed_token", changed).needs(Need::ListKeys),
        Case::new("token_of_another_kind", other_kind)
            .needs(Need::ListKeys)
            .needs(Need::ListCollections),
        Case::new("token_with_another_page_size", another_size).needs(Need::ListKeys),
    ]
}

const INVENTED: &[&str] = &["x", "0", "AAAA", "null", "{}", "é", "%", "../..", "a b", "=", "\n"];

fn expect_bad_token<T: Debug>(answer: Answer<T>, call: &str) -> Outcome {
    refused_field(answer, call, "INVALID_PAGE_TOKEN", "page_token").map(|_| ())
}

async fn invented(context: Context) -> Outcome {
    let long = "A".repeat(10_000);
    for token in INVENTED.iter().copied().chain([long.as_str()]) {
        let answer = context.here.list_keys("", 10, token).await;
        expect_bad_token(answer, &context.here.describe("ListKeys", &token))?;
    }
    Ok(())
}

async fn invented_of_collections(context: Context) -> Outcome {
    for token in INVENTED {
        let answer = context.client.list_collections(context.store(), "", 10, token).await;
        expect_bad_token(answer, &format!("ListCollections with the token {token:?}"))?;
    }
    Ok(())
}

/// A token that leads to the second page of keys that begin with `k`.
async fn token(context: &Context) -> Outcome<String> {
    let here = &context.here;
    here.put_many((0..10).map(|n| entry(format!("k{n}"), "{}")).collect()).await?;
    let token = here.list_keys("k", 3, "").await?.next_page_token;
    expect(!token.is_empty(), here.describe("ListKeys", &"the first page of four has no token"))?;
    Ok(token)
}

async fn foreign(context: Context) -> Outcome {
    let token = token(&context).await?;
    let here = &context.here;
    let there = here.beside("another");
    there.put("k", "{}").await?;
    let answer = here.list_keys("", 3, &token).await;
    expect_bad_token(answer, &here.describe("ListKeys", &"with another prefix"))?;
    let answer = there.list_keys("k", 3, &token).await;
    expect_bad_token(answer, &there.describe("ListKeys", &"with a token of another collection"))?;
    // The same place by its other name is the same request or a bad token, but
    // never a wrong page.
    let answer = context.client.collection("", &here.collection).list_keys("k", 9, &token).await;
    if let Ok(page) = answer {
        return expect(page.keys.len() == 7, format!("the second page has {:?}", page.keys));
    }
    expect_bad_token(answer, "ListKeys with a token of the store's other name")
}

async fn changed(context: Context) -> Outcome {
    let token = token(&context).await?;
    let here = &context.here;
    let letters: Vec<char> = token.chars().collect();
    for index in 0..letters.len() {
        let mut letters = letters.clone();
        letters[index] = if letters[index] == 'A' { 'B' } else { 'A' };
        let changed: String = letters.iter().collect();
        let answer = here.list_keys("k", 3, &changed).await;
        let call = format!("the token {token:?} changed at {index} to {changed:?}");
        expect_bad_token(answer, &here.describe("ListKeys", &call))?;
        let cut: String = token.chars().take(index.max(1)).collect();
        let answer = here.list_keys("k", 3, &cut).await;
        expect_bad_token(answer, &here.describe("ListKeys", &format!("the token cut to {cut:?}")))?;
    }
    Ok(())
}

async fn other_kind(context: Context) -> Outcome {
    let token = token(&context).await?;
    let answer = context.client.list_collections(context.store(), "k", 3, &token).await;
    expect_bad_token(answer, "ListCollections with a token of ListKeys")
}

/// The page size is the one field that may change between pages.
async fn another_size(context: Context) -> Outcome {
    let token = token(&context).await?;
    let page = context.here.list_keys("k", 5, &token).await?;
    expect(page.keys.len() <= 5, "a page of at most 5 keys")?;
    expect(!page.keys.is_empty(), "the second page of four has no key")
}
