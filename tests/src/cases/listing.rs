//! Listing keys and collections, a page at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::case::Case;
use crate::client::{Collection, entry};
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect, expect_equal};
use crate::need::Need;
use crate::rpc_error::refused_field;

pub(super) fn cases() -> Vec<Case> {
    let keys = |case: Case| case.needs(Need::ListKeys);
    let collections = |case: Case| case.needs(Need::ListCollections);
    vec![
        keys(Case::any_store("no_keys", no_keys)),
        keys(Case::new("pages_of_keys", pages_of_keys)),
        keys(Case::new("page_sizes_of_keys", page_sizes)),
        keys(Case::new("keys_with_a_prefix", prefix)),
        keys(Case::any_store("negative_page_size_of_keys", negative_keys)),
        keys(Case::new("pages_of_keys_while_others_write", keys_while_others_write)),
        collections(Case::new("pages_of_collections", pages_of_collections)),
        collections(Case::any_store("negative_page_size_of_collections", negative_collections)),
        collections(Case::new("emptied_collections", emptied_collections)),
        collections(Case::new(
            "pages_of_collections_while_others_write",
            collections_while_others_write,
        )),
    ]
}

/// Fails if a name is there twice; answers the names sorted.
fn sorted_once(call: &str, mut names: Vec<String>) -> Outcome<Vec<String>> {
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    expect_equal(format!("{call}: a name that is there twice"), twice, None)?;
    Ok(names)
}

async fn put_keys(here: &Collection, keys: &[String]) -> Outcome {
    Ok(here.put_many(keys.iter().map(|key| entry(key, "{}")).collect()).await?)
}

fn numbered(start: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{start}{n:05}")).collect()
}

async fn no_keys(context: Context) -> Outcome {
    let page = context.here.list_keys("", 0, "").await?;
    let nothing: (Vec<String>, &str) = (Vec::new(), "");
    let call = context.here.describe("ListKeys", &"");
    expect_equal(call, (page.keys, page.next_page_token.as_str()), nothing)
}

async fn pages_of_keys(context: Context) -> Outcome {
    let here = &context.here;
    let keys = numbered("key-", 25);
    put_keys(here, &keys).await?;
    for size in [1, 7, 24, 25, 26] {
        let call = here.describe("ListKeys", &format!("in pages of {size}"));
        let mut listed = Vec::new();
        let mut token = String::new();
        loop {
            let page = here.list_keys("", size, &token).await?;
            expect(page.keys.len() <= usize::try_from(size)?, format!("{call}: a longer page"))?;
            listed.extend(page.keys);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        expect_equal(&call, sorted_once(&call, listed)?, keys.clone())?;
    }
    Ok(())
}

async fn page_sizes(context: Context) -> Outcome {
    let here = &context.here;
    let keys = numbered("key-", context.many(12_000));
    for part in keys.chunks(6_000) {
        put_keys(here, part).await?;
    }
    for (size, most) in [(0, 1_000), (10_000, 10_000), (10_001, 10_000), (i32::MAX, 10_000)] {
        let call = here.describe("ListKeys", &format!("in pages of {size}"));
        let page = here.list_keys("", size, "").await?;
        let length = page.keys.len();
        expect(length <= most, format!("{call}: {length} keys in a page"))?;
        let ends = page.next_page_token.is_empty();
        expect(!ends || keys.len() <= most, format!("{call}: no next page"))?;
        expect_equal(&call, sorted_once(&call, here.keys("", size).await?)?, keys.clone())?;
    }
    Ok(())
}

async fn prefix(context: Context) -> Outcome {
    let here = &context.here;
    let keys = ["a", "aa", "ab", "a/b", "b", "ba", "é", "éa", "A", "a*"];
    put_keys(here, &keys.map(str::to_owned)).await?;
    for prefix in ["", "a", "aa", "aaa", "b", "é", "a*", "a/", "\u{65}\u{301}"] {
        let mut expected: Vec<_> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        expected.sort_unstable();
        let call = here.describe("ListKeys", &prefix);
        expect_equal(&call, sorted_once(&call, here.keys(prefix, 2).await?)?, expected)?;
    }
    Ok(())
}

async fn negative_keys(context: Context) -> Outcome {
    let call = context.here.describe("ListKeys", &"in pages of -1");
    let answer = context.here.list_keys("", -1, "").await;
    refused_field(answer, call, "INVALID_PAGE_SIZE", "page_size").map(|_| ())
}

async fn negative_collections(context: Context) -> Outcome {
    let answer = context.client.list_collections(context.store(), "", -1, "").await;
    let call = "ListCollections in pages of -1";
    refused_field(answer, call, "INVALID_PAGE_SIZE", "page_size").map(|_| ())
}

/// Runs `listing` again and again, and `writing` beside it until it is done.
async fn beside_a_writer(
    writing: impl AsyncFn(usize) -> Outcome,
    listing: impl AsyncFn() -> Outcome,
) -> Outcome {
    let done = Arc::new(AtomicBool::new(false));
    let listing = async {
        for _ in 0..10 {
            listing().await?;
        }
        done.store(true, Ordering::Relaxed);
        Outcome::Ok(())
    };
    let writing = async {
        let mut round = 0;
        while !done.load(Ordering::Relaxed) {
            writing(round).await?;
            round += 1;
        }
        Ok(())
    };
    futures::future::try_join(listing, writing).await.map(|_| ())
}

/// Checks that each of `stable` is there exactly once.
fn expect_once(call: &str, listed: &[String], stable: &[String]) -> Outcome {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in listed {
        *counts.entry(name).or_default() += 1;
    }
    let count = |name: &String| counts.get(name.as_str()).copied().unwrap_or_default();
    let wrong = stable.iter().find(|name| count(name) != 1);
    match wrong {
        None => Ok(()),
        Some(name) => Err(Failure::new(format!("{call}: {name:?} is there {} times", count(name)))),
    }
}

async fn keys_while_others_write(context: Context) -> Outcome {
    let here = &context.here;
    let stable = numbered("stable-", context.many(200));
    put_keys(here, &stable).await?;
    // Before, between and after the stable keys, in whatever order.
    let passing = async |round: usize| {
        let names = [format!("a-{round}"), format!("stable-{round:05}-x"), format!("z-{round}")];
        put_keys(here, &names).await?;
        if round >= 20 {
            let old = round - 20;
            let names = [format!("a-{old}"), format!("stable-{old:05}-x"), format!("z-{old}")];
            here.delete_many(&names).await?;
        }
        // What is there is also replaced, which must not move it.
        Ok(here.put(&stable[round % stable.len()], r#"{"again":true}"#).await?)
    };
    let listing = async || {
        let listed = here.keys("", 9).await?;
        expect_once(&here.describe("ListKeys", &"in pages of 9"), &listed, &stable)
    };
    beside_a_writer(passing, listing).await
}

async fn pages_of_collections(context: Context) -> Outcome {
    let start = format!("{}-", context.here.collection);
    let collections = numbered(&start, 25);
    for name in &collections {
        put_keys(&context.here.beside(name), &numbered("key-", 3)).await?;
    }
    for size in [1, 7, 25, 26, 0, i32::MAX] {
        let call = format!("ListCollections in pages of {size}");
        let listed = context.client.collections(context.store(), &start, size).await?;
        expect_equal(&call, sorted_once(&call, listed)?, collections.clone())?;
    }
    let none: Vec<String> = Vec::new();
    let listed = context.client.collections(context.store(), &format!("{start}none"), 0).await?;
    expect_equal("ListCollections of a prefix that none has", listed, none)
}

async fn emptied_collections(context: Context) -> Outcome {
    let start = format!("{}-", context.here.collection);
    let (emptied, kept) = (format!("{start}emptied"), format!("{start}kept"));
    for name in [&emptied, &kept] {
        context.here.beside(name).put("key", "{}").await?;
    }
    context.here.beside(&emptied).delete("key").await?;
    // Reading a collection does not make it.
    context.here.beside(&format!("{start}read")).get("key").await?;
    let listed = context.client.collections(context.store(), &start, 0).await?;
    expect_equal("ListCollections", listed, vec![kept])
}

async fn collections_while_others_write(context: Context) -> Outcome {
    let start = format!("{}-", context.here.collection);
    let stable = numbered(&format!("{start}stable-"), 30);
    for name in &stable {
        context.here.beside(name).put("key", "{}").await?;
    }
    let passing = async |round: usize| {
        let round = round % 15;
        for name in [format!("{start}a-{round}"), format!("{start}stable-{round:05}-x")] {
            let place = context.here.beside(&name);
            place.put("key", "{}").await?;
            place.delete("key").await?;
        }
        Ok(())
    };
    let listing = async || {
        let listed = context.client.collections(context.store(), &start, 4).await?;
        expect_once("ListCollections in pages of 4", &listed, &stable)
    };
    beside_a_writer(passing, listing).await
}
