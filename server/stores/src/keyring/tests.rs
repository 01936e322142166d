use kvgate_core::name::Sanitize;
use kvgate_core::{Kind, SystemClock};

use super::items::{NameLimits, TextLimit};
use super::*;

const ALL: NameLimits = NameLimits { part_bytes_max: None, ignores_case: false };
const WINDOWS: NameLimits = NameLimits { part_bytes_max: Some(250), ignores_case: true };

fn names(sanitize: Sanitize, limits: NameLimits) -> Names {
    Names { sanitize, limits }
}

#[test]
fn what_the_keyring_takes_stands_in_it_as_python_writes_it() {
    let names = names(Sanitize::Auto, ALL);
    let long = "k".repeat(4096);
    for key in ["key", "Key", "a::b", "S_a", "é", " ", "\n", &long] {
        assert_eq!(names.user("c", key).expect(key), format!("c::{key}"));
    }
    for collection in ["c", "C", "a b", "é", "a:b"] {
        assert_eq!(names.user(collection, "k").expect(collection), format!("{collection}::k"));
    }
}

#[test]
fn no_two_entries_meet_in_one_item() {
    let parts =
        ["a", "A", "a:", ":a", "a::b", "b", "::b", "S_a", "s_a", "a b", "ß", "ss", "a\\", "a_"];
    for (limits, fold) in [(ALL, false), (WINDOWS, true)] {
        let names = names(Sanitize::Auto, limits);
        let mut users = Vec::new();
        for collection in parts {
            for key in parts {
                let user = names.user(collection, key).expect("a user name");
                assert!(!fold || user.len() <= 513, "{user}");
                users.push(if fold { user.to_lowercase() } else { user });
            }
        }
        users.sort();
        users.dedup();
        assert_eq!(users.len(), parts.len() * parts.len());
    }
}

#[test]
fn v1_makes_the_names_that_python_makes() {
    let names = names(Sanitize::V1, ALL);
    // made by KeyringV1KeySanitizationStrategy of py-key-value-aio 0.5.0
    for (key, made) in [
        ("plain1", "plain1"),
        ("a_b", "a_b"),
        ("a b", "S_a_b-c8687a08"),
        ("a__b", "S_a_b-63e5c1c4"),
        ("é", "S_-4a99557e"),
    ] {
        assert_eq!(names.key(key).expect(key), made);
    }
    assert_eq!(names.key(&"x".repeat(300)).expect("a name"), format!("S_{}", "x".repeat(254)));
    assert_eq!(names.key("S_a").map_err(|e| e.kind()), Err(Kind::InvalidKey));
    assert_eq!(names.collection("H_a").map_err(|e| e.kind()), Err(Kind::InvalidCollection));
}

#[test]
fn a_text_over_the_limit_is_refused_by_the_limits_name() {
    let limit = TextLimit { bytes_max: 2560, count: |text| text.encode_utf16().count() * 2 };
    assert!(limit.check(&"x".repeat(1280)).is_ok());
    let error = limit.check(&"x".repeat(1281)).expect_err("too long");
    assert_eq!(error.kind(), Kind::ValueTooLarge);
    assert_eq!(
        error.limit().map(|limit| (limit.name, limit.value)),
        Some(("value_bytes_max", 2560))
    );
}

fn open(settings: serde_json::Value) -> Result<KeyringStore> {
    let config: Config = kvgate_core::read_settings(settings).expect("settings");
    config.open(Arc::new(SystemClock))
}

#[test]
fn settings_that_can_not_work_are_refused_at_once() {
    for (settings, said) in [
        (serde_json::json!({ "service_name": "" }), "service_name"),
        (serde_json::json!({ "service_name": "x".repeat(201) }), "service_name"),
        #[cfg(target_os = "linux")]
        (serde_json::json!({ "dbus_address": "here" }), "dbus_address"),
        #[cfg(target_os = "linux")]
        (
            serde_json::json!({ "backend": "keyutils", "dbus_address": "unix:path=/x" }),
            "leave it out",
        ),
    ] {
        let error = open(settings).map(|_| ()).expect_err(said);
        assert_eq!(error.kind(), Kind::Misconfigured);
        assert!(error.to_string().contains(said), "{error}");
    }
}
