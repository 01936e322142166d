use kvgate_core::{Kind, SystemClock};
use serde_json::json;

use super::*;

fn config(settings: serde_json::Value) -> Config {
    serde_json::from_value(settings).expect("settings")
}

#[test]
fn a_path_is_below_the_keys_of_windows() {
    for path in ["", "Software", r"\Software\kvgate", r"Software\", r"Software\\kvgate", "a\\b\0"] {
        let config = config(json!({ "registry_path": path }));
        let Err(error) = config.open(Arc::new(SystemClock)) else {
            panic!("{path:?} was taken");
        };
        assert_eq!(error.kind(), Kind::Misconfigured, "{path:?}");
        assert!(error.to_string().contains("registry_path must be"), "{error}");
    }
    check_path(&Config::default().registry_path).expect("py-key-value's");
}

#[cfg(not(windows))]
#[test]
fn elsewhere_there_is_none() {
    let config = config(json!({ "hive": "HKEY_LOCAL_MACHINE" }));
    let Err(error) = config.open(Arc::new(SystemClock)) else {
        panic!("a registry on {}", std::env::consts::OS);
    };
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("needs Windows"), "{error}");
}
