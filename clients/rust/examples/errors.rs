//! What goes wrong and how it is told: `cargo run --example errors [ADDRESS]`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use kvgate_client::{Client, ErrorKind, RawJson};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:50051".to_owned());
    let client = Client::builder(address).timeout(Duration::from_secs(5)).build()?;
    let users = client.collection("users");

    let (ada, nobody) = (json!({ "name": "Ada" }), json!({ "name": "nobody" }));
    match users.put_many([("7", &ada), ("", &nobody)]).await {
        Err(error) if error.kind() == ErrorKind::InvalidArgument => {
            println!("{} in {}", error, error.field().unwrap_or("the request"));
        }
        other => other?,
    }
    if let Err(error) = client.with_store("elsewhere").collection("").get::<Value>("7").await {
        println!("{:?}: {:?}", error.reason(), error.metadata().get("store"));
    }
    if let Err(error) = users.put("7", RawJson::from("this is no JSON object")).await {
        println!("{:?} {:?}", error.code(), error.reason());
    }
    let nobody = Client::builder("http://localhost:1").attempts_max(2).build()?;
    if let Err(error) = nobody.collection("").get::<Value>("7").await {
        println!("not reached, tried {} times", error.attempts());
    }
    Ok(())
}
