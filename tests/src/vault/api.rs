//! Vault's HTTP interface, as far as the tests use it themselves.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::wait::PATIENCE;

/// A client of one server.
#[derive(Clone)]
pub struct Api {
    http: Client,
    url: String,
    token: Arc<Mutex<String>>,
}

impl Api {
    /// A client that trusts the certificate, if there is one.
    pub(super) fn new(url: String, certificate: Option<&Path>) -> Outcome<Self> {
        let mut http = Client::builder().timeout(PATIENCE);
        if let Some(certificate) = certificate {
            http = http.tls_certs_only([Certificate::from_pem(&std::fs::read(certificate)?)?]);
        } else {
            http = http.tls_certs_only([]);
        }
        Ok(Self { http: http.build()?, url, token: Arc::default() })
    }

    /// Shows this token from now on.
    pub(super) fn use_token(&self, token: &str) {
        token.clone_into(&mut self.token.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is at a path; nothing if it is not there.
    pub async fn get(&self, path: &str) -> Outcome<Option<Value>> {
        self.ask("GET", path, &Value::Null).await
    }

    /// The names in a directory of the entries.
    pub(super) async fn list(&self, directory: &str) -> Outcome<Vec<String>> {
        let path = format!("secret/metadata/{}", escaped(directory));
        let answer = self.ask("LIST", &path, &Value::Null).await?.unwrap_or_default();
        let names = answer["data"]["keys"].as_array().cloned().unwrap_or_default();
        Ok(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Sends something.
    pub async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        Ok(self.ask("POST", path, body).await?.unwrap_or_default())
    }

    /// Whether a path can be read by now.
    pub(super) async fn is_ready(&self, path: &str) -> bool {
        self.ask("GET", path, &Value::Null).await.is_ok_and(|answer| answer.is_some())
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Outcome<Option<Value>> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let url = format!("{}/v1/{path}", self.url);
        let mut request = self.http.request(Method::from_bytes(method.as_bytes())?, url);
        if !token.is_empty() {
            request = request.header("X-Vault-Token", token);
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(Failure::new(format!("Vault, {method} {path}: {status} {text}")));
        }
        let text = if text.is_empty() { "null" } else { text.as_str() };
        Ok(Some(serde_json::from_str(text)?))
    }
}

/// A path as part of a URL.
pub(super) fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let escape = |byte: u8| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.bytes().map(escape).collect()
}
