//! What it costs to find entries in Vault, which lists whole directories, and many of them.

use kvgate_tests::client::{Client, Collection, entry};
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::proxy::Proxy;
use kvgate_tests::server::Server as Kvgate;
use kvgate_tests::setups::Backend as _;
use kvgate_tests::vault::{Kind, Server};

/// The keys of the largest collection: more than a page has that nobody gives a size.
const KEYS: usize = 1_200;

/// A store behind a proxy that counts what Vault is asked.
struct Scene {
    // Fields are dropped in this order.
    client: Client,
    _kvgate: Kvgate,
    proxy: Proxy,
    _vault: Server,
    _folder: Folder,
}

impl Scene {
    async fn set() -> Outcome<Self> {
        let folder = Folder::new()?;
        let vault = Server::start(&folder.path("vault"), Kind::Raft).await?;
        let proxy = Proxy::start(vault.address()).await?;
        let settings = vault.behind(proxy.address()).unwrap_or_default();
        folder.configure(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nhealth_interval = \"1h\"\n\
             [stores.main]\ntype = 'vault'\ntimeout = '20s'\n{settings}"
        ))?;
        let kvgate = Kvgate::start(&folder.configuration()).await?;
        let client = kvgate.client().await?;
        Ok(Self { client, _kvgate: kvgate, proxy, _vault: vault, _folder: folder })
    }

    fn collection(&self, name: &str) -> Collection {
        self.client.collection("main", name)
    }

    /// Puts `keys` into a collection.
    async fn fill(&self, collection: &str, keys: &[String]) -> Outcome {
        let entries = keys.iter().map(|key| entry(key, "{}")).collect();
        Ok(self.collection(collection).put_many(entries).await?)
    }

    /// Checks how many requests a call takes.
    async fn costs<T>(
        &self,
        call: &str,
        requests: u64,
        answer: impl Future<Output = Outcome<T>>,
    ) -> Outcome<T> {
        let before = self.proxy.round_trips();
        let answer = answer.await?;
        expect_equal(call, self.proxy.round_trips() - before, requests)?;
        Ok(answer)
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("key-{n:05}")).collect()
}

/// A page asks for a directory and for what is on it, no matter how much there is
/// beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_asks_for_no_more_than_it_shows() -> Outcome {
    let scene = Scene::set().await?;
    for (collection, keys) in [("a", 1), ("b", 3), ("c", 1), ("many", 50), ("many/deep", 3)] {
        scene.fill(collection, &numbered(keys)).await?;
    }
    scene.fill("many", &["x/y".to_owned(), "x/z".to_owned()]).await?;
    let many = scene.collection("many");
    let page = async |size, token: &str| Ok(many.list_keys("", size, token).await?);
    let first = scene.costs("the first page of 10", 1 + 10, page(10, "")).await?;
    expect_equal("the first page", first.keys, numbered(10))?;
    let next = page(10, &first.next_page_token);
    let second = scene.costs("the second page of 10", 1 + 10, next).await?;
    expect_equal("the second page", second.keys, numbered(20).split_off(10))?;
    // the directory of the slash is one more
    scene.costs("all keys", 2 + 52, page(100, "")).await?;
    let few = async |prefix| Ok(many.list_keys(prefix, 0, "").await?.keys);
    let found = scene.costs("keys with a prefix", 1 + 10, few("key-0001")).await?;
    expect_equal("keys with a prefix", found, numbered(20).split_off(10))?;
    let found = scene.costs("keys below a slash", 2 + 2, few("x/")).await?;
    expect_equal("keys below a slash", found, vec!["x/y".to_owned(), "x/z".to_owned()])?;
    let deep = scene.collection("many/deep");
    let page_of_deep = async { Ok(deep.list_keys("", 0, "").await?.keys) };
    let found = scene.costs("keys of a collection with a slash", 1 + 3, page_of_deep).await?;
    expect_equal("keys of a collection with a slash", found, numbered(3))?;
    let collections = async |prefix, size| {
        Ok(scene.client.list_collections("main", prefix, size, "").await?.collections)
    };
    let found = scene.costs("the first collections", 1 + 2, collections("", 2)).await?;
    expect_equal("the first collections", found, vec!["a".to_owned(), "b".to_owned()])?;
    let found = scene.costs("all collections", 2 + 5, collections("", 0)).await?;
    expect_equal("all collections", found.len(), 5)?;
    let found = scene.costs("collections of a prefix", 1 + 1, collections("b", 0)).await?;
    expect_equal("collections of a prefix", found, vec!["b".to_owned()])
}

/// More entries than a page has by default are listed, scanned and removed.
#[tokio::test(flavor = "multi_thread")]
async fn many_entries() -> Outcome {
    let scene = Scene::set().await?;
    let keys = numbered(KEYS);
    scene.fill("many", &keys).await?;
    scene.fill("beside", &keys[..1]).await?;
    let many = scene.collection("many");
    let listed = async { Ok(many.keys("", 0).await?) };
    // two pages
    let listed = scene.costs("all keys", 2 + KEYS as u64, listed).await?;
    expect(listed == keys, "other keys are listed than are there")?;
    let scanned: Vec<String> = many.scan("").await?.into_iter().map(|entry| entry.key).collect();
    expect(scanned == keys, "other entries are scanned than are there")?;
    // each is read and removed
    let removed = async { Ok(many.delete_collection().await?) };
    let removed = scene.costs("removing all", 1 + 2 * KEYS as u64, removed).await?;
    expect(removed, "the collection was not there")?;
    let left = scene.client.collections("main", "", 0).await?;
    expect_equal("the collections that are left", left, vec!["beside".to_owned()])
}
