//! Elasticsearch's settings: several nodes, an API key, and when listings see what was
//! written.

use kvgate_tests::client::Collection;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::ports;
use kvgate_tests::server::Server;
use kvgate_tests::setups::{ALL, Backend};
use reqwest::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, channel};

/// A part of a node.
async fn start_backend(folder: &Folder) -> Outcome<Box<dyn Backend>> {
    let setup = ALL.iter().find(|setup| setup.name == "elasticsearch");
    let backend = setup.and_then(|setup| setup.backend.as_ref());
    let backend = backend.ok_or_else(|| Failure::new("no such setup"))?;
    (backend.start)(folder.path("backend")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_without_a_node() -> Outcome {
    let folder = Folder::new()?;
    let backend = start_backend(&folder).await?;
    let urls =
        format!("urls = ['http://127.0.0.1:{}', 'http://{}']", ports::free()?, backend.address());
    let prefix = backend.python()["index_prefix"].to_string();
    let store = format!("type = 'elasticsearch'\n{urls}\nindex_prefix = {prefix}\n");
    let server = folder.start(&format!("[stores.main]\n{store}timeout = '60s'\n")).await?;
    let here = server.client().await?.collection("main", "c");
    for n in 0..20 {
        let key = format!("key-{n:02}");
        here.put(&key, "{}").await?;
        expect(here.get(&key).await?.is_some(), format!("{key} is not there"))?;
    }
    expect_equal("keys", here.keys("", 0).await?.len(), 20)
}

/// Which store writes, and whether a store that never refreshes lists it.
const REFRESH: [(&str, bool); 3] = [("never", false), ("on_write", true), ("on_list", false)];

#[tokio::test(flavor = "multi_thread")]
async fn listings_see_what_refresh_says() -> Outcome {
    let folder = Folder::new()?;
    let backend = start_backend(&folder).await?;
    let settings = backend.settings();
    let stores = ["never", "on_write", "on_list", "wait_for"].map(|refresh| {
        format!("[stores.{refresh}]\ntype = 'elasticsearch'\nrefresh = '{refresh}'\n{settings}")
    });
    let stores = format!("default_store = \"never\"\n{}", stores.concat());
    let server = folder.start(&stores).await?;
    let client = server.client().await?;
    let of = |store: &str| client.collection(store, "c");
    let listed = async |there: Collection| there.sorted_keys("").await;

    // the index is refreshed by itself: that is what this one waits for
    of("wait_for").put("wait_for", "{}").await?;
    let mut seen = vec!["wait_for".to_owned()];
    expect_equal("what wait_for has put", listed(of("never")).await?, seen.clone())?;

    // from now on it is not
    let prefix = backend.python()["index_prefix"].as_str().unwrap_or_default().to_owned();
    let url = format!("http://{}/{prefix}-c/_settings", backend.address());
    let interval = r#"{"index": {"refresh_interval": "-1"}}"#;
    let request = reqwest::Client::builder().no_proxy().build()?.put(url);
    let request = request.header(CONTENT_TYPE, "application/json").body(interval);
    expect(request.send().await?.status().is_success(), "the index's settings are refused")?;
    let mut written = seen.clone();
    for (store, is_seen) in REFRESH {
        of(store).put(store, "{}").await?;
        written.push(store.to_owned());
        written.sort_unstable();
        if is_seen {
            seen.clone_from(&written);
        }
        expect(of("never").get(store).await?.is_some(), format!("{store} can't be read"))?;
        let call = format!("what is listed after {store} has put");
        expect_equal(call, listed(of("never")).await?, seen.clone())?;
    }
    expect_equal("what on_list lists", listed(of("on_list")).await?, written)
}

/// The servers of the tests can't make API keys: one that only listens is shown one.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_is_shown() -> Outcome {
    const KEY: &str = "c2VjcmV0LW9mOmFuLUFQSS1rZXk=";
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (heard, mut requests) = channel(100);
    let listening = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(find_nothing(connection, heard.clone()));
        }
    });
    let folder = Folder::new()?;
    let store = format!("type = 'elasticsearch'\nurl = 'http://{address}'\napi_key = '{KEY}'\n");
    let server: Server = folder.start(&format!("[stores.main]\n{store}")).await?;
    let here = server.client().await?.collection("main", "c");
    expect_equal("Get", here.get("key").await?, None)?;
    let request = requests.recv().await.ok_or_else(|| Failure::new("no request"))?;
    let shown = format!("authorization: ApiKey {KEY}\r\n").to_lowercase();
    expect(request.to_lowercase().contains(&shown), format!("no API key in {request}"))?;
    expect(!server.log().contains(KEY), "the log shows the API key")?;
    listening.abort();
    Ok(())
}

/// Answers each request that nothing is there.
async fn find_nothing(mut connection: TcpStream, heard: Sender<String>) -> std::io::Result<()> {
    let (mut buffer, mut request) = ([0; 4096], String::new());
    loop {
        let count = connection.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        request.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if request.contains("\r\n\r\n") {
            let answer =
                b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            connection.write_all(answer).await?;
            // nobody may listen any more
            drop(heard.send(request).await);
            return Ok(());
        }
    }
}
