//! Stores a session and reads it again: `cargo run --example quickstart [ADDRESS]`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use kvgate_client::{Client, Ttl};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
struct Session {
    name: String,
    cart: Vec<u32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:50051".to_owned());
    let client = Client::new(address)?;
    let sessions = client.collection("sessions");

    let ada = Session { name: "Ada".to_owned(), cart: vec![1, 2] };
    sessions.put("user-7", &ada).ttl(Duration::from_hours(1)).await?;
    println!("{:?}", sessions.get::<Session>("user-7").await?);
    println!("{:?}", sessions.get::<Session>("user-8").await?);
    if let Some(Ttl::Left(left)) = sessions.ttl("user-7").await? {
        println!("lives {} seconds more", left.as_secs());
    }
    sessions.delete("user-7").await?;
    Ok(())
}
