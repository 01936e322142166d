//! The ways into Vault that no setup has, and what happens when a way in is closed.

use std::process::Command;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::setups::vault::{Kind, Server, start};
use serde_json::json;
use tonic::Code;

/// The token of the policy that the setups' server has, by the identifier.
async fn make_token(vault: &Server, id: &str) -> Outcome {
    let token = json!({ "id": id, "policies": ["kvgate"], "no_parent": true });
    vault.api().post("auth/token/create", &token).await.map(|_| ())
}

async fn revoke(vault: &Server, id: &str) -> Outcome {
    vault.api().post("auth/token/revoke", &json!({ "token": id })).await.map(|_| ())
}

/// A token that Vault forgets is replaced by the one that is in the file by then; a
/// token of the settings is not, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn token_file() -> Outcome {
    let folder = Folder::new()?;
    let vault = start(folder.path("vault"), Kind::Raft).await?;
    for id in ["first-token", "second-token"] {
        make_token(&vault, id).await?;
    }
    let file = folder.path("token");
    std::fs::write(&file, "first-token\n")?;
    let url = vault.url_setting();
    let server = folder
        .start(&format!(
            "[stores.file]\ntype = 'vault'\n{url}\
             login = {{ method = 'token_file', path = '{}' }}\n\
             [stores.fixed]\ntype = 'vault'\n{url}token = 'first-token'\n",
            file.display()
        ))
        .await?;
    let client = server.client().await?;
    let (from_file, fixed) = (client.collection("file", "c"), client.collection("fixed", "c"));
    from_file.put("key", r#"{"n":1}"#).await?;
    expect(fixed.get("key").await?.is_some(), "the fixed token does not see the entry")?;
    std::fs::write(&file, "second-token\n")?;
    revoke(&vault, "first-token").await?;
    let found = from_file.value("key").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
    from_file.put("key", r#"{"n":2}"#).await?;
    let denied = fixed.get("key").await;
    let error = refused(denied, "Get", Code::PermissionDenied, "STORE_ACCESS_DENIED")?;
    expect(error.message.contains("credentials"), format!("it does not say why: {error}"))?;
    let log = server.log();
    for token in ["first-token", "second-token"] {
        expect(!log.contains(token) && !error.message.contains(token), "a token is shown")?;
    }
    Ok(())
}

/// A path that the policy closes is denied, for that path alone.
#[tokio::test(flavor = "multi_thread")]
async fn denied_path() -> Outcome {
    let folder = Folder::new()?;
    let vault = start(folder.path("vault"), Kind::Raft).await?;
    let policy =
        "path \"secret/data/open::*\" { capabilities = [\"create\", \"read\", \"update\"] }";
    vault.api().post("sys/policies/acl/open", &json!({ "policy": policy })).await?;
    let token = json!({ "id": "open-token", "policies": ["open", "default"], "no_parent": true });
    vault.api().post("auth/token/create", &token).await?;
    let url = vault.url_setting();
    let server = folder
        .start(&format!("[stores.main]\ntype = 'vault'\n{url}token = 'open-token'\n"))
        .await?;
    let client = server.client().await?;
    let (open, closed) = (client.collection("main", "open"), client.collection("main", "closed"));
    open.put("key", "{}").await?;
    expect(open.get("key").await?.is_some(), "the entry is not there")?;
    for answer in [closed.put("key", "{}").await, closed.get("key").await.map(|_| ())] {
        let error = refused(answer, "call", Code::PermissionDenied, "STORE_ACCESS_DENIED")?;
        expect(error.message.contains("denies access"), format!("it does not say why: {error}"))?;
    }
    Ok(())
}

/// The role and the service account's token are sent as Vault's Kubernetes method wants
/// them. That method asks a Kubernetes, which no test has: in its place stands Vault's
/// JWT method, which is asked the same way and checks the token's signature itself.
#[tokio::test(flavor = "multi_thread")]
async fn kubernetes() -> Outcome {
    let folder = Folder::new()?;
    let vault = start(folder.path("vault"), Kind::Raft).await?;
    let api = vault.api();
    openssl(&folder, &["genrsa", "-out", "jwt.pem", "2048"])?;
    openssl(&folder, &["rsa", "-in", "jwt.pem", "-pubout", "-out", "jwt.pub"])?;
    let public = std::fs::read_to_string(folder.path("jwt.pub"))?;
    api.post("sys/auth/kubernetes", &json!({ "type": "jwt" })).await?;
    api.post("auth/kubernetes/config", &json!({ "jwt_validation_pubkeys": [public] })).await?;
    let account = "system:serviceaccount:default:kvgate";
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_subject": account,
        "token_policies": ["kvgate"],
    });
    api.post("auth/kubernetes/role/kvgate", &role).await?;
    std::fs::write(folder.path("account"), signed(&folder, account)?)?;
    std::fs::write(folder.path("other"), signed(&folder, "system:serviceaccount:default:other")?)?;
    let store = |name: &str| {
        let (url, file) = (vault.url_setting(), folder.path(name));
        format!(
            "[stores.{name}]\ntype = 'vault'\n{url}login = {{ method = 'kubernetes', \
             role = 'kvgate', jwt_file = '{}' }}\n",
            file.display()
        )
    };
    let server = folder.start(&(store("account") + &store("other"))).await?;
    let client = server.client().await?;
    let here = client.collection("account", "c");
    here.put("key", r#"{"n":1}"#).await?;
    let found = here.value("key").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
    let denied = client.collection("other", "c").get("key").await;
    refused(denied, "Get", Code::PermissionDenied, "STORE_ACCESS_DENIED").map(|_| ())
}

/// A service account's token, signed as Kubernetes does it.
fn signed(folder: &Folder, account: &str) -> Outcome<String> {
    let end = SystemTime::now() + Duration::from_hours(1);
    let end = end.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let header = json!({ "alg": "RS256", "typ": "JWT" }).to_string();
    let claims = json!({ "sub": account, "iss": "kubernetes", "exp": end }).to_string();
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    std::fs::write(folder.path("jwt.txt"), &text)?;
    openssl(folder, &["dgst", "-sha256", "-sign", "jwt.pem", "-out", "jwt.sig", "jwt.txt"])?;
    Ok(format!("{text}.{}", BASE64.encode(std::fs::read(folder.path("jwt.sig"))?)))
}

fn openssl(folder: &Folder, arguments: &[&str]) -> Outcome {
    let output = Command::new("openssl").args(arguments).current_dir(folder.directory()).output();
    let output = output.map_err(|error| Failure::from(error).within("starting openssl"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    expect(output.status.success(), format!("openssl {arguments:?}: {said}"))
}
