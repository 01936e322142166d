//! Every JSON object comes back as the text that was put, or as its equal, or is refused.

use bytes::Bytes;
use tonic::Code;

use crate::case::Case;
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect_equal};
use crate::rpc_error::refused;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("shapes", |context| texts(context, SHAPES)),
        Case::new("strings", |context| texts(context, STRINGS)),
        Case::new("numbers", |context| texts(context, NUMBERS)),
        Case::new("inner_white_space", |context| texts(context, INNER_WHITE_SPACE)),
        Case::new("order_of_members", order),
        Case::new("outer_white_space_is_dropped", outer_white_space),
        Case::new("nesting_of_128", nesting),
        Case::new("one_mebibyte", |context| size(context, 1 << 20)).own_server(),
        Case::new("three_mebibytes", |context| size(context, 3 << 20)).own_server(),
        Case::new("around_the_size_of_a_file", around_file_size),
        Case::new("every_call_returns_the_same_text", every_call),
    ]
}

const SHAPES: &[&str] = &[
    r"{}",
    r#"{"a":null,"b":true,"c":false,"d":0,"e":"","f":[],"g":{}}"#,
    r#"{"":""}"#,
    r#"{"a":[1,[2,[3,{"b":[]}]]]}"#,
    r#"{"z":1,"a":2,"m":3}"#,
    r#"{"same":1,"same":2,"same":{"same":3,"same":4}}"#,
    r#"{"value":{"version":1},"created_at":"never","expires_at":7,"key":"k","collection":"c"}"#,
    r#"{"__proto__":1,"$where":2,"a.b":3,"$set":{"c":4}}"#,
];

const STRINGS: &[&str] = &[
    r#"{"escapes":"\"\\\/\b\f\n\r\t"}"#,
    r#"{"nul":"before\u0000after"}"#,
    r#"{"nul\u0000name":1}"#,
    r#"{"escaped":"\u00e9\u00C9\ud83d\ude00"}"#,
    r#"{"lone high":"\ud800","lone low":"\udc00","swapped":"\udc00\ud800"}"#,
    r#"{"raw":"é É e\u0301 é 😀 中文 العربية עברית ไทย"}"#,
    "{\"not a line's end in JSON\":\"\u{2028}\u{2029}\u{85}\u{7f}\"}",
    "{\"unusual\":\"\u{feff}\u{200d}\u{fffd}\u{ffff}\u{10ffff}\"}",
    r#"{"solidus":"</script>","not a comment":"/* */ // #"}"#,
    r#"{"ключ 😀":"значение"}"#,
];

const NUMBERS: &[&str] = &[
    r#"{"n":1}"#,
    r#"{"n":1.0}"#,
    r#"{"n":1.00}"#,
    r#"{"n":-0}"#,
    r#"{"n":-0.0}"#,
    r#"{"n":0.1}"#,
    r#"{"n":1e300}"#,
    r#"{"n":1E+300}"#,
    r#"{"n":1e-7}"#,
    r#"{"n":1e5}"#,
    r#"{"n":9007199254740993}"#,
    r#"{"n":18446744073709551616}"#,
    r#"{"n":-9223372036854775809}"#,
    r#"{"n":123456789012345678901234567890123456789012345678901234567890}"#,
    r#"{"n":0.1000000000000000055511151231257827021181583404541015625}"#,
    r#"{"n":3.141592653589793238462643383279502884197}"#,
    r#"{"beyond a double":1e400,"below a double":1e-400}"#,
];

const INNER_WHITE_SPACE: &[&str] =
    &["{ }", "{\n  \"a\" : 1 ,\r\n\t\"b\":[ 1 , 2 ]\n}", "{\"a\":  {\n} }"];

async fn texts(context: Context, texts: &'static [&'static str]) -> Outcome {
    for (index, text) in texts.iter().enumerate() {
        let key = format!("key-{index}");
        let outcome = if context.takes_value(text) {
            context.round_trip(&key, *text).await
        } else {
            refuses(&context, &key, *text).await
        };
        outcome.map_err(|failure| failure.within(text))?;
    }
    Ok(())
}

/// A value for which the backend has no form is refused as a whole, not changed.
async fn refuses(context: &Context, key: &str, value: impl Into<Bytes>) -> Outcome {
    let here = &context.here;
    let answer = here.put(key, value).await;
    refused(answer, here.describe("Put", &key), Code::InvalidArgument, "INVALID_VALUE")?;
    expect_equal(here.describe("Get", &key), here.get(key).await?, None)
}

/// Members stay in their order even where a value is not kept letter for letter.
async fn order(context: Context) -> Outcome {
    const NAMES: [&str; 8] = ["z", "a", "10", "9", "M", "m", "", "é"];
    let members: Vec<String> = NAMES.iter().map(|name| format!("\"{name}\":1")).collect();
    let object = format!("{{{}}}", members.join(","));
    context.round_trip("key", format!("{{\"inner\":[{object}]}}")).await?;
    let found = context.here.value("key").await?.unwrap_or_default();
    let found = String::from_utf8(found.to_vec())?;
    let mut rest = found.as_str();
    for name in NAMES {
        let quoted = format!("\"{name}\"");
        let (_, after) = rest
            .split_once(&quoted)
            .ok_or_else(|| Failure::new(format!("{name:?} is not behind the others in {found}")))?;
        rest = after;
    }
    Ok(())
}

async fn outer_white_space(context: Context) -> Outcome {
    context.here.put("key", " \r\n\t{\"a\": 1}\n ").await?;
    let found = context.here.value("key").await?;
    context.expect_value(context.here.describe("Get", &"key"), found, &"{\"a\": 1}".into())
}

async fn nesting(context: Context) -> Outcome {
    let most = context.setup.facts.nesting_max.unwrap_or(128);
    let objects = |levels| nested("{\"a\":", "{}", "}", levels);
    // The value itself is the first level, and the innermost array the last.
    let arrays = |levels| format!("{{\"a\":{}}}", nested("[", "[]", "]", levels - 1));
    context.round_trip("objects", objects(most)).await?;
    context.round_trip("arrays", arrays(most)).await?;
    if most < 128 {
        refuses(&context, "deeper objects", objects(most + 1)).await?;
        refuses(&context, "deeper arrays", arrays(128)).await?;
    }
    Ok(())
}

/// `levels` levels, the innermost of which is `inner`.
pub(super) fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    format!("{}{inner}{}", open.repeat(levels - 1), close.repeat(levels - 1))
}

/// An object of exactly this many bytes.
pub(super) fn object_of(bytes: usize) -> Bytes {
    let frame = r#"{"pad":""}"#.len();
    format!(r#"{{"pad":"{}"}}"#, "x".repeat(bytes.saturating_sub(frame))).into()
}

async fn size(context: Context, bytes: usize) -> Outcome {
    let limit = context.limits.value_bytes_max;
    if limit == 0 || bytes <= usize::try_from(limit)? {
        return context.round_trip("key", object_of(bytes)).await;
    }
    let call = context.here.describe("Put", &"key");
    let answer = context.here.put("key", object_of(bytes)).await;
    refused(answer, call, Code::InvalidArgument, "VALUE_TOO_LARGE")?;
    Ok(())
}

/// Stores that keep small values in one place and large ones in another change
/// over somewhere near these sizes, counted with what they store beside them.
async fn around_file_size(context: Context) -> Outcome {
    for size in (32_400..=32_800).step_by(16) {
        context.round_trip(&format!("key-{size}"), object_of(size)).await?;
        let wide = format!(r#"{{"pad":"{}"}}"#, "é".repeat(size));
        context.round_trip("wide", wide).await?;
    }
    // From one place to the other and back.
    for size in [100, 100_000, 100, 200_000, 100_000] {
        context.round_trip("same", object_of(context.large(size))).await?;
    }
    Ok(())
}

/// Values that are easily changed on the way; the first that a store takes will do.
const ODD: &[&str] = &[
    r#"{ "b":1.0,"a":18446744073709551616,"a":"\ud800" }"#,
    r#"{ "b":1.0,"a":1,"a":"é" }"#,
    r#"{ "b":1.0,"a":18446744073709551616,"c":"\ud800" }"#,
];

/// `GetMany`, `Ttl`, the streams and the scan return what `Get` does.
async fn every_call(context: Context) -> Outcome {
    let here = &context.here;
    let odd = ODD.iter().copied().find(|text| context.takes_value(text)).unwrap_or("{}");
    let value = Bytes::from_static(odd.as_bytes());
    here.put("key", value.clone()).await?;
    let check =
        |call: &str, found| context.expect_value(here.describe(call, &"key"), found, &value);
    let first = |results: Vec<_>| results.into_iter().next();
    check("Ttl", here.ttl("key").await?.entry.map(|entry| entry.value))?;
    let found = first(here.ttl_many(&["key"]).await?).and_then(|result| result.entry);
    check("TtlMany", found.map(|entry| entry.value))?;
    let many = here.get_many(&["key"]).await?;
    let streamed = here.stream_results(vec!["key".to_owned()]).await?;
    for (call, results) in [("GetMany", many), ("StreamGetMany", streamed)] {
        let pairs = crate::client::found(results)?;
        let pair = pairs.into_iter().next().ok_or_else(|| Failure::new(call))?;
        check(call, pair.1)?;
    }
    if context.capabilities.list_keys {
        let entries = here.scan("").await?;
        check("ScanEntries", entries.into_iter().next().map(|entry| entry.value))?;
    }
    Ok(())
}
