//! py-key-value-aio in a Python process, driven by lines of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::setups::Setup;

/// How long Python may take for one request.
const PATIENCE: Duration = Duration::from_mins(2);

/// A Python process with one store of the library open.
pub struct Python {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Python {
    /// Starts Python and opens the store over a setup's entries, `at` what
    /// [`Running::python`] says.
    ///
    /// [`Running::python`]: crate::running::Running::python
    pub fn open(setup: &Setup, at: &Value) -> Outcome<Self> {
        let kind = setup.python.ok_or_else(|| Failure::new("Python has no such store"))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/interchange.py");
        let mut child = Command::new(interpreter()?)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(requests), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("Python has no pipes"));
        };
        let (sender, answers) = sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut python = Self { child, requests, answers };
        python.call(&json!({ "do": "open", "kind": kind, "at": at }))?;
        Ok(python)
    }

    /// Asks for one thing and waits for the answer.
    pub fn call(&mut self, request: &Value) -> Outcome<Value> {
        self.send(request)?;
        self.answer(request)
    }

    /// Asks for one thing without waiting.
    pub fn send(&mut self, request: &Value) -> Outcome {
        Ok(writeln!(self.requests, "{request}")?)
    }

    /// Waits for the answer to a request that was sent.
    pub fn answer(&mut self, request: &Value) -> Outcome<Value> {
        let within = |failure: Failure| failure.within(format!("Python was asked {request}"));
        let answer = self.answers.recv_timeout(PATIENCE).map_err(|it| within(it.into()))?;
        let mut answer: Value = serde_json::from_str(&answer)?;
        match answer.get("error") {
            Some(error) => Err(within(Failure::new(error))),
            None => Ok(answer["ok"].take()),
        }
    }

    /// Stores the object that `value` is the JSON of.
    pub fn put(&mut self, collection: &str, key: &str, value: &str) -> Outcome {
        self.put_for(collection, key, value, None)
    }

    /// Stores an object for some seconds.
    pub fn put_for(
        &mut self,
        collection: &str,
        key: &str,
        value: &str,
        ttl: Option<f64>,
    ) -> Outcome {
        let request = json!({
            "do": "put", "collection": collection, "key": key, "value": value, "ttl": ttl,
        });
        self.call(&request).map(|_| ())
    }

    /// Gets an object as Python writes it: members sorted, ASCII alone.
    pub fn get(&mut self, collection: &str, key: &str) -> Outcome<Option<String>> {
        Ok(self.ttl(collection, key)?.map(|(value, _)| value))
    }

    /// Gets an object and the seconds that it has left.
    pub fn ttl(&mut self, collection: &str, key: &str) -> Outcome<Option<(String, Option<f64>)>> {
        let answer = self.call(&json!({ "do": "ttl", "collection": collection, "key": key }))?;
        Ok(answer[0].as_str().map(|value| (value.to_owned(), answer[1].as_f64())))
    }

    /// Removes an object.
    pub fn delete(&mut self, collection: &str, key: &str) -> Outcome<bool> {
        let answer = self.call(&json!({ "do": "delete", "collection": collection, "key": key }))?;
        Ok(answer == json!(true))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The interpreter of the virtual environment with the library.
fn interpreter() -> Outcome<PathBuf> {
    let path = match std::env::var_os("KVGATE_TEST_PYTHON") {
        Some(path) => PathBuf::from(path),
        // target/debug/deps/<this test>
        None => match std::env::current_exe()?.ancestors().nth(3) {
            Some(target) => target.join("python-venv/bin/python"),
            None => return Err(Failure::new("the test binary has no directory")),
        },
    };
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(Failure::new(format!(
        "there is no Python with py-key-value-aio at {path}: run `tests/run`, which makes it, \
         or name one by KVGATE_TEST_PYTHON"
    )))
}
