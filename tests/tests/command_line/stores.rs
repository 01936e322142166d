//! `stores` and `completions`.

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use serde_json::json;

use crate::kvgate::Kvgate;

#[tokio::test]
async fn stores_of_a_server() -> Outcome {
    let kvgate = Kvgate::start().await?;
    let table = kvgate.run(&["stores"]).await?.expect(0)?;
    for word in ["STORE", "main (default)", "sealed", "memory", "answers", "list_keys"] {
        expect(table.out.contains(word), format!("no {word:?} in {}", table.out))?;
    }
    let stores = kvgate.run(&["stores", "--format", "json"]).await?.expect(0)?.lines()?;
    expect_equal("stores", stores.len(), 3)?;
    let main = &stores[0];
    expect_equal("main", (&main["name"], &main["is_default"]), (&json!("main"), &json!(true)))?;
    expect_equal("main answers", &main["answers"], &json!(true))?;
    expect_equal("main lists", &main["capabilities"]["list_keys"], &json!(true))
}

#[tokio::test]
async fn stores_of_a_configuration() -> Outcome {
    let kvgate = Kvgate::start().await?;
    // nobody listens on the port that nobody may use
    let config = "server.default_store = \"up\"\n[stores.up]\ntype = \"memory\"\n\
                  [stores.down]\ntype = \"redis\"\nurl = \"redis://127.0.0.1:1\"\n";
    std::fs::write(kvgate.folder.path("two.toml"), config)?;
    let stores = ["stores", "--format", "json", "--config", "two.toml"];
    let stores = kvgate.run(&stores).await?.expect(0)?.lines()?;
    let answers: Vec<_> = stores.iter().map(|store| (&store["name"], &store["answers"])).collect();
    let (down, up) = ((&json!("down"), &json!(false)), (&json!("up"), &json!(true)));
    expect_equal("what answers", answers, [down, up])
}

#[tokio::test]
async fn completions_of_every_shell() -> Outcome {
    let kvgate = Kvgate::start().await?;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = kvgate.run(&["completions", shell]).await?.expect(0)?;
        let complete = ["kvgate", "export", "overwrite"].iter().all(|it| script.out.contains(it));
        expect(complete, format!("{shell} lacks something"))?;
    }
    Ok(())
}
