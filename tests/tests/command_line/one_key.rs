//! `get`, `put`, `delete` and `ttl`.

use kvgate_tests::failure::{Outcome, expect, expect_equal};

use crate::kvgate::Kvgate;

#[tokio::test]
async fn a_value_comes_back_letter_for_letter() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let text = r#"{ "n": 1.0,  "a": 12345678901234567890123 }"#;
    kvgate.run(&["put", "key", text]).await?.expect(0)?;
    let got = kvgate.run(&["get", "key"]).await?.expect(0)?;
    expect_equal("the value", got.out, format!("{text}\n"))?;
    expect_equal("standard error", got.err.as_str(), "")?;

    let lines = "{\n  \"from\": \"standard input\"\n}\n";
    kvgate.run_with(&["put", "key", "-"], lines).await?.expect(0)?;
    let got = kvgate.run(&["get", "key"]).await?.expect(0)?;
    expect_equal("the value", got.out, lines)?;
    let table = kvgate.run(&["get", "key", "--format", "table"]).await?.expect(0)?;
    expect(table.out.contains("CREATED") && table.out.contains("standard input"), table.out)
}

#[tokio::test]
async fn missing_is_an_exit_code() -> Outcome {
    let kvgate = Kvgate::start().await?;
    for call in ["get", "delete", "ttl"] {
        let done = kvgate.run(&[call, "nothing"]).await?.expect(3)?;
        expect_equal(call, (done.out.as_str(), done.err.as_str()), ("", ""))?;
    }
    kvgate.run(&["put", "key", "{}"]).await?.expect(0)?;
    kvgate.run(&["delete", "key"]).await?.expect(0)?;
    kvgate.run(&["get", "key"]).await?.expect(3)?;
    Ok(())
}

#[tokio::test]
async fn times_to_live() -> Outcome {
    let kvgate = Kvgate::start().await?;
    for (ttl, seconds) in [("1h", 3600.0), ("7d", 604_800.0), ("1h 30m", 5400.0), ("90", 90.0)] {
        kvgate.run(&["put", "key", "{}", "--ttl", ttl]).await?.expect(0)?;
        let left = kvgate.run(&["ttl", "key"]).await?.expect(0)?.json()?.as_f64();
        let near = left.is_some_and(|left| left <= seconds && left > seconds - 60.0);
        expect(near, format!("--ttl {ttl}: {left:?}"))?;
    }
    let table = kvgate.run(&["ttl", "key", "--format", "table"]).await?.expect(0)?;
    expect(table.out.contains("LIVES"), table.out)?;
    kvgate.run(&["put", "key", "{}"]).await?.expect(0)?;
    let forever = kvgate.run(&["ttl", "key"]).await?.expect(0)?;
    expect_equal("for ever", forever.out.as_str(), "null\n")?;
    for bad in ["soon", "-1s", "1 month"] {
        let done = kvgate.run(&["put", "key", "{}", &format!("--ttl={bad}")]).await?.expect(2)?;
        expect(done.err.contains("not a length of time"), done.err)?;
    }
    let zero = kvgate.run(&["put", "key", "{}", "--ttl", "0"]).await?.expect(2)?;
    expect(zero.err.contains("INVALID_TTL") && zero.err.contains("hint: "), zero.err)
}

#[tokio::test]
async fn stores_and_collections() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let place = ["--store", "other", "--collection", "a b"];
    kvgate.run(&[&["put", "key", "{\"n\":1}"][..], &place].concat()).await?.expect(0)?;
    kvgate.run(&["get", "key"]).await?.expect(3)?;
    kvgate.run(&["get", "key", "--store", "other"]).await?.expect(3)?;
    let got = kvgate.run(&[&["get", "key"][..], &place].concat()).await?.expect(0)?;
    expect_equal("the value", got.out.as_str(), "{\"n\":1}\n")
}

#[tokio::test]
async fn without_a_server() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let config = "[stores.files]\ntype = \"disk\"\ndirectory = \"data\"\n";
    std::fs::write(kvgate.folder.path("files.toml"), config)?;
    let put = ["put", "key", "{\"n\":1}", "--config", "files.toml"];
    kvgate.run(&put).await?.expect(0)?;
    kvgate.run(&["get", "key"]).await?.expect(3)?;
    let got = kvgate.run(&["get", "key", "--config", "files.toml"]).await?.expect(0)?;
    expect_equal("the value", got.out.as_str(), "{\"n\":1}\n")?;
    // what a server checks is checked here too
    let bad = kvgate.run(&["put", "key", "[]", "--config", "files.toml"]).await?.expect(2)?;
    expect(bad.err.contains("INVALID_VALUE"), bad.err)
}
