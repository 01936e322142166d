//! Loads 100,000 entries, scans them, and removes them: `cargo run --example bulk [ADDRESS]`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use futures::TryStreamExt;
use kvgate_client::{Client, PutEntry};
use serde::{Deserialize, Serialize};

const COUNT: u32 = 100_000;

#[derive(Deserialize, Serialize)]
struct Reading {
    celsius: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:50051".to_owned());
    let readings = Client::new(address)?.collection("readings");

    // made as they are sent: any number does
    let entries = (0..COUNT).map(|n| {
        let reading = Reading { celsius: 15.0 + f64::from(n % 100) / 10.0 };
        PutEntry::new(format!("sensor-{}/{n}", n % 3), &reading)
    });
    let stored = readings
        .stream_put_many(futures::stream::iter(entries))
        .ttl(Duration::from_hours(1))
        .on_stored(|stored| {
            if stored % 25_000 == 0 {
                println!("{stored} of {COUNT}");
            }
        })
        .await?;
    println!("stored {stored}");

    let mut warmest = f64::MIN;
    let mut results = readings.scan("sensor-1");
    while let Some(result) = results.try_next().await? {
        match result.outcome {
            Ok(Some(entry)) => warmest = warmest.max(entry.parse::<Reading>()?.celsius),
            Ok(None) => {}
            Err(error) => println!("{}: {error}", result.key),
        }
    }
    println!("the warmest of sensor 1: {warmest}");
    readings.delete_collection().await?;
    Ok(())
}
