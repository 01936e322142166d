//! The ways into Vault that no setup has, and what happens when a way in is closed.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::vault::{Kind, Server};
use kvgate_tests::wait::until;
use rcgen::KeyPair;
use serde_json::{Value, json};
use tonic::Code;

/// The most that can be logged.
const LOG: &str = "[server.log]\nlevel = \"trace\"\n";

/// Makes a token of the policy that the setups' server has, with more that is said of it.
async fn make_token(vault: &Server, id: &str, more: Value) -> Outcome {
    let mut token = json!({ "id": id, "policies": ["kvgate", "default"], "no_parent": true });
    if let (Some(token), Value::Object(more)) = (token.as_object_mut(), more) {
        token.extend(more);
    }
    vault.api().post("auth/token/create", &token).await.map(|_| ())
}

/// A token that Vault forgets is replaced by the one that is in the file by then; a
/// token of the settings is not, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn token_file() -> Outcome {
    let folder = Folder::new()?;
    let vault = Server::start(&folder.path("vault"), Kind::Raft).await?;
    for id in ["first-token", "second-token"] {
        make_token(&vault, id, json!({})).await?;
    }
    let file = folder.path("token");
    std::fs::write(&file, "first-token\n")?;
    let url = vault.url_setting();
    let server = folder
        .start(&format!(
            "{LOG}[stores.main]\ntype = 'vault'\n{url}\
             token_file = '{}'\n\
             [stores.fixed]\ntype = 'vault'\n{url}token = 'first-token'\n",
            file.display()
        ))
        .await?;
    let client = server.client().await?;
    let (from_file, fixed) = (client.collection("main", "c"), client.collection("fixed", "c"));
    from_file.put("a-key", r#"{"n":"a-value"}"#).await?;
    expect(fixed.get("a-key").await?.is_some(), "the fixed token does not see the entry")?;
    std::fs::write(&file, "second-token\n")?;
    vault.api().post("auth/token/revoke", &json!({ "token": "first-token" })).await?;
    let found = from_file.value("a-key").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":"a-value"}"#.as_slice()))?;
    from_file.put("a-key", r#"{"n":2}"#).await?;
    let denied = fixed.get("a-key").await;
    let error = refused(denied, "Get", Code::PermissionDenied, "STORE_ACCESS_DENIED")?;
    expect(error.message.contains("credentials"), format!("it does not say why: {error}"))?;
    let log = server.log();
    for token in ["first-token", "second-token"] {
        expect(!error.message.contains(token), format!("the error shows {token}"))?;
    }
    // the libraries between the store and Vault would log all of these
    for secret in ["first-token", "second-token", "a-key", "a-value"] {
        expect(!log.contains(secret), format!("{secret} is in the log:\n{log}"))?;
    }
    Ok(())
}

/// A token that would end is renewed as long as calls come.
#[tokio::test(flavor = "multi_thread")]
async fn token_that_ends() -> Outcome {
    let folder = Folder::new()?;
    let vault = Server::start(&folder.path("vault"), Kind::Raft).await?;
    make_token(&vault, "token-that-ends", json!({ "ttl": "6s", "renewable": true })).await?;
    let url = vault.url_setting();
    let server = folder
        .start(&format!("[stores.main]\ntype = 'vault'\n{url}token = 'token-that-ends'\n"))
        .await?;
    let here = server.client().await?.collection("main", "c");
    here.put("key", "{}").await?;
    until("the token is renewed", async || {
        expect(here.get("key").await?.is_some(), "the entry is not there")?;
        let token = json!({ "token": "token-that-ends" });
        let known = vault.api().post("auth/token/lookup", &token).await?;
        Ok(known["data"]["last_renewal"].is_string().then_some(()))
    })
    .await
}

/// The role and the service account's token are sent as Vault's Kubernetes method wants
/// them. That method asks a Kubernetes, which no test has: in its place stands Vault's
/// JWT method, which is asked the same way and checks the token's signature itself.
#[tokio::test(flavor = "multi_thread")]
async fn kubernetes() -> Outcome {
    let folder = Folder::new()?;
    let vault = Server::start(&folder.path("vault"), Kind::Raft).await?;
    let api = vault.api();
    let pair = KeyPair::generate()?;
    api.post("sys/auth/kubernetes", &json!({ "type": "jwt" })).await?;
    let keys = json!({
        "jwt_validation_pubkeys": [pair.public_key_pem()], "jwt_supported_algs": ["ES256"],
    });
    api.post("auth/kubernetes/config", &keys).await?;
    let account = "system:serviceaccount:default:kvgate";
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_subject": account,
        "token_policies": ["kvgate"],
    });
    api.post("auth/kubernetes/role/kvgate", &role).await?;
    std::fs::write(folder.path("main"), signed(&pair, account)?)?;
    std::fs::write(folder.path("other"), signed(&pair, "system:serviceaccount:default:other")?)?;
    let store = |name: &str| {
        let (url, file) = (vault.url_setting(), folder.path(name));
        format!(
            "[stores.{name}]\ntype = 'vault'\n{url}kubernetes = {{ role = 'kvgate', \
             jwt_file = '{}' }}\n",
            file.display()
        )
    };
    let server = folder.start(&(store("main") + &store("other"))).await?;
    let client = server.client().await?;
    let here = client.collection("main", "c");
    here.put("key", r#"{"n":1}"#).await?;
    let found = here.value("key").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
    let denied = client.collection("other", "c").get("key").await;
    refused(denied, "Get", Code::PermissionDenied, "STORE_ACCESS_DENIED").map(|_| ())
}

/// A service account's token, signed as Kubernetes does it.
fn signed(pair: &KeyPair, account: &str) -> Outcome<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let (now, end) = (now.as_secs(), (now + Duration::from_hours(1)).as_secs());
    let claims = json!({ "sub": account, "iss": "kubernetes", "iat": now, "nbf": now, "exp": end });
    let key = EncodingKey::from_ec_der(pair.serialized_der());
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).map_err(Failure::from)
}
