//! JSON web tokens: which are good, which are not, and whose keys they are verified by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kvgate_tests::certificates::{Authority, LOCAL_NAMES};
use kvgate_tests::client::Client;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::ports;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use serde_json::{Value, json};
use tonic::Code;

use crate::attempts::{every_call, expect_allowed};
use crate::issuer::{AUDIENCE, ISSUER, Key, Provider, claims, key_set, now};
use crate::secure::STORE;
use crate::tokens::EVERYTHING;

/// A server that takes the tokens of one issuer; `more` are fields of it.
async fn start(folder: &Folder, issuer: &str, more: &str) -> Outcome<Server> {
    let jwt = format!(
        "[[server.authentication.jwt]]\nissuer = \"{issuer}\"\naudiences = [\"{AUDIENCE}\"]\n\
         roles_claim = \"roles\"\n{more}\n"
    );
    folder.start(&format!("reload_interval = \"100ms\"\n{jwt}{EVERYTHING}{STORE}")).await
}

fn in_file(folder: &Folder, keys: &[&Key]) -> Outcome<String> {
    let file = folder.path("keys.json");
    std::fs::write(&file, key_set(keys)?)?;
    Ok(format!("jwks_file = '{}'", file.display()))
}

/// Claims in which some are others, or are missing where they are null.
fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().into_iter().flatten() {
        match (claims.as_object_mut(), value) {
            (Some(claims), Value::Null) => drop(claims.remove(name)),
            _ => claims[name] = value.clone(),
        }
    }
    claims
}

async fn get(client: &Client, token: &str) -> Outcome<Option<(Code, String)>> {
    let answer = client.with_token(token)?.collection("", "c").get("key").await;
    Ok(answer.err().map(|error| (error.code, error.reason)))
}

#[tokio::test(flavor = "multi_thread")]
async fn good_ones() -> Outcome {
    let folder = Folder::new()?;
    let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    let keys: Vec<Key> = algorithms
        .iter()
        .map(|algorithm| Key::new(&format!("{algorithm:?}"), *algorithm))
        .collect::<Outcome<_>>()?;
    let file = in_file(&folder, &keys.iter().collect::<Vec<_>>())?;
    let more =
        format!("{file}\ngrants = [{{ claim = 'team.name', value = 'ops-*', roles = ['all'] }}]");
    let server = start(&folder, ISSUER, &more).await?;
    let client = server.client().await?;
    for key in &keys {
        let known = client.with_token(&key.sign(&claims())?)?;
        let attempts = every_call(&known, "main", "c").await;
        let calls: Vec<&str> = attempts.iter().map(|(call, _)| *call).collect();
        expect_allowed(&key.id, &attempts, &calls, Code::Ok, "")?;
        // the only key of its algorithm need not be named
        let unnamed = key.sign_as(&Header::new(key.algorithm), &claims())?;
        expect_equal(format!("{} without kid", key.id), get(&client, &unnamed).await?, None)?;
    }
    let denied = Some((Code::PermissionDenied, "NOT_ALLOWED".to_owned()));
    for (what, changes, found) in [
        ("several audiences", json!({ "aud": ["other", AUDIENCE] }), None),
        ("a fraction of a second", json!({ "exp": 1e10 + 0.5 }), None),
        ("clocks that are 10 s apart", json!({ "exp": now() - 10 }), None),
        ("the other way round", json!({ "nbf": now() + 10 }), None),
        ("a granted role", json!({ "roles": null, "team": { "name": "ops-1" } }), None),
        ("no role", json!({ "roles": null }), denied.clone()),
        ("roles that are none", json!({ "roles": ["admin", 7, "al"] }), denied.clone()),
        ("another grant", json!({ "roles": null, "team": { "name": "dev" } }), denied),
    ] {
        expect_equal(what, get(&client, &keys[1].sign(&with(&changes))?).await?, found)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_ones() -> Outcome {
    let folder = Folder::new()?;
    let rsa = Key::new("rsa", Algorithm::RS256)?;
    let ec = Key::new("ec", Algorithm::ES256)?;
    let stranger = Key::new("ec", Algorithm::ES256)?;
    let elsewhere = Key::new("elsewhere", Algorithm::ES256)?;
    let server = start(&folder, ISSUER, &in_file(&folder, &[&rsa, &ec])?).await?;
    let client = server.client().await?;
    expect_equal("a good one", get(&client, &ec.sign(&claims())?).await?, None)?;

    let invalid = "CREDENTIALS_INVALID";
    let mut bad = vec![
        ("expired", ec.sign(&with(&json!({ "exp": now() - 60 })))?, "CREDENTIALS_EXPIRED"),
        ("not good yet", ec.sign(&with(&json!({ "nbf": now() + 60 })))?, invalid),
        ("for another audience", ec.sign(&with(&json!({ "aud": "other" })))?, invalid),
        ("for no audience", ec.sign(&with(&json!({ "aud": null })))?, invalid),
        ("from another issuer", ec.sign(&with(&json!({ "iss": "https://other" })))?, invalid),
        ("from nobody", ec.sign(&with(&json!({ "iss": null })))?, invalid),
        ("without an end", ec.sign(&with(&json!({ "exp": null })))?, invalid),
        ("whose end is a text", ec.sign(&with(&json!({ "exp": "9999999999" })))?, invalid),
        ("of nobody", ec.sign(&with(&json!({ "sub": null })))?, invalid),
        ("signed by a stranger", stranger.sign(&claims())?, invalid),
        ("of an unknown key", elsewhere.sign(&claims())?, invalid),
        ("that brings its own key", with_own_key(&elsewhere)?, invalid),
        ("of another key's name", ec.sign_as(&named(&ec, "rsa"), &claims())?, invalid),
        ("that must be understood", ec.sign_as(&critical(&ec), &claims())?, invalid),
        ("HS256 by the RSA key", shared(&rsa, &rsa.public)?, invalid),
        ("HS256 by the set's bytes", shared(&rsa, key_set(&[&rsa])?.as_bytes())?, invalid),
        ("HS256 by nothing", shared(&rsa, b"")?, invalid),
    ];
    let good = ec.sign(&claims())?;
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts.as_slice() else {
        return Err(Failure::new("a token of other than three parts"));
    };
    let other = ec.sign(&with(&json!({ "sub": "mallory" })))?;
    let other_body = other.split('.').nth(1).unwrap_or_default();
    bad.push(("with other claims", format!("{head}.{other_body}.{signature}"), invalid));
    bad.push(("without its signature", format!("{head}.{body}."), invalid));
    bad.push(("without its end", format!("{head}.{body}"), invalid));
    bad.push(("with a part too many", format!("{good}.{signature}"), invalid));
    bad.push(("cut off", good[..good.len() - 1].to_owned(), invalid));
    for algorithm in ["none", "None", "NONE", ""] {
        let none = encoded(&json!({ "alg": algorithm, "typ": "JWT", "kid": "ec" }));
        bad.push(("alg:none", format!("{none}.{body}."), invalid));
        bad.push(("alg:none with a signature", format!("{none}.{body}.{signature}"), invalid));
    }
    for (what, token, reason) in bad {
        let found = get(&client, &token).await?;
        let expected = Some((Code::Unauthenticated, reason.to_owned()));
        expect_equal(format!("a token {what}"), found, expected)?;
    }
    for (what, token) in [("expired", with(&json!({ "exp": 1 }))), ("foreign", json!({}))] {
        let attempts = every_call(&client.with_token(&stranger.sign(&token)?)?, "main", "c").await;
        expect_allowed(what, &attempts, &[], Code::Unauthenticated, invalid)?;
    }
    expect(!server.log().contains(signature), "a token is in the log")
}

fn named(key: &Key, id: &str) -> Header {
    Header { kid: Some(id.to_owned()), ..key.header() }
}

fn critical(key: &Key) -> Header {
    Header { crit: Some(vec!["x".to_owned()]), ..key.header() }
}

fn with_own_key(key: &Key) -> Outcome<String> {
    let set: Value = serde_json::from_str(&key_set(&[key])?)?;
    let jwk = serde_json::from_value(set["keys"][0].clone())?;
    key.sign_as(&Header { jwk: Some(jwk), ..named(key, "ec") }, &claims())
}

/// A token by a secret that is a public key: whoever takes it for a shared one is fooled.
fn shared(key: &Key, secret: &[u8]) -> Outcome<String> {
    let header = Header { alg: Algorithm::HS256, ..key.header() };
    Ok(jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret))?)
}

/// The part of a token that says this, in the base64 of URLs.
fn encoded(part: &Value) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let text = part.to_string();
    let mut bits = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let digits = std::iter::from_fn(|| {
        let first = bits.next()?;
        Some((1..6).fold(first, |digit, _| digit << 1 | bits.next().unwrap_or(0)))
    });
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// A token that was good is refused once it has expired, however often it was shown.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_expires_in_use() -> Outcome {
    let folder = Folder::new()?;
    let key = Key::new("key", Algorithm::EdDSA)?;
    let more = format!("{}\nclock_skew = 0", in_file(&folder, &[&key])?);
    let server = start(&folder, ISSUER, &more).await?;
    let client = server.client().await?;
    let token = key.sign(&with(&json!({ "exp": now() + 3 })))?;
    expect_equal("a token that is good still", get(&client, &token).await?, None)?;
    let code = until("the token is refused", async || get(&client, &token).await).await?;
    expect_equal("why", code, (Code::Unauthenticated, "CREDENTIALS_EXPIRED".to_owned()))
}

/// Keys at a URL, over HTTP and HTTPS, named by the configuration or by the provider.
#[tokio::test(flavor = "multi_thread")]
async fn keys_at_a_url() -> Outcome {
    let folder = Folder::new()?;
    let authority = Authority::new(&folder.path("certificates"), "authority")?;
    let stranger = Authority::new(&folder.path("certificates"), "stranger")?;
    let own = authority.sign("provider", LOCAL_NAMES)?;
    let key = Key::new("key", Algorithm::ES256)?;
    let plain = Provider::start(0, key_set(&[&key])?, None).await?;
    let encrypted = Provider::start(0, key_set(&[&key])?, Some(&own)).await?;
    let ca = |of: &Authority| format!("jwks_ca_file = '{}'", of.certificate.display());
    let unverifiable = Some((Code::Unavailable, "CREDENTIALS_UNVERIFIABLE".to_owned()));
    for (issuer, more, found) in [
        (ISSUER.to_owned(), format!("jwks_url = '{}'", plain.url()), None),
        (plain.issuer(), String::new(), None),
        (encrypted.issuer(), ca(&authority), None),
        (encrypted.issuer(), ca(&stranger), unverifiable.clone()),
        (encrypted.issuer(), String::new(), unverifiable.clone()),
        (ISSUER.to_owned(), format!("jwks_url = '{}/none'", plain.url()), unverifiable),
    ] {
        let server = start(&folder, &issuer, &more).await?;
        let token = key.sign(&with(&json!({ "iss": issuer })))?;
        let answer = get(&server.client().await?, &token).await?;
        expect_equal(format!("{issuer} {more}: {}", server.log()), answer, found)?;
    }
    Ok(())
}

/// Tokens with made-up keys don't have the keys fetched each time.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_make_no_load() -> Outcome {
    let folder = Folder::new()?;
    let key = Key::new("key", Algorithm::ES256)?;
    let provider = Provider::start(0, key_set(&[&key])?, None).await?;
    let server = start(&folder, ISSUER, &format!("jwks_url = '{}'", provider.url())).await?;
    let client = server.client().await?;
    let begun = std::time::Instant::now();
    for n in 0..50 {
        let token = key.sign_as(&named(&key, &format!("made-up-{n}")), &claims())?;
        let answer = client.with_token(&token)?.collection("", "c").get("key").await;
        refused(answer, "an unknown key", Code::Unauthenticated, "CREDENTIALS_INVALID")?;
    }
    // one at the start, one for the first token, and one every 5 seconds
    let most = 2 + begun.elapsed().as_secs() / 5;
    let fetches = provider.fetches();
    expect(fetches as u64 <= most, format!("{fetches} fetches, expected {most} at most"))?;
    expect_equal("a good token", get(&client, &key.sign(&claims())?).await?, None)
}

/// A server starts without its issuer, says so, and takes tokens once the issuer is there.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_comes_later() -> Outcome {
    let folder = Folder::new()?;
    let key = Key::new("key", Algorithm::ES256)?;
    let port = ports::free()?;
    let more = format!("jwks_url = 'http://127.0.0.1:{port}/keys'\njwks_refresh = '1s'");
    let server = start(&folder, ISSUER, &more).await?;
    let client = server.client().await?;
    let known = client.with_token(&key.sign(&claims())?)?.collection("", "c");
    let answer = known.get("key").await;
    let error = refused(answer, "Get", Code::Unavailable, "CREDENTIALS_UNVERIFIABLE")?;
    error.expect_retry()?;
    let _provider = Provider::start(port, key_set(&[&key])?, None).await?;
    until("the token is taken", async || Ok(known.get("key").await.ok().map(|_| ()))).await
}

/// Keys are replaced while calls go on, in a file and at a URL: none fails. A key that was
/// taken out is not good any more, for tokens that were taken before neither.
#[tokio::test(flavor = "multi_thread")]
async fn keys_replaced_under_load() -> Outcome {
    for at_url in [true, false] {
        let folder = Folder::new()?;
        let first = Key::new("key-0", Algorithm::ES256)?;
        let provider = Provider::start(0, key_set(&[&first])?, None).await?;
        let file = in_file(&folder, &[&first])?;
        let url = format!("jwks_url = '{}'\njwks_refresh = '1s'", provider.url());
        let server = start(&folder, ISSUER, if at_url { &url } else { &file }).await?;
        let client = server.client().await?;
        let newest = Mutex::new(first.sign(&claims())?);
        let rounds = AtomicU64::new(0);
        let publish = |keys: &[&Key]| {
            provider.publish(key_set(keys)?);
            in_file(&folder, keys).map(drop)
        };
        let replacing = async {
            let mut old = first;
            for round in 1..4 {
                let key = Key::new(&format!("key-{round}"), Algorithm::ES256)?;
                publish(&[&old, &key])?;
                let token = key.sign(&claims())?;
                // the first time it is signed with at once: the server asks for it
                if round > 1 {
                    let known = async || Ok(get(&client, &token).await?.is_none().then_some(()));
                    until("the new key is known", known).await?;
                }
                let before = {
                    let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
                    std::mem::replace(&mut *newest, token)
                };
                expect_equal("a token of the old key", get(&client, &before).await?, None)?;
                let seen = rounds.load(Ordering::SeqCst);
                until("all calls show the newer token", async || {
                    Ok((rounds.load(Ordering::SeqCst) > seen + 1).then_some(()))
                })
                .await?;
                publish(&[&key])?;
                let gone = async || Ok(get(&client, &before).await?.map(|_| ()));
                until("the old key is not good any more", gone).await?;
                old = key;
            }
            Outcome::Ok(())
        };
        let calling = async {
            loop {
                let token = newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let here = client.with_token(&token)?.collection("", "c");
                here.put("key", "{}").await?;
                here.get_many(&["key"]).await?;
                rounds.fetch_add(1, Ordering::SeqCst);
            }
            #[expect(unreachable_code, reason = "it says what a failure is")]
            Outcome::Ok(())
        };
        tokio::select! {
            replaced = replacing => replaced?,
            failed = calling => failed?,
        }
    }
    Ok(())
}
