//! TLS, client certificates, tokens and a Unix socket, against real servers that ask for them.

use std::path::Path;

use kvgate_client::{Client, ClientBuilder, ErrorKind, Tls};
use kvgate_tests::certificates::{Authority, LOCAL_NAMES};
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use serde_json::{Value, json};

const STORE: &str = "[stores.main]\ntype = \"memory\"\n";

/// A server with a certificate, and one token or one certificate for its callers.
struct Secure {
    folder: Folder,
    authority: Authority,
}

impl Secure {
    fn new() -> Outcome<Self> {
        let folder = Folder::new()?;
        let authority = Authority::new(&folder.path("certificates"), "authority")?;
        Ok(Self { folder, authority })
    }

    async fn start(&self, more: &str, tables: &str) -> Outcome<Server> {
        let own = self.authority.sign("server", LOCAL_NAMES)?;
        let (certificate, key) = (own.certificate.display(), own.key.display());
        let files = format!("certificate_file = '{certificate}'\nkey_file = '{key}'\n");
        self.folder.start(&format!("[server.tls]\n{files}{more}\n{tables}\n{STORE}")).await
    }

    fn client(&self, server: &Server) -> ClientBuilder {
        let address = format!("https://localhost:{}", server.address().port());
        Client::builder(address).tls(Tls::new().ca_file(&self.authority.certificate))
    }
}

/// Makes a token, as an administrator does, and answers with the server's settings for it.
async fn token(folder: &Folder, name: &str, file: &str) -> Outcome<String> {
    let made = folder.run(&["token", "new", name, "--role", "all", "--save", file]).await?;
    expect_equal(format!("token new: {}", made.output), made.code, Some(0))?;
    let entry = made.output.replace("[[tokens]]", "[[server.authentication.tokens]]");
    Ok(format!("{entry}\n"))
}

const ROLES: &str =
    "[[server.roles.all]]\nstores = [\"*\"]\noperations = [\"read\", \"write\", \"list\"]\n";

async fn try_out(client: &Client) -> kvgate_client::Result<Option<Value>> {
    let here = client.collection("secure");
    here.put("key", &json!({ "n": 1 })).await?;
    here.get("key").await
}

#[tokio::test]
async fn tls_and_the_authorities_to_trust() -> Outcome {
    let secure = Secure::new()?;
    let server = secure.start("", "").await?;
    let found = try_out(&secure.client(&server).build()?).await?;
    expect_equal("the value", found, Some(json!({ "n": 1 })))?;

    let address = format!("https://localhost:{}", server.address().port());
    let stranger = Client::builder(address).attempts_max(1).build()?;
    let error = try_out(&stranger).await.expect_err("an authority that nobody trusts");
    expect_equal("kind", error.kind(), ErrorKind::Unavailable)?;
    let name = Tls::new().ca_file(&secure.authority.certificate).server_name("elsewhere.example");
    let wrong = secure.client(&server).tls(name).attempts_max(1).build()?;
    expect(try_out(&wrong).await.is_err(), "another name than the certificate's")?;

    // by name, with the name in the certificate
    let named = format!("dns:///localhost:{}", server.address().port());
    let tls = Tls::new().ca_file(&secure.authority.certificate);
    let found = try_out(&Client::builder(named).tls(tls).build()?).await?;
    expect_equal("the value by name", found, Some(json!({ "n": 1 })))
}

#[tokio::test]
async fn a_certificate_of_the_client() -> Outcome {
    let secure = Secure::new()?;
    let ca = secure.authority.certificate.display().to_string();
    let more = format!("client_ca_file = '{ca}'\nclient_certificates = \"required\"\n");
    let server = secure.start(&more, "").await?;
    let own = secure.authority.sign("client", &["client"])?;
    let tls = Tls::new().ca_file(&ca).identity_files(&own.certificate, &own.key);
    let found = try_out(&secure.client(&server).tls(tls).build()?).await?;
    expect_equal("the value", found, Some(json!({ "n": 1 })))?;
    let without = secure.client(&server).attempts_max(1).build()?;
    expect(try_out(&without).await.is_err(), "no certificate")
}

#[tokio::test]
async fn tokens() -> Outcome {
    let secure = Secure::new()?;
    let entry = token(&secure.folder, "web", "web.token").await?;
    let server = secure.start("", &format!("{entry}{ROLES}")).await?;
    let file = secure.folder.path("web.token");
    let text = std::fs::read_to_string(&file)?;

    let given = secure.client(&server).token(text.trim()).build()?;
    expect_equal("given", try_out(&given).await?, Some(json!({ "n": 1 })))?;
    let kept = text.trim().to_owned();
    let provider = move || std::future::ready(Ok(kept.clone()));
    let provided = secure.client(&server).token_provider(provider).build()?;
    expect_equal("provided", try_out(&provided).await?, Some(json!({ "n": 1 })))?;

    let error = try_out(&secure.client(&server).build()?).await.expect_err("no token");
    expect_equal("kind", error.kind(), ErrorKind::Unauthenticated)?;
    expect_equal("reason", error.reason(), Some("CREDENTIALS_MISSING"))?;
    expect(!format!("{error:?}").contains(text.trim()), "the token is not shown")?;

    // a file that changes is read again
    let current = secure.folder.path("current");
    std::fs::write(&current, "not-yet-a-token")?;
    let of_file = secure.client(&server).token_file(&current).build()?;
    let error = try_out(&of_file).await.expect_err("an unknown token");
    expect_equal("kind", error.kind(), ErrorKind::Unauthenticated)?;
    std::fs::write(&current, &text)?;
    until("the new token is used", async || Ok(try_out(&of_file).await.ok().flatten())).await?;
    server.terminate().await
}

#[tokio::test]
async fn a_token_is_not_sent_where_others_can_read_it() -> Outcome {
    let error = Client::builder("http://kvgate.example:50051").token("secret").build();
    let error = error.expect_err("no TLS");
    expect_equal("kind", error.kind(), ErrorKind::InvalidArgument)?;
    expect(!error.to_string().contains("secret"), "the token is not shown")?;
    let allowed = Client::builder("http://kvgate.example:50051").token("secret");
    allowed.allow_insecure_token().build()?;
    Client::builder("http://127.0.0.1:50051").token("secret").build()?;
    let error = Client::builder("http://127.0.0.1:50051").token("se\ncret").build();
    expect(!error.expect_err("a line break").to_string().contains("cret"), "not shown")
}

#[tokio::test]
async fn a_unix_socket() -> Outcome {
    let folder = Folder::new()?;
    let socket = folder.path("socket");
    folder.configure(&format!("[server]\nlisten = \"unix:{}\"\n{STORE}", socket.display()))?;
    let server = Server::start(&folder.configuration()).await?;
    let client = Client::builder(format!("unix:{}", socket.display())).token("local").build()?;
    expect_equal("the value", try_out(&client).await?, Some(json!({ "n": 1 })))?;
    expect(Path::new(&socket).exists(), "the socket is there")?;
    server.terminate().await
}
