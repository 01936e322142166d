use serde::de::DeserializeOwned;
use serde_json::Value;

/// Settings that can't be used, and where in their table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The path below the table, such as `nodes[2].port`; `.` if it is the table
    /// itself.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Reads the settings of a store or a wrapper.
pub fn read_settings<C: DeserializeOwned>(settings: Value) -> Result<C, SettingsError> {
    serde_path_to_error::deserialize(settings).map_err(|error| SettingsError {
        path: error.path().to_string(),
        message: error.into_inner().to_string(),
    })
}
