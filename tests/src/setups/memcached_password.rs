//! A memcached that asks for a user and a password.

use super::memcached::{FACTS, Memcached, Server, USER};
use super::{Backend, GetManyCost, RealBackend, Setup};

const PASSWORD: &str = "open-sesame";

pub(super) const SETUP: Setup = Setup {
    name: "memcached_password",
    settings: |place| format!("type = \"memcached\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "one that asks for a user and a password (`-Y`)",
        start: |directory| {
            Box::pin(async move {
                std::fs::create_dir_all(&directory)?;
                let file = directory.join("auth");
                std::fs::write(&file, format!("{USER}:{PASSWORD}\n"))?;
                let arguments = ["-Y".to_owned(), file.display().to_string()];
                let servers = vec![Server::start(&directory, "one", &arguments).await?];
                let (password, access) = (Some(PASSWORD), String::new());
                Ok(Box::new(Memcached { servers, password, access }) as Box<dyn Backend>)
            })
        },
        keeps_entries: false,
        get_many: GetManyCost { round_trips: Some(1), commands: Some(1) },
    }),
    // its store can't log in
    python: None,
    facts: FACTS,
};
