//! `bench`.

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use serde_json::json;

use crate::kvgate::Kvgate;

const SHORT: [&str; 6] = ["--duration", "500ms", "--warmup", "0s", "--keys", "100"];

#[tokio::test(flavor = "multi_thread")]
async fn every_call() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let mix = "get=1,put=1,delete=1,ttl=1,get_many=1,put_many=1";
    let bench = ["bench", "--mix", mix, "--batch", "10", "--format", "json"];
    let report = kvgate.run(&[&bench[..], &SHORT].concat()).await?.expect(0)?.json()?;
    for call in ["get", "put", "delete", "ttl", "get_many", "put_many"] {
        let figures = &report["by_call"][call];
        let latency = &figures["latency_us"];
        let counted = figures["calls"].as_u64().is_some_and(|calls| calls > 0);
        let ordered = latency["p50"].as_u64() <= latency["p99"].as_u64()
            && latency["p99"].as_u64() <= latency["max"].as_u64();
        expect(counted && ordered, format!("{call}: {figures}"))?;
    }
    expect_equal("failures", &report["failures"], &json!({}))?;
    let left = kvgate.run(&["list", "--collection", "kvgate-bench"]).await?.expect(0)?;
    expect_equal("keys that are left", left.out.as_str(), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_and_what_fails() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let keep = ["bench", "--mix", "put", "--keep", "--collection", "mine"];
    let table = kvgate.run(&[&keep[..], &SHORT].concat()).await?.expect(0)?;
    expect(table.out.contains("P99.9") && table.out.contains("put"), table.out)?;
    let kept = kvgate.run(&["list", "--collection", "mine"]).await?.expect(0)?;
    expect_equal("keys that are kept", kept.out.lines().count(), 100)?;
    let sealed = kvgate.run(&[&["bench", "--store", "sealed"][..], &SHORT].concat()).await?;
    expect(sealed.expect(1)?.err.contains("storing the keys"), "why it failed")
}
