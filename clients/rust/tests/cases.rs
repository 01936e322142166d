//! The cases that the clients of all languages must pass, each against a server of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::TryStreamExt;
use kvgate_client::{
    Client, Code, Collection, Error, ErrorKind, KeyResult, PutEntry, RawJson, Ttl,
};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

fn main() {
    let arguments = Arguments::from_args();
    let cases = std::fs::read_to_string(folder().join("cases.json")).expect("the list of cases");
    let cases: Vec<Value> = serde_json::from_str(&cases).expect("JSON");
    let trial = |case: Value| {
        let name = text(&case["name"]).to_owned();
        Trial::test(name, move || run(&case).map_err(|failure| Failed::from(failure.to_string())))
    };
    libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect()).exit();
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases")
}

fn run(case: &Value) -> Outcome {
    tokio::runtime::Runtime::new()?.block_on(async {
        let server_folder = Folder::new()?;
        server_folder.configure(&std::fs::read_to_string(folder().join("kvgate.toml"))?)?;
        let server = Server::start(&server_folder.configuration()).await?;
        let client = Client::new(server.place())?;
        let name = text(&case["name"]);
        for step in case["steps"].as_array().into_iter().flatten() {
            let step: Value =
                serde_json::from_str(&step.to_string().replace("{collection}", name))?;
            let client = client.with_store(step["store"].as_str().unwrap_or_default());
            check(&client, name, &step).await.map_err(|failure| failure.within(&step["call"]))?;
        }
        server.terminate().await
    })
}

async fn check(client: &Client, name: &str, step: &Value) -> Outcome {
    let answer = call(client, &client.collection(name), step).await?;
    match (answer, step.get("error")) {
        (Err(error), Some(expected)) => check_error(&error, expected),
        (Err(error), None) => Err(Failure::new(error)),
        (Ok(answer), None) => match step.get("expect") {
            Some(expected) => check_answer(text(&step["call"]), &answer, expected),
            None => Ok(()),
        },
        (Ok(_), Some(expected)) => Err(Failure::new(format!("it did not fail with {expected}"))),
    }
}

type Answer = Result<Value, Error>;

/// Makes the call of a step. The answer is JSON, as the case expects it.
async fn call(client: &Client, here: &Collection, step: &Value) -> Outcome<Answer> {
    let key = step["key"].as_str().unwrap_or_default();
    let keys = || names(&step["keys"]);
    let prefix = step["prefix"].as_str().unwrap_or_default();
    Ok(match text(&step["call"]) {
        "put" => put(here, key, step).await?,
        "get" if step["raw"] == json!(true) => {
            let entry = here.get_entry(key).await;
            entry.map(|entry| json!(entry.map(|entry| entry.value.as_str().to_owned())))
        }
        "get" => here.get::<Value>(key).await.map(|value| json!(value)),
        "delete" => here.delete(key).await.map(|deleted| json!(deleted)),
        "ttl" => here.ttl(key).await.map(shown),
        "ttl_many" => {
            let ttls = here.ttl_many(keys()).await;
            ttls.map(|ttls| ttls.into_iter().map(shown).collect())
        }
        "get_many" => here.get_many::<Value>(keys()).await.map(|values| json!(values)),
        "stream_get_many" => {
            let results = here.stream_get_many(futures::stream::iter(keys()));
            values(results.try_collect().await).map(|all| all.into_iter().map(|it| it.1).collect())
        }
        "put_many" => put_many(here, step).await?,
        "stream_put_many" => {
            let entries = futures::stream::iter(entries(&step["entries"]));
            here.stream_put_many(entries).ttl(ttl(step)?).await.map(|stored| json!(stored))
        }
        "delete_many" => here.delete_many(keys()).await.map(|deleted| json!(deleted)),
        "list_keys" => {
            let page_size = step["page_size"].as_u64().unwrap_or_default();
            let listed = here.list_keys_by(prefix, u32::try_from(page_size)?);
            sorted(listed.try_collect().await)
        }
        "list_collections" => sorted(client.list_collections(prefix).try_collect().await),
        "scan" => {
            let results = here.scan(prefix).try_collect().await;
            values(results).map(|all| Value::Object(all.into_iter().collect()))
        }
        "delete_collection" => here.delete_collection().await.map(|deleted| json!(deleted)),
        "store_type" => client.describe_store().await.map(|store| json!(store.store_type)),
        "cull" => client.cull().await.map(|culled| json!(culled)),
        call => return Err(Failure::new(format!("the case has an unknown call: {call}"))),
    })
}

async fn put(here: &Collection, key: &str, step: &Value) -> Outcome<Answer> {
    let put = match step["text"].as_str() {
        Some(text) => here.put(key, RawJson::from(text)),
        None => here.put(key, &step["value"]),
    };
    Ok(put.ttl(ttl(step)?).await.map(|()| Value::Null))
}

async fn put_many(here: &Collection, step: &Value) -> Outcome<Answer> {
    let put = here.put_many(entries(&step["entries"])).ttl(ttl(step)?);
    Ok(put.await.map(|()| Value::Null))
}

/// A `Duration` is never below zero: a ttl that is becomes zero, which is refused alike.
fn ttl(step: &Value) -> Outcome<Option<Duration>> {
    let seconds = step["ttl"].as_f64().map(|seconds| seconds.max(0.0));
    Ok(seconds.map(Duration::try_from_secs_f64).transpose()?)
}

fn values(results: Result<Vec<KeyResult>, Error>) -> Result<Vec<(String, Value)>, Error> {
    let value = |result: KeyResult| {
        let key = result.key.clone();
        Ok((key, json!(result.parse::<Value>()?)))
    };
    results?.into_iter().map(value).collect()
}

fn sorted(names: Result<Vec<String>, Error>) -> Answer {
    let mut names = names?;
    names.sort_unstable();
    Ok(json!(names))
}

fn shown(ttl: Option<Ttl>) -> Value {
    match ttl {
        None => json!("missing"),
        Some(Ttl::Forever) => json!("forever"),
        Some(Ttl::Left(left)) => json!(left.as_secs_f64()),
    }
}

fn check_answer(call: &str, answer: &Value, expected: &Value) -> Outcome {
    let made;
    let expected = if expected.get("repeat").is_some() {
        let entries = repeated(expected);
        made = match call {
            "list_keys" => {
                let mut keys: Vec<String> = entries.into_iter().map(|(key, _)| key).collect();
                keys.sort_unstable();
                json!(keys)
            }
            "scan" => Value::Object(entries.into_iter().collect()),
            _ => entries.into_iter().map(|(_, value)| value).collect(),
        };
        &made
    } else {
        expected
    };
    match (call, answer, expected) {
        ("ttl", _, _) => check_ttl(answer, expected),
        ("ttl_many", Value::Array(found), Value::Array(expected)) => {
            expect_equal("the number of ttls", found.len(), expected.len())?;
            found.iter().zip(expected).try_for_each(|(found, it)| check_ttl(found, it))
        }
        _ => expect_equal("the answer", answer, expected),
    }
}

fn check_ttl(found: &Value, expected: &Value) -> Outcome {
    let (Some(low), Some(high)) = (expected[0].as_f64(), expected[1].as_f64()) else {
        return expect_equal("the ttl", found, expected);
    };
    let within = found.as_f64().is_some_and(|found| low < found && found <= high);
    expect(within, format!("the ttl is {found}, not within {expected}"))
}

fn check_error(error: &Error, expected: &Value) -> Outcome {
    expect_equal("the code", code(error.code()), text(&expected["code"]))?;
    expect_equal("the reason", error.reason(), expected["reason"].as_str())?;
    if let Some(field) = expected["field"].as_str() {
        expect_equal("the field", error.field(), Some(field))?;
    }
    for (name, value) in expected["metadata"].as_object().into_iter().flatten() {
        expect_equal(name, error.metadata().get(name).map(String::as_str), value.as_str())?;
    }
    expect(error.kind() != ErrorKind::Other, "every error of the cases has a kind of its own")
}

fn code(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Unimplemented => "UNIMPLEMENTED",
        _ => "another code",
    }
}

fn names(keys: &Value) -> Vec<String> {
    if keys.get("repeat").is_some() {
        return repeated(keys).into_iter().map(|(key, _)| key).collect();
    }
    keys.as_array().into_iter().flatten().map(|key| text(key).to_owned()).collect()
}

fn entries(entries: &Value) -> Vec<PutEntry> {
    let entries = if entries.get("repeat").is_some() {
        repeated(entries)
    } else {
        let entries = entries.as_array().into_iter().flatten();
        entries.map(|entry| (text(&entry[0]).to_owned(), entry[1].clone())).collect()
    };
    entries.into_iter().map(|(key, value)| PutEntry::new(key, &value)).collect()
}

/// The entries that `repeat` stands for.
fn repeated(written: &Value) -> Vec<(String, Value)> {
    let repeat = &written["repeat"];
    let entry = |n: u64| {
        let key = text(&repeat["key"]).replace("{n}", &n.to_string());
        let number = |value: &Value| if value == "{n}" { json!(n) } else { value.clone() };
        let members = repeat["value"].as_object().into_iter().flatten();
        let value = members.map(|(name, value)| (name.clone(), number(value))).collect();
        (key, Value::Object(value))
    };
    (0..repeat["count"].as_u64().unwrap_or_default()).map(entry).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
