//! One who issues tokens, and publishes the keys by which they are verified.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kvgate_tests::certificates::Files;
use kvgate_tests::failure::Outcome;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The issuer and audience of tokens that are good.
pub(crate) const ISSUER: &str = "https://idp.example";
pub(crate) const AUDIENCE: &str = "kvgate";

/// How long the head of an RSA key of 2,048 bits in PKCS #8 is, before the key itself.
const PKCS8_HEAD_BYTES: usize = 26;

/// A key that signs tokens.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    signing: EncodingKey,
    /// The public key.
    pub(crate) public: Vec<u8>,
}

impl Key {
    pub(crate) fn new(id: &str, algorithm: Algorithm) -> Outcome<Self> {
        let (pair, signing) = match algorithm {
            Algorithm::RS256 => {
                let pair = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
                let key = EncodingKey::from_rsa_der(&pair.serialized_der()[PKCS8_HEAD_BYTES..]);
                (pair, key)
            }
            Algorithm::ES256 => {
                let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                let key = EncodingKey::from_ec_der(pair.serialized_der());
                (pair, key)
            }
            _ => {
                let pair = KeyPair::generate_for(&PKCS_ED25519)?;
                let key = EncodingKey::from_ed_der(&ed25519_alone(&pair));
                (pair, key)
            }
        };
        let public = rcgen::PublicKeyData::der_bytes(&pair).to_vec();
        Ok(Self { id: id.to_owned(), algorithm, signing, public })
    }

    /// The header of its tokens.
    pub(crate) fn header(&self) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }
    }

    /// Signs claims.
    pub(crate) fn sign(&self, claims: &Value) -> Outcome<String> {
        self.sign_as(&self.header(), claims)
    }

    /// Signs claims under another header.
    pub(crate) fn sign_as(&self, header: &Header, claims: &Value) -> Outcome<String> {
        Ok(jsonwebtoken::encode(header, claims, &self.signing)?)
    }

    fn published(&self) -> Outcome<Value> {
        let mut key = serde_json::to_value(Jwk::from_encoding_key(&self.signing, self.algorithm)?)?;
        key["kid"] = self.id.as_str().into();
        key["use"] = "sig".into();
        Ok(key)
    }
}

/// The key in the first version of PKCS #8, which lacks the public key: the second, which
/// rcgen writes, is not taken by everybody.
fn ed25519_alone(pair: &KeyPair) -> Vec<u8> {
    // both versions have the same head but for a length and the version's number
    let mut der = pair.serialized_der()[..48].to_vec();
    (der[1], der[4]) = (0x2e, 0);
    der
}

/// What is published of keys.
pub(crate) fn key_set(keys: &[&Key]) -> Outcome<String> {
    let keys: Vec<Value> = keys.iter().map(|key| key.published()).collect::<Outcome<_>>()?;
    Ok(json!({ "keys": keys }).to_string())
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Claims of a token that is good for a while.
pub(crate) fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now() + 600, "roles": ["all"] })
}

/// A server of keys. Dropping it ends it.
pub(crate) struct Provider {
    address: SocketAddr,
    scheme: &'static str,
    keys: Arc<Mutex<String>>,
    fetches: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Provider {
    /// Begins to serve keys, over TLS if there is a certificate.
    pub(crate) async fn start(port: u16, keys: String, own: Option<&Files>) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (keys, fetches) = (Arc::new(Mutex::new(keys)), Arc::new(AtomicUsize::new(0)));
        let acceptor = own.map(acceptor).transpose()?;
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let site = Site {
            issuer: format!("{scheme}://localhost:{}", address.port()),
            keys: Arc::clone(&keys),
            fetches: Arc::clone(&fetches),
        };
        let serving = tokio::spawn(async move {
            // an error of accept concerns one connection
            while let Ok((stream, _)) = listener.accept().await {
                let (site, acceptor) = (site.clone(), acceptor.clone());
                tokio::spawn(async move {
                    // who breaks off gets no answer
                    match acceptor {
                        None => drop(site.answer(stream).await),
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                drop(site.answer(stream).await);
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { address, scheme, keys, fetches, serving })
    }

    /// What it calls itself as an issuer.
    pub(crate) fn issuer(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// Where its keys are.
    pub(crate) fn url(&self) -> String {
        format!("{}/keys", self.issuer())
    }

    /// Publishes other keys.
    pub(crate) fn publish(&self, keys: String) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// How often its keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn acceptor(own: &Files) -> Outcome<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(&std::fs::read(&own.certificate)?)
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&std::fs::read(&own.key)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What is at the provider's URLs.
#[derive(Clone)]
struct Site {
    issuer: String,
    keys: Arc<Mutex<String>>,
    fetches: Arc<AtomicUsize>,
}

impl Site {
    /// Answers one request and closes.
    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Outcome {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(Duration::from_secs(30), stream.read_u8()).await??;
            request.push(byte);
        }
        let (status, body) = if request.starts_with(b"GET /keys ") {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            ("200 OK", self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone())
        } else if request.starts_with(b"GET /.well-known/openid-configuration ") {
            let keys = format!("{}/keys", self.issuer);
            ("200 OK", json!({ "issuer": self.issuer, "jwks_uri": keys }).to_string())
        } else {
            ("404 Not Found", String::new())
        };
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n");
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
        Ok(stream.shutdown().await?)
    }
}
