//! Values and times that no store takes.

use bytes::Bytes;
use prost_types::Duration;

use super::values::nested;
use crate::case::Case;
use crate::client::{entry, found};
use crate::context::Context;
use crate::failure::{Outcome, expect, expect_equal};
use crate::rpc_error::refused_field;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::any_store("not_an_object", not_an_object),
        Case::any_store("not_json", not_json),
        Case::any_store("not_utf8", not_utf8),
        Case::any_store("nesting_of_129", nesting),
        Case::any_store("nesting_of_a_million", deep_nesting),
        Case::any_store("ttl_of_put", ttl_of_put),
        Case::any_store("ttl_of_put_many", ttl_of_put_many),
        Case::any_store("a_message_holds_no_value", no_value_in_message),
        Case::new("a_refused_put_changes_nothing", changes_nothing),
    ]
}

const NOT_AN_OBJECT: &[&str] =
    &["[]", "[{}]", "1", "-1.5", "\"\"", "\"{}\"", "null", "true", "false"];

const NOT_JSON: &[&str] = &[
    "",
    " ",
    "{",
    "}",
    "{}{}",
    "{} x",
    "{},",
    "x",
    "{'a':1}",
    "{a:1}",
    r#"{"a"}"#,
    r#"{"a":}"#,
    r#"{"a":1,}"#,
    r#"{,"a":1}"#,
    r#"{"a":1 "b":2}"#,
    r#"{"a":[1,]}"#,
    r#"{"a":[1}"#,
    r#"{"a":NaN}"#,
    r#"{"a":nan}"#,
    r#"{"a":Infinity}"#,
    r#"{"a":-Infinity}"#,
    r#"{"a":undefined}"#,
    r#"{"a":True}"#,
    r#"{"a":01}"#,
    r#"{"a":+1}"#,
    r#"{"a":1.}"#,
    r#"{"a":.5}"#,
    r#"{"a":0x1}"#,
    r#"{"a":1e}"#,
    r#"{"a":-}"#,
    r#"{"a":"b}"#,
    r#"{"a":"\x41"}"#,
    r#"{"a":"\u12"}"#,
    r#"{"a":"\u{41}"}"#,
    "{\"a\":\"line\nend\"}",
    "{\"a\":\"tab\there\"}",
    "{\"a\":\"nul\0here\"}",
    "{\"a\":1}\0",
    "\u{feff}{}",
    "\u{a0}{}",
    "{\u{b}}",
    "{}//",
    "/**/{}",
];

async fn expect_bad_value(context: &Context, value: impl Into<Bytes>) -> Outcome {
    let here = &context.here;
    let value = value.into();
    let names = ("bad", String::from_utf8_lossy(&value).into_owned());
    let answer = here.put("bad", value.clone()).await;
    let error = refused_field(answer, here.describe("Put", &names), "INVALID_VALUE", "value")?;
    let text = format!("a description in {error}");
    expect(error.violations.iter().all(|(_, description)| !description.is_empty()), text)?;
    let answer = here.put_many(vec![entry("good", "{}"), entry("bad", value)]).await;
    let call = here.describe("PutMany", &names);
    refused_field(answer, call, "INVALID_VALUE", "entries[1].value")?;
    let stored = found(here.get_many(&["good", "bad"]).await?)?;
    let stored = stored.into_iter().find(|(_, value)| value.is_some());
    expect_equal(format!("stored by {}", here.describe("Put", &names)), stored, None)
}

async fn not_an_object(context: Context) -> Outcome {
    for value in NOT_AN_OBJECT {
        expect_bad_value(&context, *value).await?;
    }
    Ok(())
}

async fn not_json(context: Context) -> Outcome {
    for value in NOT_JSON {
        expect_bad_value(&context, *value).await?;
    }
    Ok(())
}

async fn not_utf8(context: Context) -> Outcome {
    let texts: [&[u8]; 6] = [
        b"{\"a\":\"\xff\"}",
        b"{\"a\xc3\":1}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{\"a\":\"\xc0\x80\"}",
        b"\xff\xfe{\0}\0",
        b"{}\xff",
    ];
    for text in texts {
        expect_bad_value(&context, text).await?;
    }
    Ok(())
}

async fn nesting(context: Context) -> Outcome {
    expect_bad_value(&context, nested("{\"a\":", "{}", "}", 129)).await?;
    expect_bad_value(&context, format!("{{\"a\":{}}}", nested("[", "[]", "]", 128))).await
}

/// A parser that recurses would end the server here.
async fn deep_nesting(context: Context) -> Outcome {
    for text in [
        format!("{{\"a\":{}}}", nested("[", "[]", "]", 1_000_000)),
        format!("{{\"a\":{}", "[".repeat(3_000_000)),
        "{\"a\":".repeat(500_000),
    ] {
        let answer = context.here.put("bad", text).await;
        let call = context.here.describe("Put", &"deeply nested");
        refused_field(answer, call, "INVALID_VALUE", "value")?;
    }
    Ok(())
}

const BAD_TTLS: &[Duration] = &[
    Duration { seconds: 0, nanos: 0 },
    Duration { seconds: -1, nanos: 0 },
    Duration { seconds: 0, nanos: -1 },
    Duration { seconds: -1, nanos: 1 },
    Duration { seconds: 0, nanos: i32::MIN },
    // The longest that the message may carry, which ends after the year 9999.
    Duration { seconds: 315_576_000_000, nanos: 0 },
    Duration { seconds: i64::MAX, nanos: 999_999_999 },
    Duration { seconds: i64::MIN, nanos: 0 },
];

async fn ttl_of_put(context: Context) -> Outcome {
    let here = &context.here;
    for ttl in BAD_TTLS {
        let call = here.describe("Put", &("bad", ttl));
        let answer = here.put_with("bad", "{}", Some(*ttl)).await;
        refused_field(answer, call, "INVALID_TTL", "ttl")?;
    }
    expect_equal(here.describe("Get", &"bad"), here.get("bad").await?, None)
}

async fn ttl_of_put_many(context: Context) -> Outcome {
    let here = &context.here;
    for ttl in BAD_TTLS {
        let mut bad = entry("bad", "{}");
        bad.ttl = Some(*ttl);
        let call = here.describe("PutMany", &("bad", ttl));
        let answer = here.put_many(vec![entry("good", "{}"), bad]).await;
        refused_field(answer, &call, "INVALID_TTL", "entries[1].ttl")?;
        let answer = here.put_many_with(vec![entry("good", "{}")], Some(*ttl)).await;
        refused_field(answer, &call, "INVALID_TTL", "ttl")?;
    }
    expect_equal(here.describe("Get", &"good"), here.get("good").await?, None)
}

/// Values may be secrets: no message, and nothing beside it, has one.
async fn no_value_in_message(context: Context) -> Outcome {
    for value in [r#"["hunter2"]"#, r#"{"password":"hunter2"#, r#"{"a":hunter2}"#, "hunter2"] {
        let answer = context.here.put("key", value).await;
        let error = refused_field(answer, "Put", "INVALID_VALUE", "value")?;
        expect(!error.to_string().contains("hunter2"), format!("the value is in: {error}"))?;
    }
    let log = context.running.server.log();
    expect(!log.contains("hunter2"), "the value is in the server's log")
}

async fn changes_nothing(context: Context) -> Outcome {
    let here = &context.here;
    here.put("key", r#"{"old":1}"#).await?;
    let before = here.get("key").await?;
    let refused = [
        here.put("key", "[]").await.is_err(),
        here.put_with("key", "{}", Some(BAD_TTLS[0])).await.is_err(),
        here.put_many(vec![entry("key", "{}"), entry("", "{}")]).await.is_err(),
    ];
    expect_equal("refused", refused, [true; 3])?;
    expect_equal(here.describe("Get", &"key"), here.get("key").await?, before)
}
