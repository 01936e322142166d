//! What `server/ARCHITECTURE.md` says is absent is absent: which crate may depend
//! on what, how long a file may be, where a store's word has to stand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kvgate_stores::STORE_TYPES;
use kvgate_tests::setups::ALL;
use serde_json::Value;

/// All that core may be built on: nothing that speaks to anybody.
const CORE_DEPENDENCIES: [&str; 9] = [
    "async-trait",
    "bytes",
    "jiff",
    "schemars",
    "serde",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "tokio",
];

/// The crates that know gRPC, beside those in `clients/`.
const GRPC_CRATES: [&str; 5] =
    ["kvgate", "kvgate-bench", "kvgate-codegen", "kvgate-proto", "kvgate-tests"];

const FILE_LINES_MAX: usize = 500;

#[test]
fn core_is_built_on_nothing_that_speaks_to_anybody() {
    let allowed = BTreeSet::from(CORE_DEPENDENCIES.map(str::to_owned));
    let direct = Package::named("kvgate-core").dependencies();
    let others: Vec<_> = direct.difference(&allowed).collect();
    assert!(others.is_empty(), "kvgate-core depends on {others:?}");
}

#[test]
fn stores_and_wrappers_know_core_and_not_each_other() {
    for name in ["kvgate-stores", "kvgate-wrappers"] {
        let mut ours = Package::named(name).dependencies();
        ours.retain(|dependency| dependency.starts_with("kvgate"));
        assert_eq!(ours, BTreeSet::from(["kvgate-core".to_owned()]), "{name}");
    }
}

#[test]
fn only_the_server_and_its_callers_know_tonic() {
    let clients = root().join("clients");
    for package in Package::all() {
        let knows_tonic =
            package.dependencies().iter().any(|dependency| dependency.starts_with("tonic"));
        let may = GRPC_CRATES.contains(&package.name()) || package.manifest().starts_with(&clients);
        assert!(may || !knows_tonic, "{} depends on tonic", package.name());
    }
}

/// 0.4.16 to 0.4.18 close busy connections with `too_many_data_frames`.
#[test]
fn h2_does_not_close_busy_connections() {
    for version in locked_versions("h2") {
        let parts: Vec<u64> = version.split('.').map_while(|part| part.parse().ok()).collect();
        assert!(parts >= vec![0, 4, 19], "h2 {version}");
    }
}

#[test]
fn tls_is_rustls() {
    for name in ["native-tls", "openssl", "openssl-sys"] {
        assert_eq!(locked_versions(name), [""; 0], "{name}");
    }
}

/// Two would be two stacks of HTTP in one program, whose types don't meet.
#[test]
fn there_is_one_version_of_what_all_stand_on() {
    for name in ["h2", "hyper", "prost", "rustls", "tonic"] {
        let versions = locked_versions(name);
        assert!(versions.len() < 2, "{name} in {versions:?}");
    }
}

#[test]
fn files_are_short() {
    let files = source_files();
    assert!(!files.is_empty(), "no source files: is this a checkout of git?");
    let long: Vec<_> = files
        .iter()
        .map(|file| (file, lines(&root().join(file))))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .collect();
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines: {long:?}");
}

#[test]
fn a_store_has_one_word_everywhere() {
    let mut missing = Vec::new();
    for word in STORE_TYPES.iter().map(|store_type| store_type.word) {
        for crate_name in ["kvgate", "kvgate-stores"] {
            if !Package::named(crate_name).has_feature(word) {
                missing.push(format!("feature {word} of {crate_name}"));
            }
        }
        let module = format!("server/stores/src/{word}");
        if ![".rs", "/mod.rs"].iter().any(|end| exists(&format!("{module}{end}"))) {
            missing.push(format!("{module}.rs, or {module}/mod.rs"));
        }
        let setup = format!("tests/src/setups/{word}.rs");
        if !exists(&setup) {
            missing.push(setup);
        }
    }
    assert!(missing.is_empty(), "there is no {}", missing.join(", no "));
}

/// A store without a setup would be tested by nobody, and nobody would see it.
#[test]
fn a_store_that_is_compiled_in_has_a_setup() {
    let compiled = STORE_TYPES.iter().filter(|store_type| store_type.adapter.is_some());
    let has_setup = |word| ALL.iter().any(|setup| setup.facts.store_type == word);
    let without: Vec<_> = compiled.map(|each| each.word).filter(|word| !has_setup(*word)).collect();
    assert!(without.is_empty(), "no setup in kvgate_tests::setups::ALL for {without:?}");
}

/// A crate of the workspace, as `cargo metadata` describes it.
struct Package(Value);

impl Package {
    fn all() -> Vec<Self> {
        let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
        let metadata: Value = serde_json::from_str(&output(env!("CARGO"), &arguments))
            .expect("JSON from cargo metadata");
        let packages = metadata["packages"].as_array().expect("packages");
        packages.iter().cloned().map(Self).collect()
    }

    fn named(name: &str) -> Self {
        let package = Self::all().into_iter().find(|package| package.name() == name);
        package.unwrap_or_else(|| panic!("no crate {name} in the workspace"))
    }

    fn name(&self) -> &str {
        self.0["name"].as_str().expect("a name")
    }

    fn manifest(&self) -> &Path {
        Path::new(self.0["manifest_path"].as_str().expect("a path"))
    }

    fn has_feature(&self, feature: &str) -> bool {
        self.0["features"].get(feature).is_some()
    }

    /// What it depends on directly, whatever the features and the platform; not
    /// what its tests alone depend on.
    fn dependencies(&self) -> BTreeSet<String> {
        let dependencies = self.0["dependencies"].as_array().expect("dependencies");
        dependencies
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
            .collect()
    }
}

/// The versions of a crate in `Cargo.lock`, which has all features and platforms.
fn locked_versions(name: &str) -> Vec<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let start = format!("\nname = \"{name}\"\nversion = \"");
    lock.split(&start).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// Our source files: those that git tracks and no generator wrote.
fn source_files() -> Vec<String> {
    let patterns = ["*.rs", "*.py", "*.go", "*.ts", "*.sh"];
    let tracked = output("git", &[&["ls-files", "--"], patterns.as_slice()].concat());
    tracked
        .lines()
        .filter(|file| !file.split('/').any(|folder| folder == "gen"))
        // one that was removed and not yet committed is tracked, too
        .filter(|file| exists(file))
        .map(str::to_owned)
        .collect()
}

fn lines(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines().count()
}

fn exists(file: &str) -> bool {
    root().join(file).exists()
}

/// What a program says, run at the root.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The root of the repository.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a folder around tests").to_owned()
}
