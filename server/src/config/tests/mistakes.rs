//! Each kind of mistake, in each format, with the exact line.

use kvgate_stores::STORE_TYPES;

use super::*;

/// The same mistake in TOML, JSON and YAML, each with the line to report.
struct Mistake {
    files: [(&'static str, usize); 3],
    /// What is reported after the line; `TYPES` stands for the types of stores that are
    /// compiled in.
    said: &'static str,
}

#[test]
fn in_every_format() {
    for mistake in MISTAKES {
        let names = ["kvgate.toml", "kvgate.json", "kvgate.yaml"];
        for (name, (text, line)) in names.into_iter().zip(mistake.files) {
            let found = said(load(name, text, &[]));
            let said_of_it = mistake.said.replace("TYPES", &types_of_stores());
            let expected = format!("{name}:{line}: {said_of_it}");
            assert_eq!(found, [expected], "{text}");
            assert!(!found[0].contains("hunter2"), "{}", found[0]);
        }
    }
}

fn types_of_stores() -> String {
    let compiled = STORE_TYPES.iter().filter(|store_type| store_type.adapter.is_some());
    compiled.map(|store_type| store_type.word).collect::<Vec<_>>().join(", ")
}

const MISTAKES: &[Mistake] = &[
    // an unknown field of the file
    Mistake {
        files: [
            ("[stores.a]\ntype = 'null'\n[sever]\nlisten = 'x'", 3),
            ("{\"stores\": {\"a\": {\"type\": \"null\"}},\n\n\"sever\": {}}", 3),
            ("stores:\n  a: {type: 'null'}\nsever:\n  listen: x", 3),
        ],
        said: "sever: unknown field, expected one of server, stores; did you mean server?",
    },
    // of a store
    Mistake {
        files: [
            ("[stores.a]\ntype = 'simple'\n\nmax_entris = 1", 4),
            ("{\"stores\": {\n\"a\": {\"type\": \"simple\",\n\n\"max_entris\": 1}}}", 4),
            ("stores:\n  a:\n    type: simple\n    max_entris: 1", 4),
        ],
        said: "stores.a.max_entris: unknown field, expected one of max_entries, type, \
               default_collection, wrap; did you mean max_entries?",
    },
    // of a nested table
    Mistake {
        files: [
            ("stores.a.type = 'null'\n[server.log]\nlevl = 'info'", 3),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}}, \"server\": {\n\"log\": {\n\"levl\": \"info\"}}}",
                3,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {log: {\n  levl: info}}", 3),
        ],
        said: "server.log.levl: unknown field, expected one of level, format; did you mean level?",
    },
    // a wrong type, which quotes no value
    Mistake {
        files: [
            ("[stores.a]\ntype = 'simple'\nmax_entries = 'hunter2'", 3),
            ("{\"stores\": {\n\"a\": {\"type\": \"simple\",\n\"max_entries\": \"hunter2\"}}}", 3),
            ("stores:\n  a: {type: simple,\n    max_entries: hunter2}", 3),
        ],
        said: "stores.a.max_entries: wrong type: a string, expected a whole number of at least 1",
    },
    // as Helm's TOML writes whole numbers
    Mistake {
        files: [
            ("[server.limits]\nkey_bytes_max = 4096.0\n[stores.a]\ntype = 'null'", 2),
            (
                "{\"server\": {\"limits\": {\n\"key_bytes_max\": 4096.0}}, \"stores\": {\"a\": {\"type\": \"null\"}}}",
                2,
            ),
            ("server: {limits:\n  {key_bytes_max: 4.096e+03}}\nstores: {a: {type: 'null'}}", 2),
        ],
        said: "server.limits.key_bytes_max: wrong type: a number with a decimal point, expected a \
               whole number that is not negative",
    },
    // zero where there must be one
    Mistake {
        files: [
            ("[stores.a]\ntype = 'simple'\nmax_entries = 0", 3),
            ("{\"stores\": {\n\"a\": {\"type\": \"simple\",\n\"max_entries\": 0}}}", 3),
            ("stores:\n  a: {type: simple,\n    max_entries: 0}", 3),
        ],
        said: "stores.a.max_entries: wrong value, expected a whole number of at least 1",
    },
    // a wrong word
    Mistake {
        files: [
            ("stores.a.type = 'null'\nserver.log.format = 'hunter2'", 2),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}},\n\"server\": {\"log\": {\"format\": \"hunter2\"}}}",
                2,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {log: {format: hunter2}}", 2),
        ],
        said: "server.log.format: unknown word, expected one of text, json",
    },
    // an unknown type
    Mistake {
        files: [
            ("[stores.a]\n\ntype = 'memroy'", 3),
            ("{\"stores\": {\n\"a\": {\n\"type\": \"memroy\"}}}", 3),
            ("stores:\n  a:\n    type: memroy", 3),
        ],
        said: "stores.a.type: unknown type of store, expected one of TYPES; did you mean memory?",
    },
    // a missing type: the line of the table
    Mistake {
        files: [
            ("\n[stores.a]\nmax_entries = 3", 2),
            ("{\"stores\": {\n\"a\": {\n\"max_entries\": 3}}}", 2),
            ("stores:\n  a:\n    max_entries: 3", 2),
        ],
        said: "stores.a: missing field `type`",
    },
    // a type that is no string
    Mistake {
        files: [
            ("[stores.a]\ntype = 5", 2),
            ("{\"stores\": {\"a\": {\n\"type\": 5}}}", 2),
            ("stores: {a: {\n  type: 5}}", 2),
        ],
        said: "stores.a.type: wrong type: a whole number, expected a string",
    },
    // a store that is no table
    Mistake {
        files: [
            ("[stores]\na = 'hunter2'", 2),
            ("{\"stores\": {\n\"a\": \"hunter2\"}}", 2),
            ("stores:\n  a: hunter2", 2),
        ],
        said: "stores.a: wrong type: a string, expected a table",
    },
    // a name that no store may have
    Mistake {
        files: [
            ("\n[stores.Main]\ntype = 'null'", 2),
            ("{\"stores\": {\n\"Main\": {\"type\": \"null\"}}}", 2),
            ("stores:\n  Main: {type: 'null'}", 2),
        ],
        said: "stores.Main: not a name for a store: lower-case letters and digits, parts joined \
               by one - or _, up to 63 characters",
    },
    // no store
    Mistake {
        files: [("\n[stores]", 2), ("{\n\"stores\": {}}", 2), ("# none\nstores:", 2)],
        said: "stores: no store: at least one is needed, such as stores.main with type \"memory\"",
    },
    // wrappers
    Mistake {
        files: [
            ("[stores.a]\ntype = 'null'\nwrap = [\n{ kind = 'x' }]", 4),
            ("{\"stores\": {\"a\": {\"type\": \"null\",\n\"wrap\": [\n\n{\"kind\": \"x\"}]}}}", 4),
            ("stores:\n  a:\n    {type: 'null', wrap: [\n      {kind: x}]}", 4),
        ],
        said: "stores.a.wrap[0]: missing field `type`",
    },
    Mistake {
        files: [
            ("[stores.a]\ntype = 'null'\n[[stores.a.wrap]]\ntype = 'ratry'", 4),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\",\n\"wrap\": [{\n\n\"type\": \"ratry\"}]}}}",
                4,
            ),
            ("stores:\n  a:\n    {type: 'null', wrap: [{\n      type: ratry}]}", 4),
        ],
        said: "stores.a.wrap[0].type: unknown type of wrapper, expected one of read_only, \
          prefix_keys, prefix_collections",
    },
    Mistake {
        files: [
            ("[stores.a]\ntype = 'null'\nwrap = 'hunter2'", 3),
            ("{\"stores\": {\"a\": {\"type\": \"null\",\n\n\"wrap\": \"hunter2\"}}}", 3),
            ("stores:\n  a: {type: 'null',\n    wrap: hunter2}", 3),
        ],
        said: "stores.a.wrap: wrong type: a string, expected an array",
    },
    // default collection
    Mistake {
        files: [
            ("[stores.a]\ntype = 'null'\ndefault_collection = ''", 3),
            ("{\"stores\": {\"a\": {\"type\": \"null\",\n\n\"default_collection\": \"\"}}}", 3),
            ("stores:\n  a: {type: 'null',\n    default_collection: ''}", 3),
        ],
        said: "stores.a.default_collection: empty: it is what an empty name stands for",
    },
    // default store
    Mistake {
        files: [
            (
                "[server]\ndefault_store = 'cahce'\n[stores]\ncache.type = 'null'\nb.type = 'null'",
                2,
            ),
            (
                "{\"server\": {\n\"default_store\": \"cahce\"}, \"stores\": {\"cache\": {\"type\": \"null\"}, \"b\": {\"type\": \"null\"}}}",
                2,
            ),
            (
                "server:\n  default_store: cahce\nstores: {cache: {type: 'null'}, b: {type: 'null'}}",
                2,
            ),
        ],
        said: "server.default_store: no store of this name, expected one of b, cache; did you mean \
               cache?",
    },
    Mistake {
        files: [
            ("\n[server]\n[stores]\na.type = 'null'\nb.type = 'null'", 2),
            (
                "{\n\"server\": {}, \"stores\": {\"a\": {\"type\": \"null\"}, \"b\": {\"type\": \"null\"}}}",
                2,
            ),
            ("\nserver: {}\nstores: {a: {type: 'null'}, b: {type: 'null'}}", 2),
        ],
        said: "server.default_store: not set: with several stores (a, b), none of them named \
               main, it must say which is for calls that name none",
    },
    // addresses, durations, filters
    Mistake {
        files: [
            ("stores.a.type = 'null'\nserver.listen = 'hunter2'", 2),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}},\n\"server\": {\"listen\": \"hunter2\"}}",
                2,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {listen: hunter2}", 2),
        ],
        said: "server.listen: expected an IP address and a port, such as 127.0.0.1:50051",
    },
    Mistake {
        files: [
            ("stores.a.type = 'null'\nserver.drain_timeout = '-1s'", 2),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}},\n\"server\": {\"drain_timeout\": -1}}",
                2,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {drain_timeout: hunter2}", 2),
        ],
        said: "server.drain_timeout: wrong value, expected a duration such as \"1m 30s\" or a \
               number of seconds, up to a year",
    },
    Mistake {
        files: [
            ("stores.a.type = 'null'\nserver.health_interval = 0", 2),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}},\n\"server\": {\"health_interval\": \"1ms\"}}",
                2,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {health_interval: 0.05}", 2),
        ],
        said: "server.health_interval: shorter than 100ms: the checks would be a load of their own",
    },
    Mistake {
        files: [
            ("stores.a.type = 'null'\nserver.log.level = 'inof'", 2),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}},\n\"server\": {\"log\": {\"level\": \"hunter2\"}}}",
                2,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {log: {level: 'info,x'}}", 2),
        ],
        said: "server.log.level: expected error, warn, info, debug, trace or off, or levels by \
               module such as info,h2=warn",
    },
    // limits that do not fit each other, at the one that was written
    Mistake {
        files: [
            ("stores.a.type = 'null'\nserver.limits.page_size_max = 10", 2),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}},\n\"server\": {\"limits\": {\"page_size_max\": 10}}}",
                2,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {limits: {page_size_max: 10}}", 2),
        ],
        said: "server.limits.page_size_max: page_size_default (1000) must not be more than \
               page_size_max (10)",
    },
    Mistake {
        files: [
            ("stores.a.type = 'null'\n[server.limits]\nvalue_bytes_max = 4194304", 3),
            (
                "{\"stores\": {\"a\": {\"type\": \"null\"}},\n\"server\": {\"limits\": {\n\"value_bytes_max\": 4194304}}}",
                3,
            ),
            ("stores: {a: {type: 'null'}}\nserver: {limits: {\n value_bytes_max: 4194304}}", 3),
        ],
        said: "server.limits.value_bytes_max: value_bytes_max (4194304) must be at least 16384 \
               less than message_bytes_max (4194304), which holds the names too",
    },
];

#[test]
fn all_are_found() {
    let text = "
[server]
listn = 'x'
listen = 5
log = { level = 7, format = 'xml' }
default_store = 'nothing'
[stores.A]
type = 'memory'
max_size = 'x'
max_sise = 'x'
[stores.b]
wrap = [{}, 1, {}]
[stores.c]
default_collection = 5
type = 'nulll'
[stors]
";
    let found = said(load("k.toml", text, &[]));
    let starts: Vec<_> = found
        .iter()
        .map(|said| said.splitn(3, ": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        starts,
        [
            "k.toml:3 server.listn",
            "k.toml:4 server.listen",
            "k.toml:5 server.log.format",
            "k.toml:5 server.log.level",
            "k.toml:7 stores.A",
            "k.toml:9 stores.A.max_size",
            "k.toml:10 stores.A.max_sise",
            "k.toml:12 stores.b.wrap[1]",
            "k.toml:14 stores.c.default_collection",
            "k.toml:15 stores.c.type",
            "k.toml:16 stors",
        ],
        "{found:#?}"
    );
}
