//! `kvgate stores`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use futures::stream::{self, StreamExt, TryStreamExt};
use kvgate_client::{Capabilities, Client, Health, Stability};
use serde_json::{Value, json};

use super::in_process;
use super::output::{Format, print, table};
use super::place::Server;

/// How many stores are asked at once whether they answer.
const ASKED_AT_ONCE: usize = 16;

/// Show the stores of a server, or of a configuration: what they can do, and whether they
/// answer.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How to print: a table, or a JSON object a line.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

type Store = kvgate_client::Store;

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { format, server } = arguments;
    let client = match &server.config {
        Some(file) => {
            let stores = in_process::open(file)?;
            // a server has asked them long before
            stores.health.begin().await;
            Client::builder("").service(stores.router).timeout(server.timeout).build()?
        }
        None => server.client(1)?,
    };
    let stores = stream::iter(client.list_stores().await?);
    let asked = stores.map(|store| async {
        let health = client.health(&store.name).await?;
        anyhow::Ok((store, health))
    });
    let stores: Vec<_> = asked.buffered(ASKED_AT_ONCE).try_collect().await?;
    match format {
        Format::Json => {
            let mut out = io::stdout().lock();
            for (store, health) in &stores {
                writeln!(out, "{}", as_json(store, *health))?;
            }
            out.flush()?;
        }
        Format::Table => {
            let mut table = table(&["STORE", "TYPE", "HEALTH", "STORED FORM", "CAN", "IS"]);
            for (store, health) in &stores {
                let name = if store.is_default { " (default)" } else { "" };
                table.add_row([
                    format!("{}{name}", store.name),
                    store.store_type.clone(),
                    word(*health).to_owned(),
                    stability(store.stability).to_owned(),
                    named(&can(&store.capabilities)),
                    named(&is(&store.capabilities)),
                ]);
            }
            print(&table)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Serving => "answers",
        Health::NotServing => "DOES NOT ANSWER",
        _ => "unknown",
    }
}

fn stability(stability: Stability) -> &'static str {
    match stability {
        Stability::Stable => "stable",
        Stability::Unstable => "unstable",
        Stability::NotApplicable => "none",
        Stability::Unspecified => "unknown",
    }
}

/// What a store can do beyond getting, putting and deleting.
fn can(has: &Capabilities) -> [(&'static str, bool); 5] {
    [
        ("list_keys", has.list_keys),
        ("list_collections", has.list_collections),
        ("delete_collection", has.delete_collection),
        ("destroy", has.destroy),
        ("cull", has.cull),
    ]
}

/// How it keeps entries.
fn is(has: &Capabilities) -> [(&'static str, bool); 5] {
    [
        ("exact_values", has.exact_values),
        ("persistent", has.persistent),
        ("shared", has.shared),
        ("retains", has.retains),
        ("evicts", has.evicts),
    ]
}

fn named(facts: &[(&str, bool)]) -> String {
    let true_ones: Vec<&str> = facts.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if true_ones.is_empty() { "-".to_owned() } else { true_ones.join(" ") }
}

fn as_json(store: &Store, health: Health) -> Value {
    let has = &store.capabilities;
    let facts = can(has).into_iter().chain(is(has));
    let capabilities: serde_json::Map<_, _> =
        facts.map(|(name, is)| (name.to_owned(), json!(is))).collect();
    let answers = match health {
        Health::Serving => json!(true),
        Health::NotServing => json!(false),
        _ => Value::Null,
    };
    let limit = |bytes: i64| (bytes > 0).then_some(bytes);
    json!({
        "name": store.name,
        "type": store.store_type,
        "is_default": store.is_default,
        "answers": answers,
        "stability": stability(store.stability),
        "capabilities": capabilities,
        "limits": {
            "key_bytes_max": limit(store.limits.key_bytes_max),
            "collection_bytes_max": limit(store.limits.collection_bytes_max),
            "value_bytes_max": limit(store.limits.value_bytes_max),
        },
        "description": store.description,
    })
}
