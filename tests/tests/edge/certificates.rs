//! TLS: what is agreed on, whose certificates are good, and that they are replaced while
//! calls go on.

use kvgate_tests::certificates::{Authority, Files, LOCAL_NAMES};
use kvgate_tests::client::Client;
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::wait::until;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::secure::{STORE, Secure, connect, handshake, shown};

/// Puts and gets, so that it is known to work.
async fn works(client: &Client) -> Outcome {
    let here = client.collection("", "c");
    here.put("key", "{}").await?;
    expect_equal("Get", here.value("key").await?.is_some(), true)
}

/// Whether a caller gets an answer: with TLS 1.3 a server refuses a certificate only after
/// the client holds the connection for made.
async fn is_let_in(client: Outcome<Client>) -> bool {
    match client {
        Ok(client) => client.collection("", "c").get("key").await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_protocol() -> Outcome {
    let secure = Secure::new()?;
    let server = secure.start("", &secure.tls("")).await?;
    works(&secure.client(&server, None).await?).await?;
    let (address, authority) = (server.address(), &secure.authority.certificate);
    for version in [&TLS12, &TLS13] {
        let stream = handshake(address, authority, version, &["http/1.1", "h2"]).await?;
        let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        expect_equal(format!("ALPN with {version:?}"), agreed.as_deref(), Some(&b"h2"[..]))?;
    }
    let other = handshake(address, authority, &TLS13, &["http/1.1"]).await;
    expect(other.is_err(), "a caller who speaks HTTP/1.1 alone is let in")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plaintext_caller() -> Outcome {
    let secure = Secure::new()?;
    let server = secure.start("", &secure.tls("")).await?;
    expect(!is_let_in(server.client().await).await, "a plaintext caller is let in")?;
    until("the audit log has it", async || {
        let log = server.log();
        Ok((log.contains("kvgate::audit") && log.contains("handshake refused")).then_some(()))
    })
    .await?;
    works(&secure.client(&server, None).await?).await
}

/// Callers who show a certificate that is not good, or none.
#[tokio::test(flavor = "multi_thread")]
async fn client_certificates() -> Outcome {
    let secure = Secure::new()?;
    let good = secure.authority.sign("client", &["client"])?;
    let expired = secure.authority.sign_expired("expired", &["client"])?;
    let stranger = Authority::new(&secure.directory(), "stranger")?;
    let foreign = stranger.sign("foreign", &["client"])?;
    // one that says that it is from the authority, and is signed by somebody else
    let twin = Authority::new(&secure.folder.path("twin"), "authority")?;
    let forged = twin.sign("forged", &["client"])?;
    let callers: [(&str, Option<&Files>, bool, bool); 5] = [
        ("a good one", Some(&good), true, true),
        ("none", None, false, true),
        ("an expired one", Some(&expired), false, false),
        ("one of another authority", Some(&foreign), false, false),
        ("a forged one", Some(&forged), false, false),
    ];
    for which in ["required", "optional"] {
        let tls = secure.tls(&secure.client_certificates(which));
        let server = secure.start("", &tls).await?;
        for (what, files, if_required, if_optional) in callers {
            let let_in = is_let_in(secure.client(&server, files).await).await;
            let expected = if which == "required" { if_required } else { if_optional };
            expect_equal(format!("{what} is let in where one is {which}"), let_in, expected)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_never_shakes_hands() -> Outcome {
    let secure = Secure::new()?;
    let tls = secure.tls("handshake_timeout = \"200ms\"\nhandshakes_max = 1");
    let server = secure.start("", &tls).await?;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(server.address()).await?);
    }
    for mut stream in silent {
        // closed, or reset
        let read = stream.read(&mut [0; 1]).await.unwrap_or(0);
        expect_equal("bytes from a server that was told nothing", read, 0)?;
    }
    // on a busy machine a good one may take longer than that as well
    until("others are let in", async || {
        Ok(is_let_in(secure.client(&server, None).await).await.then_some(()))
    })
    .await
}

/// Calls go on, over connections that stay and over new ones, while the certificate is
/// replaced again and again. None fails.
#[tokio::test(flavor = "multi_thread")]
async fn replaced_under_load() -> Outcome {
    let secure = Secure::new()?;
    let server = secure.start("reload_interval = \"100ms\"", &secure.tls("")).await?;
    let (address, authority) = (server.address(), secure.authority.certificate.clone());
    let stays = secure.client(&server, None).await?;
    works(&stays).await?;
    let replacing = async {
        for round in 0..3 {
            let before = shown(address, &authority).await?;
            let newer = secure.authority.sign(&format!("newer-{round}"), LOCAL_NAMES)?;
            newer.replace(&secure.server)?;
            until("new callers are shown the new certificate", async || {
                Ok((shown(address, &authority).await? != before).then_some(()))
            })
            .await?;
        }
        Outcome::Ok(())
    };
    let calling = async {
        loop {
            works(&stays).await?;
            works(&connect(address, &authority, None).await?).await?;
        }
        #[expect(unreachable_code, reason = "it says what a failure is")]
        Outcome::Ok(())
    };
    tokio::select! {
        replaced = replacing => replaced,
        failed = calling => failed,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_new_file_keeps_the_old_one() -> Outcome {
    let secure = Secure::new()?;
    let server = secure.start("reload_interval = \"100ms\"", &secure.tls("")).await?;
    let before = shown(server.address(), &secure.authority.certificate).await?;
    // a key of another certificate
    let other = secure.authority.sign("other", LOCAL_NAMES)?;
    std::fs::copy(&other.key, &secure.server.key)?;
    until("the log says so", async || {
        Ok(server.log().contains("what was loaded before stays in use").then_some(()))
    })
    .await?;
    let after = shown(server.address(), &secure.authority.certificate).await?;
    expect(before == after, "another certificate is shown")?;
    std::fs::copy(&other.certificate, &secure.server.certificate)?;
    until("the good pair is shown", async || {
        let shown = shown(server.address(), &secure.authority.certificate).await?;
        Ok((shown != before).then_some(()))
    })
    .await?;
    let said = server.log().matches("what was loaded before stays in use").count();
    expect_equal("how often the log says so", said, 1)
}

/// SIGHUP does not wait for the interval.
#[tokio::test(flavor = "multi_thread")]
async fn reloaded_by_a_signal() -> Outcome {
    let secure = Secure::new()?;
    let server = secure.start("reload_interval = \"1h\"", &secure.tls("")).await?;
    let (address, authority) = (server.address(), &secure.authority.certificate);
    let before = shown(address, authority).await?;
    secure.authority.sign("newer", LOCAL_NAMES)?.replace(&secure.server)?;
    server.signal(rustix::process::Signal::HUP)?;
    until("new callers are shown the new certificate", async || {
        Ok((shown(address, authority).await? != before).then_some(()))
    })
    .await?;
    server.terminate().await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_can_not_be_used() -> Outcome {
    let secure = Secure::new()?;
    let path = |file: &std::path::Path| file.display().to_string();
    let other = secure.authority.sign("other", LOCAL_NAMES)?;
    let (certificate, key) = (path(&secure.server.certificate), path(&secure.server.key));
    for (certificate_file, key_file, says) in [
        ("/no/such/file", key.as_str(), "/no/such/file"),
        (certificate.as_str(), "/no/such/file", "/no/such/file"),
        (key.as_str(), key.as_str(), "certificate_file has no certificate"),
        (certificate.as_str(), certificate.as_str(), "key_file has no private key"),
        (certificate.as_str(), &path(&other.key), "certificate_file and key_file"),
    ] {
        let tls = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[server.tls]\ncertificate_file = \
             '{certificate_file}'\nkey_file = '{key_file}'\n{STORE}"
        );
        secure.folder.configure(&tls)?;
        for arguments in [&["check", "kvgate.toml"][..], &["serve", "--config", "kvgate.toml"]] {
            let finished = secure.folder.run(arguments).await?;
            let call = format!("{arguments:?} with {certificate_file} and {key_file}");
            expect_equal(format!("exit code of {call}"), finished.code, Some(2))?;
            let named = finished.output.contains(says);
            expect(named, format!("{call}: no {says:?} in {:?}", finished.output))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback() -> Outcome {
    let secure = Secure::new()?;
    let tls = secure.tls("");
    secure.folder.configure(&format!("[server]\nlisten = \"0.0.0.0:0\"\n{tls}\n{STORE}"))?;
    let server = kvgate_tests::server::Server::start(&secure.folder.configuration()).await?;
    server.terminate().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line() -> Outcome {
    let secure = Secure::new()?;
    let own = secure.authority.sign("client", &["client"])?;
    let tls = secure.tls(&secure.client_certificates("required"));
    let server = secure.start("", &tls).await?;
    let url = format!("https://localhost:{}", server.address().port());
    let path = |file: &std::path::Path| file.display().to_string();
    let ca = path(&secure.authority.certificate);
    let (certificate, key) = (path(&own.certificate), path(&own.key));
    let run = async |arguments: &[&str], own: &[&str]| {
        let common = ["--url", &url, "--tls-ca", &ca];
        secure.folder.run(&[arguments, &common, own].concat()).await
    };
    let with = ["--tls-cert", &certificate, "--tls-key", &key];
    let put = run(&["put", "greeting", "{\"text\":\"hello\"}"], &with).await?;
    expect_equal(format!("put: {}", put.output), put.code, Some(0))?;
    let got = run(&["get", "greeting"], &with).await?;
    expect_equal("get", got.output.trim(), "{\"text\":\"hello\"}")?;
    let without = run(&["get", "greeting"], &[]).await?;
    expect_equal(format!("without: {}", without.output), without.code, Some(1))?;
    let deleted = run(&["delete", "greeting"], &with).await?;
    expect_equal("delete", deleted.code, Some(0))
}
