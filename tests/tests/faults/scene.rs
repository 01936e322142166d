//! A backend, a server in front of it, and a store beside it that must not suffer.

use std::time::Duration;

use kvgate_tests::client::{Answer, Client, Collection};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::proxy::Proxy;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use kvgate_tests::setups::{Backend, Place};
use kvgate_tests::wait::{until, within};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Real;

/// How soon a store works again once its backend does.
pub(crate) const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Health is asked often, so that tests see it change.
const SERVER_SETTINGS: &str = "[server]\nlisten = \"127.0.0.1:0\"\nhealth_interval = \"1s\"\n";

/// A backend, and the configuration of a server with a store on it.
pub(crate) struct Scene {
    // Fields are dropped in this order.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) folder: Folder,
    pub(crate) real: Real,
}

impl Scene {
    /// Starts the backend and configures a store on it.
    pub(crate) async fn set(real: Real) -> Outcome<Self> {
        let folder = Folder::new()?;
        let backend = (real.backend.start)(folder.path("backend")).await?;
        let scene = Self { proxy: None, backend, folder, real };
        let place =
            Place { directory: &scene.folder.path("data"), backend: Some(scene.backend.as_ref()) };
        scene.configure(&(real.setup.settings)(&place))?;
        Ok(scene)
    }

    /// Like [`Scene::set`], with a proxy between the store and the backend; nothing
    /// if the backend can't be behind one.
    pub(crate) async fn set_behind_proxy(real: Real) -> Outcome<Option<Self>> {
        let mut scene = Self::set(real).await?;
        let proxy = Proxy::start(scene.backend.address()).await?;
        let Some(settings) = scene.backend.behind(proxy.address()) else {
            return Ok(None);
        };
        let store_type = real.setup.facts.store_type;
        scene.configure(&format!("type = \"{store_type}\"\n{settings}"))?;
        scene.proxy = Some(proxy);
        Ok(Some(scene))
    }

    /// Configures the store, and one beside it that needs nothing.
    pub(crate) fn configure(&self, settings: &str) -> Outcome {
        let name = self.real.setup.name;
        self.folder.configure(&format!(
            "{SERVER_SETTINGS}default_store = \"{name}\"\n[stores.beside]\ntype = \"simple\"\n\
             [stores.{name}]\n{settings}"
        ))
    }

    /// Starts the server.
    pub(crate) async fn start(&self) -> Outcome<Front> {
        let server = Server::start(&self.folder.configuration()).await?;
        let client = server.client().await?;
        Ok(Front { store: self.real.setup.name, server, client })
    }
}

/// A running server.
pub(crate) struct Front {
    store: &'static str,
    pub(crate) server: Server,
    pub(crate) client: Client,
}

impl Front {
    /// A collection of the store.
    pub(crate) fn here(&self) -> Collection {
        self.client.collection(self.store, "faults")
    }

    /// Checks that the other store works and that the server is fit as a whole.
    pub(crate) async fn expect_others_fine(&self) -> Outcome {
        let beside = self.client.collection("beside", "faults");
        beside.put("key", r#"{"n":1}"#).await?;
        let found = beside.value("key").await?;
        expect_equal("Get of the other store", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
        for service in ["", "keyvalue.v1.KeyValueService", "stores/beside"] {
            expect_equal(
                format!("health of {service:?}"),
                self.health(service).await?,
                ServingStatus::Serving,
            )?;
        }
        Ok(())
    }

    /// Waits until health says this of the store.
    pub(crate) async fn until_health(&self, status: ServingStatus) -> Outcome {
        let name = format!("stores/{}", self.store);
        until(format!("health of {name} is {status:?}"), async || {
            Ok((self.health(&name).await? == status).then_some(()))
        })
        .await
    }

    /// Waits until the store works, as soon as it must once its backend does.
    pub(crate) async fn until_recovered(&self) -> Outcome {
        let here = self.here();
        let mut last = None;
        let recovered = within(RECOVERY_MAX, "the store works again", async || {
            match here.put("recovered", r#"{"n":1}"#).await {
                Ok(()) => Ok(Some(())),
                Err(error) => {
                    last = Some(error.to_string());
                    Ok(None)
                }
            }
        });
        recovered.await.map_err(|failure| failure.within(last.unwrap_or_default()))?;
        let found = here.value("recovered").await?;
        expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))
    }

    /// Checks that every call says that the store is unavailable and when to try
    /// again.
    pub(crate) async fn expect_unavailable(&self) -> Outcome {
        let here = self.here();
        let entries = vec![kvgate_tests::client::entry("many", "{}")];
        unavailable("Get", here.get("key").await)?;
        unavailable("Ttl", here.ttl("key").await)?;
        unavailable("Put", here.put("key", "{}").await)?;
        unavailable("Delete", here.delete("key").await)?;
        let many = here.get_many(&["a", "b"]).await;
        if let Ok(results) = many {
            // a store of several hosts answers for each key
            for result in results {
                unavailable("result of GetMany", kvgate_tests::client::outcome(result))?;
            }
        } else {
            unavailable("GetMany", many)?;
        }
        unavailable("PutMany", here.put_many(entries).await)
    }

    /// Checks that nothing panicked and that the log holds no secret.
    pub(crate) fn expect_clean_log(&self) -> Outcome {
        let log = self.server.log();
        expect(!log.contains("panicked"), format!("the log tells of a panic:\n{log}"))
    }

    async fn health(&self, service: &str) -> Outcome<ServingStatus> {
        let mut client = HealthClient::new(self.client.channel());
        let request = HealthCheckRequest { service: service.to_owned() };
        Ok(client.check(request).await?.into_inner().status())
    }
}

/// Checks that a call failed for want of its backend.
pub(crate) fn unavailable<T: std::fmt::Debug>(call: &str, answer: Answer<T>) -> Outcome {
    let error = refused(answer, call, Code::Unavailable, "STORE_UNAVAILABLE")?;
    error.expect_retry().map_err(|failure: Failure| failure.within(call))
}
