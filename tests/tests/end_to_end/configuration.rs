//! Configurations that are wrong: what is wrong, and where.

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;

/// A wrong configuration. A complaint never has a value, which may be a secret.
struct Wrong {
    text: &'static str,
    /// The line that the complaint names; 0 where no line is to blame.
    line: usize,
    /// What else it says.
    says: &'static [&'static str],
}

const WRONG: &[Wrong] = &[
    Wrong {
        text: "[server]\nlisten = \"127.0.0.1:0\"\nlissten = 1\n",
        line: 3,
        says: &["server.lissten", "listen"],
    },
    Wrong { text: "[server]\nlisten = 50051\n", line: 2, says: &["listen"] },
    Wrong { text: "[server]\nlisten = \"localhost\"\n", line: 2, says: &["server.listen"] },
    Wrong {
        text: "[server.limits]\nkeys_per_call_max = \"many\"\n",
        line: 2,
        says: &["keys_per_call_max"],
    },
    Wrong {
        text: "[server.limits]\nkeys_per_call_max = -1\n",
        line: 2,
        says: &["keys_per_call_max"],
    },
    Wrong {
        text: "[server]\ndrain_timeout = \"soon\"\n",
        line: 2,
        says: &["server.drain_timeout"],
    },
    Wrong {
        text: "[stores.main]\ntype = \"memori\"\n",
        line: 2,
        says: &["stores.main.type", "memory"],
    },
    Wrong {
        text: "[stores.main]\ntype = \"memory\"\n\nmax_entries = 5\n",
        line: 4,
        says: &["max_entries", "max_entries_per_collection"],
    },
    Wrong { text: "[stores.main]\nmax_size = 5\n", line: 1, says: &["main", "type"] },
    Wrong { text: "[stores.main]\ntype = \"disk\"\n", line: 1, says: &["directory"] },
    Wrong {
        text: "[stores.main]\ntype = \"disk\"\ndirectory = 5\n",
        line: 3,
        says: &["directory"],
    },
    Wrong {
        text: "[stores.main]\ntype = \"filetree\"\ndirectory = \"d\"\nsanitize = \"v2\"\n",
        line: 4,
        says: &["stores.main.sanitize", "v1"],
    },
    Wrong {
        text: "[stores.main]\ntype = \"null\"\nwrap = [{ type = \"read_onli\" }]\n",
        line: 3,
        says: &["read_only"],
    },
    Wrong {
        text: "[stores.main]\ntype = \"null\"\nwrap = [{ type = \"prefix_keys\", prefiks = \"p\" }]\n",
        line: 3,
        says: &["prefiks"],
    },
    Wrong {
        text: "[server]\ndefault_store = \"other\"\n[stores.main]\ntype = \"null\"\n",
        line: 2,
        says: &["default_store", "main"],
    },
    Wrong { text: "[server\n", line: 1, says: &[] },
    Wrong {
        text: "[stores.main]\ntype = \"null\"\n[stores.main]\ntype = \"null\"\n",
        line: 3,
        says: &[],
    },
    Wrong { text: "[storrs.main]\ntype = \"null\"\n", line: 1, says: &["storrs", "stores"] },
];

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_named() -> Outcome {
    let mut complaints = Vec::new();
    for wrong in WRONG {
        let folder = Folder::new()?;
        folder.configure(wrong.text)?;
        for arguments in [&["check", "kvgate.toml"][..], &["serve", "--config", "kvgate.toml"]] {
            let finished = folder.run(arguments).await?;
            let call = format!("{arguments:?} with {:?}", wrong.text);
            if finished.code != Some(2) {
                complaints.push(format!("{call}: exit code {:?}", finished.code));
            }
            let place = match wrong.line {
                0 => String::from("kvgate.toml"),
                line => format!("kvgate.toml:{line}"),
            };
            for part in wrong.says.iter().copied().chain([place.as_str()]) {
                if !finished.output.contains(part) {
                    complaints.push(format!("{call}: no {part:?} in {:?}", finished.output));
                }
            }
        }
        let left = std::fs::read_dir(folder.directory())?.count();
        expect_equal(format!("files after {:?}", wrong.text), left, 1)?;
    }
    expect(complaints.is_empty(), complaints.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_faults_are_named_at_once() -> Outcome {
    let folder = Folder::new()?;
    folder.configure(
        "[server]\nlisten = 1\nunknown_one = 1\n[stores.main]\ntype = \"null\"\nunknown_two = 2\n",
    )?;
    let finished = folder.run(&["check", "kvgate.toml"]).await?;
    for part in ["kvgate.toml:2", "kvgate.toml:3", "kvgate.toml:6", "unknown_one", "unknown_two"] {
        let text = format!("no {part:?} in {:?}", finished.output);
        expect(finished.output.contains(part), text)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_one_passes() -> Outcome {
    let folder = Folder::new()?;
    folder.configure(
        "[server]\nlisten = \"127.0.0.1:0\"\ndefault_store = \"a\"\n\
         [server.limits]\nkeys_per_call_max = 5\n\
         [stores.a]\ntype = \"disk\"\ndirectory = \"data\"\nwrap = [{ type = \"read_only\" }]\n\
         [stores.b]\ntype = \"memory\"\n",
    )?;
    let finished = folder.run(&["check", "kvgate.toml"]).await?;
    expect_equal(format!("the exit code, with {:?}", finished.output), finished.code, Some(0))?;
    let data = folder.path("data").exists();
    expect(!data, "`kvgate check` has made the store's directory")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there() -> Outcome {
    let folder = Folder::new()?;
    for arguments in [&["check", "none.toml"][..], &["serve", "--config", "none.toml"]] {
        let finished = folder.run(arguments).await?;
        expect_equal(format!("the exit code of {arguments:?}"), finished.code, Some(2))?;
        let named = finished.output.contains("none.toml");
        expect(named, format!("no file's name in {:?}", finished.output))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage() -> Outcome {
    let folder = Folder::new()?;
    for arguments in [&["serv"][..], &["serve", "--no-such-option"], &["check"]] {
        let finished = folder.run(arguments).await?;
        expect_equal(format!("the exit code of {arguments:?}"), finished.code, Some(2))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use() -> Outcome {
    let folder = Folder::new()?;
    let other = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = other.local_addr()?;
    folder.configure(&format!(
        "[server]\nlisten = \"{address}\"\ndefault_store = \"a\"\n[stores.a]\ntype = \"null\"\n"
    ))?;
    let finished = folder.run(&["serve", "--config", "kvgate.toml"]).await?;
    expect_equal("the exit code", finished.code, Some(1))?;
    for part in [address.to_string().as_str(), "in use", "listen"] {
        let text = format!("no {part:?} in {:?}", finished.output);
        expect(finished.output.contains(part), text)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_port() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start("default_store = \"a\"\n[stores.a]\ntype = \"null\"\n").await?;
    let address = server.address();
    let other = Folder::new()?;
    other.configure(&format!(
        "[server]\nlisten = \"{address}\"\ndefault_store = \"a\"\n[stores.a]\ntype = \"null\"\n"
    ))?;
    let finished = other.run(&["serve", "--config", "kvgate.toml"]).await?;
    expect_equal("the exit code of the second server", finished.code, Some(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_listener_beyond_loopback_by_mistake() -> Outcome {
    let folder = Folder::new()?;
    folder.configure("[server]\nlisten = \"0.0.0.0:0\"\n[stores.a]\ntype = \"null\"\n")?;
    let finished = folder.run(&["serve", "--config", "kvgate.toml"]).await?;
    expect_equal("the exit code", finished.code, Some(2))?;
    for part in ["server.listen", "--insecure"] {
        let text = format!("no {part:?} in {:?}", finished.output);
        expect(finished.output.contains(part), text)?;
    }
    Ok(())
}
