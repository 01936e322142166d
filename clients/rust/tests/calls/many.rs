//! Many keys in one call.

use std::time::Duration;

use kvgate_client::{Client, PutEntry, Ttl};
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use serde_json::{Value, json};

#[tokio::test]
async fn entries_with_ttls_of_their_own() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start("[stores.main]\ntype = \"memory\"\n").await?;
    let here = Client::new(server.place())?.collection("many");
    let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
    let value = json!({ "n": 1 });
    here.put_many([("a", &value, minute)]).ttl(hour).await?;
    here.put_many(vec![PutEntry::new("b", &value), PutEntry::new("c", &value).ttl(minute)])
        .ttl(hour)
        .await?;
    let ttls = here.ttl_many(["a", "b", "c", "d"]).await?;
    let left: Vec<_> = ttls.iter().map(|ttl| ttl.and_then(Ttl::left)).collect();
    expect(left[0].is_some_and(|left| left <= minute), "its own")?;
    expect(left[1].is_some_and(|left| left > minute && left <= hour), "that of all")?;
    expect(left[2].is_some_and(|left| left <= minute), "its own")?;
    expect_equal("a missing one", ttls[3], None)?;

    let results = here.get_results(vec!["d".to_owned(), "a".to_owned()]).await?;
    let found: Vec<_> = results.iter().map(|result| result.outcome.is_ok()).collect();
    expect_equal("outcomes", found, [true, true])?;
    let values = here.get_many::<Value>(["d", "a"]).await?;
    expect_equal("values", values, [None, Some(value)])?;
    let page = here.key_page("", 2, "").await?;
    expect_equal("a page", page.names.len(), 2)?;
    let rest = here.key_page("", 2, &page.next_page_token.unwrap_or_default()).await?;
    expect_equal("the last page", (rest.names.len(), rest.next_page_token), (1, None))
}
