//! What the stores write, compared with a copy of what they have written: a
//! change of a stored form fails here.
//!
//! `KVGATE_GOLDEN=write cargo test -p kvgate-tests --test golden` makes the
//! copies anew; look at what git says has changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kvgate_tests::failure::{Failure, Outcome};
use kvgate_tests::running::{Prepared, Running, Stop};
use kvgate_tests::setups::ALL;
use kvgate_tests::wine::Wine;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

#[tokio::test(flavor = "multi_thread")]
async fn disk() -> Outcome {
    let data = write_entries("disk").await?;
    compare("disk.txt", &database(&data.path)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_prefixed() -> Outcome {
    let data = write_entries("disk_prefixed").await?;
    compare("disk_prefixed.txt", &database(&data.path)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn multidisk() -> Outcome {
    let data = write_entries("multidisk").await?;
    let mut text = String::new();
    for directory in sorted_entries(&data.path)? {
        let name = directory.file_name().unwrap_or_default().display();
        write!(text, "== {name}\n{}", database(&directory)?)?;
    }
    compare("multidisk.txt", &text)
}

#[tokio::test(flavor = "multi_thread")]
async fn filetree() -> Outcome {
    let data = write_entries("filetree").await?;
    compare("filetree.txt", &files(&data.path, &data.path)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn filetree_v1() -> Outcome {
    let data = write_entries("filetree_v1").await?;
    compare("filetree_v1.txt", &files(&data.path, &data.path)?)
}

#[cfg(feature = "rocksdb")]
#[tokio::test(flavor = "multi_thread")]
async fn rocksdb() -> Outcome {
    let data = write_entries("rocksdb").await?;
    compare("rocksdb.txt", &keys_and_values(&data.path)?)
}

/// Every backend, as it is set up under the name of its store.
#[tokio::test(flavor = "multi_thread")]
async fn backends() -> Outcome {
    for setup in ALL.iter().filter(|it| it.backend.is_some() && it.name == it.facts.store_type) {
        let data = write_entries(setup.name).await?;
        let backend = data.prepared.backend();
        let backend = backend.ok_or_else(|| Failure::new("the setup has no backend"))?;
        let contents = backend.contents().await?;
        let lines: Vec<_> = contents.lines().map(|line| cut(&masked_times(line))).collect();
        compare(&format!("{}.txt", setup.name), &(lines.join("\n") + "\n"))?;
    }
    Ok(())
}

/// As Windows' own `reg` exports it.
#[tokio::test(flavor = "multi_thread")]
async fn registry() -> Outcome {
    let data = write_entries("registry").await?;
    let wine = data.prepared.wine().ok_or_else(|| Failure::new("the setup is not on Windows"))?;
    let file = data.path.with_file_name("export.reg");
    let shown = Wine::path(&file).display().to_string();
    wine.output(&["reg", "export", r"HKCU\Software\py-key-value", &shown, "/y"])?;
    let exported = std::fs::read(&file)?;
    let units = exported.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text = char::decode_utf16(units).collect::<Result<String, _>>()?;
    let lines: Vec<_> = text.lines().map(|line| cut(&masked_times(line))).collect();
    compare("registry.txt", &(lines.join("\n") + "\n"))
}

/// A stopped server's data, removed when dropped.
struct Data {
    path: PathBuf,
    prepared: Prepared,
}

/// Writes the same entries as ever: plain and odd names, with and without a
/// time, small and large.
async fn write_entries(setup: &str) -> Outcome<Data> {
    let setup = ALL.iter().find(|one| one.name == setup);
    let setup = setup.ok_or_else(|| Failure::new("no such setup"))?;
    let running = Running::start(setup).await?;
    let client = running.server.client().await?;
    let here = client.collection("", "letters");
    let refused = setup.facts.refused_values;
    let plain = [18_446_744_073_709_551_616_u128, 9_007_199_254_740_993]
        .map(|integer| format!(r#"{{"b": 1.0,"a":[{integer},"é\u0000"]}}"#));
    let is_taken = |text: &String| !refused.iter().any(|part| text.contains(part));
    let plain = plain.into_iter().find(is_taken).ok_or_else(|| Failure::new("no plain value"))?;
    here.put("plain", plain).await?;
    here.put_for("with a time", "{}", Duration::from_hours(24 * 365 * 100)).await?;
    // Short enough in characters to stay in a row, though not in bytes.
    for (key, characters) in [("wide", 20_000), ("large", 40_000)] {
        let value = format!(r#"{{"pad":"{}"}}"#, "é".repeat(characters));
        here.put(key, value).await?;
    }
    here.put("replaced", "{\"round\":1}").await?;
    here.put("replaced", "{\"round\":2}").await?;
    here.put("deleted", "{}").await?;
    here.delete("deleted").await?;
    here.put("a/b::c é", r#"{"key":"odd"}"#).await?;
    here.put(&"k".repeat(300), r#"{"key":"long"}"#).await?;
    client.collection("", "").put("key", r#"{"in":"default"}"#).await?;
    client.collection("", "a/b::c é").put("key", r#"{"collection":"odd"}"#).await?;
    client.collection("", &"c".repeat(300)).put("key", r#"{"collection":"long"}"#).await?;
    let prepared = running.stop(Stop::Gracefully).await?;
    Ok(Data { path: prepared.data(), prepared })
}

fn compare(name: &str, found: &str) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("KVGATE_GOLDEN").is_some_and(|value| value == "write") {
        return Ok(std::fs::write(path, found)?);
    }
    let golden = std::fs::read_to_string(&path)
        .map_err(|error| Failure::from(error).within(path.display()))?;
    let mut lines = found.lines().zip(golden.lines()).enumerate();
    if let Some((number, (found, golden))) = lines.find(|(_, (found, golden))| found != golden) {
        let place = format!("line {} of golden/{name}", number + 1);
        return Err(Failure::new(format!("{place}:\n found {found}\ngolden {golden}")));
    }
    let (found, golden) = (found.lines().count(), golden.lines().count());
    if found == golden {
        return Ok(());
    }
    Err(Failure::new(format!("golden/{name} has {golden} lines, found {found}")))
}

/// A diskcache directory as text: the schema, the settings, the rows and the
/// files.
fn database(directory: &Path) -> Outcome<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(directory.join("cache.db"), flags)?;
    let mut text = String::new();
    for pragma in ["journal_mode", "auto_vacuum", "encoding", "user_version", "application_id"] {
        let line = database.query_row(&format!("PRAGMA {pragma}"), [], |row| columns(row, &[]))?;
        writeln!(text, "{pragma} = {line}")?;
    }
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name";
    dump(&database, schema, &[], &mut text)?;
    dump(&database, "SELECT key, value FROM Settings ORDER BY key", &[], &mut text)?;
    let rows = "SELECT key, raw, store_time, expire_time, access_time, access_count, tag, size, \
                mode, filename, value FROM Cache ORDER BY key";
    dump(&database, rows, &["store_time", "expire_time", "access_time", "filename"], &mut text)?;
    let mut names = Vec::new();
    list_files(directory, &mut names)?;
    for path in names {
        let relative = path.strip_prefix(directory)?.display().to_string();
        if relative.starts_with("cache.db") {
            continue;
        }
        let content = masked_times(&std::fs::read_to_string(&path)?);
        writeln!(text, "file {}: {}", masked_file_name(&relative), cut(&content))?;
    }
    Ok(text)
}

fn dump(database: &Connection, query: &str, masked: &[&str], text: &mut String) -> Outcome {
    let mut statement = database.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        writeln!(text, "{}", columns(row, masked)?)?;
    }
    text.push('\n');
    Ok(())
}

/// A row's columns, of which those that change from run to run show only their
/// type.
fn columns(row: &Row, masked: &[&str]) -> rusqlite::Result<String> {
    let mut columns = Vec::new();
    for (index, name) in row.as_ref().column_names().enumerate() {
        let value = row.get_ref(index)?;
        columns.push(match value {
            ValueRef::Null => format!("{name}=NULL"),
            ValueRef::Text(text) if masked.contains(&name) => {
                format!("{name}='{}'", masked_file_name(&String::from_utf8_lossy(text)))
            }
            _ if masked.contains(&name) => format!("{name}=<{}>", value.data_type()),
            ValueRef::Integer(number) => format!("{name}={number}"),
            ValueRef::Real(number) => format!("{name}={number:?}"),
            ValueRef::Text(text) => {
                format!("{name}='{}'", cut(&masked_times(&String::from_utf8_lossy(text))))
            }
            ValueRef::Blob(bytes) => format!("{name}=<{} bytes>", bytes.len()),
        });
    }
    Ok(columns.join(" "))
}

/// All that is in a `RocksDB` database, as a program without settings of its own opens
/// it.
#[cfg(feature = "rocksdb")]
fn keys_and_values(directory: &Path) -> Outcome<String> {
    let database = rocksdb::DB::open_default(directory)?;
    let mut text = String::new();
    for item in database.iterator(rocksdb::IteratorMode::Start) {
        let (key, value) = item?;
        let value = masked_times(std::str::from_utf8(&value)?);
        writeln!(text, "{:?}: {}", std::str::from_utf8(&key)?, cut(&value))?;
    }
    Ok(text)
}

/// All files below a directory, each with its text.
fn files(directory: &Path, root: &Path) -> Outcome<String> {
    let mut names = Vec::new();
    list_files(directory, &mut names)?;
    let mut text = String::new();
    for path in names {
        let content = std::fs::read_to_string(&path)?;
        let content = masked_times(&content).replace(&root.display().to_string(), "DIRECTORY");
        writeln!(text, "{}: {}", path.strip_prefix(root)?.display(), cut(&content))?;
    }
    Ok(text)
}

fn list_files(directory: &Path, names: &mut Vec<PathBuf>) -> Outcome {
    for path in sorted_entries(directory)? {
        if path.is_dir() {
            list_files(&path, names)?;
        } else {
            names.push(path);
        }
    }
    Ok(())
}

fn sorted_entries(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

/// The start and the length of long text.
fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= 2_000 {
        return text.to_owned();
    }
    let start: String = text.chars().take(200).collect();
    let end: String = text.chars().skip(length - 40).collect();
    format!("{start}…({length} characters)…{end}")
}

/// Replaces the digits of every time by zeros: what is compared is its form.
fn masked_times(text: &str) -> String {
    const FORMS: [&str; 2] = ["0000-00-00T00:00:00.000000+00:00", "0000-00-00T00:00:00+00:00"];
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let form = FORMS.iter().find(|form| has_form(rest, form));
        let (shown, length) = match form {
            // A time whose microseconds are zero is written without them.
            Some(form) => (FORMS[0], form.len()),
            None => (&rest[..first.len_utf8()], first.len_utf8()),
        };
        masked.push_str(shown);
        rest = &rest[length..];
    }
    masked
}

fn has_form(text: &str, form: &str) -> bool {
    let mut text = text.bytes();
    form.bytes().all(|expected| match (text.next(), expected) {
        (Some(found), b'0') => found.is_ascii_digit(),
        (found, expected) => found == Some(expected),
    })
}

/// Replaces the random hexadecimal digits of a value's file name.
fn masked_file_name(name: &str) -> String {
    let is_hex = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
    let Some(stem) = name.strip_suffix(".val") else {
        return name.to_owned();
    };
    stem.chars().map(|letter| if is_hex(letter) { 'x' } else { letter }).collect::<String>()
        + ".val"
}
