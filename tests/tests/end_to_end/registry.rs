//! The Windows Registry store: what is in the registry, seen by Windows' own `reg`, and
//! what the store says where there is none.

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::{Folder, SERVER_SETTINGS};
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use kvgate_tests::wine::Wine;
use tonic::Code;

/// An envelope as py-key-value 0.5.0 writes it.
fn envelope(collection: &str, key: &str, value: &str) -> String {
    let names = format!(r#""collection": "{collection}", "created_at": "TIME", "key": "{key}""#);
    format!(r#"{{{names}, "value": {value}, "version": 1}}"#)
}

/// The envelope with this in place of the time that it was put.
fn with_time(envelope: &str, time: &str) -> String {
    let parts = envelope.split_once(r#""created_at": ""#);
    match parts.and_then(|(before, after)| Some((before, after.split_once('"')?.1))) {
        Some((before, after)) => format!(r#"{before}"created_at": "{time}"{after}"#),
        None => envelope.to_owned(),
    }
}

/// A Windows, and a server on it.
pub(crate) struct Scene {
    // Fields are dropped in this order.
    pub(crate) server: Server,
    wine: Wine,
    folder: Folder,
}

impl Scene {
    pub(crate) async fn set(stores: &str) -> Outcome<Self> {
        let folder = Folder::new()?;
        folder.configure(&format!("{SERVER_SETTINGS}{stores}"))?;
        let wine = Wine::new(folder.path("wine"))?;
        let server = Server::start_in(&wine, &folder.configuration()).await?;
        Ok(Self { server, wine, folder })
    }

    /// The same with another server, in place of the one that is killed.
    pub(crate) async fn restart(self) -> Outcome<Self> {
        self.server.kill().await?;
        let server = Server::start_in(&self.wine, &self.folder.configuration()).await?;
        Ok(Self { server, ..self })
    }

    /// What is below a registry key: a line for each key with values, and one for each of
    /// these, with the time of each put masked.
    fn query(&self, key: &str) -> Outcome<Vec<String>> {
        let text = self.wine.output(&["reg", "query", key, "/s"])?;
        let lines = text.lines().map(|line| with_time(line.trim_end(), "TIME"));
        Ok(lines.filter(|line| !line.is_empty()).collect())
    }

    /// Stores a text as a program of Windows does.
    fn add(&self, key: &str, value_type: &str, name: &str, text: &str) -> Outcome {
        let arguments = ["reg", "add", key, "/v", name, "/t", value_type, "/d", text, "/f"];
        self.wine.output(&arguments).map(drop)
    }
}

const USER: &str = r"HKEY_CURRENT_USER\Software\py-key-value";

#[tokio::test(flavor = "multi_thread")]
async fn is_laid_out_as_by_python() -> Outcome {
    let scene = Scene::set(
        "default_store = \"user\"\n[stores.user]\ntype = \"registry\"\n\
         [stores.machine]\ntype = \"registry\"\nhive = \"HKEY_LOCAL_MACHINE\"\n\
         registry_path = 'Software\\Team\\kvgate'\nsanitize = \"v1\"\n",
    )
    .await?;
    let client = scene.server.client().await?;
    let user = client.collection("user", "sessions");
    user.put("a key", r#"{"n":1.0}"#).await?;
    user.put("Upper", r#"{"n":2}"#).await?;
    client.collection("user", r"a\b").put("key", "{}").await?;
    client.collection("machine", "a b").put("Upper", "{}").await?;

    let line = |name: &str, envelope: String| format!("    {name}    REG_SZ    {envelope}");
    let expected = [
        format!(r"{USER}\S_a_b-c62016d0f8ee333350283fd879b50b69"),
        line("key", envelope(r"a\\b", "key", "{}")),
        format!(r"{USER}\sessions"),
        line("a key", envelope("sessions", "a key", r#"{"n":1.0}"#)),
        line(
            "S_Upper-ada6d7a662f03a9ad858d482acae6970",
            envelope("sessions", "Upper", r#"{"n":2}"#),
        ),
    ];
    expect_equal("reg query", scene.query(USER)?, expected.to_vec())?;
    let machine = r"HKEY_LOCAL_MACHINE\Software\Team\kvgate";
    let expected =
        [format!(r"{machine}\S_a_b-c8687a08"), line("Upper", envelope("a b", "Upper", "{}"))];
    expect_equal("reg query", scene.query(machine)?, expected.to_vec())
}

/// What others have put is read, replaced and removed, and nothing else is taken for an
/// entry of this name.
#[tokio::test(flavor = "multi_thread")]
async fn what_python_stored_is_read() -> Outcome {
    let scene = Scene::set("[stores.main]\ntype = \"registry\"\n").await?;
    let key = format!(r"{USER}\sessions");
    for (name, value) in [("key", r#"{"n": 1}"#), ("Upper", r#"{"n": 2}"#), ("nan", "{\"n\": NaN}")]
    {
        let text = with_time(&envelope("sessions", name, value), "2025-01-01T00:00:00+00:00");
        scene.add(&key, "REG_SZ", name, &text)?;
    }
    scene.add(&key, "REG_DWORD", "number", "7")?;
    let client = scene.server.client().await?;
    let here = client.collection("", "sessions");
    let value = here.value("key").await?;
    expect_equal("Get", value.as_deref(), Some(br#"{"n": 1}"#.as_slice()))?;
    for key in ["nan", "number"] {
        refused(here.get(key).await, "Get", Code::DataLoss, "UNREADABLE_ENTRY")?;
    }
    // the registry finds `Upper` under this name, and the collection under the other
    let there = client.collection("", "Sessions");
    for (place, key) in [(&here, "upper"), (&there, "key")] {
        expect_equal(place.describe("Get", &key), place.get(key).await?, None)?;
        expect_equal(place.describe("Delete", &key), place.delete(key).await?, false)?;
    }
    expect_equal("ListKeys", here.sorted_keys("").await?, ["key", "nan", "number"])?;
    expect_equal("ListCollections", client.collections("", "", 0).await?, ["sessions"])?;

    here.put("key", r#"{"n":3}"#).await?;
    here.delete("number").await?;
    let left = scene.query(USER)?;
    let replaced = format!("    key    REG_SZ    {}", envelope("sessions", "key", r#"{"n":3}"#));
    expect(left.contains(&replaced), format!("no {replaced:?} in {left:#?}"))?;
    let names = left.iter().filter_map(|line| line.split_whitespace().next());
    expect_equal("names", names.collect::<Vec<_>>(), [key.as_str(), "key", "nan", "Upper"])
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_system_there_is_none() -> Outcome {
    let folder = Folder::new()?;
    folder.configure(&format!("{SERVER_SETTINGS}[stores.main]\ntype = \"registry\"\n"))?;
    let file = folder.configuration().display().to_string();
    let finished = folder.run(&["serve", "--config", &file]).await?;
    expect(matches!(finished.code, Some(1 | 2)), format!("the exit code is {:?}", finished.code))?;
    let said = "a registry store needs Windows: run kvgate there, or use another type of store";
    expect(finished.output.contains(said), finished.output)
}
