//! Bearer tokens: whose is good, and that a file of them is read again.

use kvgate_tests::client::Client;
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::attempts::{every_call, expect_allowed};
use crate::secure::STORE;

/// A role that may do everything.
pub(crate) const EVERYTHING: &str = "[[server.roles.all]]\nstores = [\"*\"]\noperations = [\"read\", \"write\", \"list\", \"admin\"]\n";

/// Makes a token; answers it and its entry.
pub(crate) async fn make(folder: &Folder, who: &str, roles: &[&str]) -> Outcome<(String, String)> {
    let file = format!("{who}.token");
    let mut arguments = vec!["token", "new", who, "--save", &file];
    for role in roles {
        arguments.extend(["--role", role]);
    }
    let made = folder.run(&arguments).await?;
    expect_equal(format!("token new: {}", made.output), made.code, Some(0))?;
    let token = std::fs::read_to_string(folder.path(&file))?.trim().to_owned();
    std::fs::remove_file(folder.path(&file))?;
    Ok((token, made.output))
}

/// A server with a file of tokens, which is in the folder.
pub(crate) async fn start(folder: &Folder, entries: &str, more: &str) -> Outcome<Server> {
    let file = folder.path("tokens.toml");
    std::fs::write(&file, entries)?;
    let file = file.display();
    let tables = format!("[server.authentication]\ntokens_file = '{file}'\n{more}\n{EVERYTHING}");
    folder.start(&format!("reload_interval = \"100ms\"\n{tables}{STORE}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_none() -> Outcome {
    let folder = Folder::new()?;
    let (token, entry) = make(&folder, "web", &["all"]).await?;
    let server = start(&folder, &entry, "").await?;
    let client = server.client().await?;
    let all = every_call(&client.with_token(&token)?, "main", "c").await;
    let calls: Vec<&str> = all.iter().map(|(call, _)| *call).collect();
    expect_allowed("the good token", &all, &calls, Code::Ok, "")?;
    let (other, _) = make(&folder, "other", &["all"]).await?;
    let invalid = "CREDENTIALS_INVALID";
    for (what, authorization, reason) in [
        ("none", None, "CREDENTIALS_MISSING"),
        ("an unknown token", Some(format!("Bearer {other}")), invalid),
        ("half a token", Some(format!("Bearer {}", &token[..40])), invalid),
        ("more than a token", Some(format!("Bearer {token}0")), invalid),
        ("another case", Some(format!("Bearer {}", token.to_uppercase())), invalid),
        ("no token", Some("Bearer ".to_owned()), invalid),
        ("another scheme", Some(format!("Basic {token}")), invalid),
        ("no scheme", Some(token.clone()), invalid),
    ] {
        let caller = match authorization {
            Some(value) => client.with_authorization(&value)?,
            None => client.clone(),
        };
        let attempts = every_call(&caller, "main", "c").await;
        expect_allowed(what, &attempts, &[], Code::Unauthenticated, reason)?;
        let answer = caller.list_stores().await;
        refused(answer, what, Code::Unauthenticated, reason)?;
    }
    let log = server.log();
    expect(log.contains("kvgate::audit"), "refused calls are not in the audit log")?;
    expect(!log.contains(&other) && !log.contains(&token), "a token is in the log")
}

/// Whether health and both reflections answer.
async fn open(client: &Client) -> (Option<Code>, Option<Code>) {
    let request = HealthCheckRequest { service: String::new() };
    let health = HealthClient::new(client.calls()).check(request).await;
    let message = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let requests = futures::stream::iter([request]);
    let mut reflection = ServerReflectionClient::new(client.calls());
    let reflection = reflection.server_reflection_info(requests).await;
    (health.err().map(|status| status.code()), reflection.err().map(|status| status.code()))
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection() -> Outcome {
    let refused = Some(Code::Unauthenticated);
    for (setting, health, reflection) in [
        ("", refused, refused),
        ("without_credentials = [\"health\"]", None, refused),
        ("without_credentials = [\"reflection\"]", refused, None),
        ("without_credentials = [\"health\", \"reflection\"]", None, None),
    ] {
        let folder = Folder::new()?;
        let (token, entry) = make(&folder, "web", &[]).await?;
        let server = start(&folder, &entry, setting).await?;
        let client = server.client().await?;
        expect_equal(setting, open(&client).await, (health, reflection))?;
        let known = client.with_token(&token)?;
        expect_equal("with a token", open(&known).await, (None, None))?;
        let wrong = client.with_token("wrong")?;
        expect_equal("with a wrong token", open(&wrong).await, (refused, refused))?;
        let attempts = every_call(&client, "main", "c").await;
        expect_allowed(setting, &attempts, &[], Code::Unauthenticated, "CREDENTIALS_MISSING")?;
    }
    Ok(())
}

/// Tokens are replaced while calls go on: none fails. Those that were taken out are
/// refused, and a file that can't be used changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn replaced_under_load() -> Outcome {
    let folder = Folder::new()?;
    let (stays, of_stays) = make(&folder, "stays", &["all"]).await?;
    let (mut newest, mut of_newest) = make(&folder, "web-0", &["all"]).await?;
    let server = start(&folder, &format!("{of_stays}{of_newest}"), "").await?;
    let client = server.client().await?;
    let file = folder.path("tokens.toml");
    let replacing = async {
        for round in 1..4 {
            let (next, of_next) = make(&folder, &format!("web-{round}"), &["all"]).await?;
            // first both are good, then the newer one alone
            std::fs::write(&file, format!("{of_stays}{of_newest}{of_next}"))?;
            is_taken(&client, &next, true).await?;
            is_taken(&client, &newest, true).await?;
            std::fs::write(&file, format!("{of_stays}{of_next}"))?;
            is_taken(&client, &newest, false).await?;
            (newest, of_newest) = (next, of_next);
        }
        std::fs::write(&file, "tokens = [{ principal = \"x\" }]")?;
        until("the log says so", async || {
            Ok(server.log().contains("what was loaded before stays in use").then_some(()))
        })
        .await?;
        is_taken(&client, &newest, true).await
    };
    let known = client.with_token(&stays)?.collection("", "c");
    let calling = async {
        loop {
            known.put("key", "{}").await?;
            known.get_many(&["key"]).await?;
        }
        #[expect(unreachable_code, reason = "it says what a failure is")]
        Outcome::Ok(())
    };
    tokio::select! {
        replaced = replacing => replaced,
        failed = calling => failed,
    }
}

async fn is_taken(client: &Client, token: &str, taken: bool) -> Outcome {
    let here = client.with_token(token)?.collection("", "c");
    let what = if taken { "a new token is taken" } else { "an old token is refused" };
    until(what, async || Ok((here.get("key").await.is_ok() == taken).then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line() -> Outcome {
    let folder = Folder::new()?;
    let (token, entry) = make(&folder, "web", &["all"]).await?;
    expect(token.starts_with("kvgate_") && token.len() == 71, "a token of another form")?;
    expect(!entry.contains(&token), "the entry has the token")?;
    let server = start(&folder, &entry, "").await?;
    let url = format!("http://{}", server.address());
    std::fs::write(folder.path("web.token"), format!("{token}\n"))?;
    let put = ["put", "key", "{}", "--url", &url];
    for (arguments, variables, code) in [
        (&[][..], &[][..], 6),
        (&["--token-file", "web.token"], &[], 0),
        (&["--token-file", "none.token"], &[], 2),
        (&[], &[("KVGATE_TOKEN", token.as_str())], 0),
        (&[], &[("KVGATE_TOKEN", "wrong")], 6),
    ] {
        let finished = folder.run_with(&[&put[..], arguments].concat(), variables).await?;
        let call = format!("put {arguments:?}: {}", finished.output);
        expect_equal(call, finished.code, Some(code))?;
        expect(!finished.output.contains(&token), "the token is shown")?;
    }
    let shown = folder.run(&["token", "new", "a \"b\"", "--role", "x"]).await?;
    expect(shown.output.contains("kvgate_"), "without --save the token is not shown")?;
    expect(shown.output.contains(r#"principal = "a \"b\"""#), shown.output)?;
    let again = folder.run(&["token", "new", "web", "--save", "web.token"]).await?;
    expect_equal("the exit code where there is a file", again.code, Some(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_can_not_work() -> Outcome {
    let folder = Folder::new()?;
    let hash = "0".repeat(64);
    let authentication = |text: &str| format!("[server.authentication]\n{text}\n{EVERYTHING}");
    for (text, says) in [
        (authentication(""), "makes nobody known"),
        (authentication("tokens_file = '/no/such/file.toml'"), "/no/such/file.toml"),
        (
            authentication(&format!(
                "tokens = [{{ principal = 'a', sha256 = '{hash}', roles = ['al'] }}]"
            )),
            "there is no such role in server.roles; did you mean all?",
        ),
        (
            authentication("tokens = [{ principal = 'a', sha256 = 'abc', roles = [] }]"),
            "64 hexadecimal digits",
        ),
        (authentication("certificates = [{ name = '*', roles = [] }]"), "client_ca_file"),
        (
            authentication("jwt = [{ issuer = 'https://a', audiences = [] }]"),
            "server.authentication.jwt[0].audiences",
        ),
        (
            authentication("jwt = [{ issuer = 'http://idp.example', audiences = ['a'] }]"),
            "https://",
        ),
        (EVERYTHING.to_owned(), "needs server.authentication"),
        (
            "[server.authentication]\ntokens_file = 't.toml'\n[[server.roles.r]]\nstores = \
                 ['mian']\noperations = []\n"
                .to_owned(),
            "did you mean main?",
        ),
    ] {
        folder.configure(&format!("{text}{STORE}"))?;
        let finished = folder.run(&["check", "kvgate.toml"]).await?;
        expect_equal(format!("exit code of {text}: {}", finished.output), finished.code, Some(2))?;
        expect(finished.output.contains(says), format!("{text}: {}", finished.output))?;
    }
    Ok(())
}

/// A listener beyond loopback needs TLS or authentication, not both.
#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback() -> Outcome {
    let folder = Folder::new()?;
    let (_, entry) = make(&folder, "web", &["all"]).await?;
    std::fs::write(folder.path("tokens.toml"), entry)?;
    let file = folder.path("tokens.toml");
    let tokens = format!("[server.authentication]\ntokens_file = '{}'\n", file.display());
    folder.configure(&format!("[server]\nlisten = \"0.0.0.0:0\"\n{tokens}{EVERYTHING}{STORE}"))?;
    Server::start(&folder.configuration()).await?.terminate().await
}
