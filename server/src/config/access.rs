//! What must hold between `[server.authentication]`, `[server.roles]` and the rest.

use std::time::Duration;

use super::authentication::{Authentication, Jwt};
use super::problem::Problem;
use super::roles::Rule;
use super::server::Server;
use super::tree::Tree;
use super::{path, stores, wording};

const AUTHENTICATION: &str = "server.authentication";
const ROLES: &str = "server.roles";

/// Clocks that are further apart are wrong.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(10);

/// Fetching more often would be a load of its own.
const JWKS_REFRESH_MIN: Duration = Duration::from_secs(1);

/// What can't work.
pub(super) fn check(tree: &Tree, server: &Server) -> Vec<Problem> {
    let mut check = Check { tree, server, problems: Vec::new() };
    for (name, rules) in &server.roles {
        check.role(&path::member(ROLES, name), rules);
    }
    match &server.authentication {
        Some(authentication) => check.authentication(authentication),
        None if !server.roles.is_empty() => {
            let message = "says what known callers may do, but nothing makes them known: it needs \
                           server.authentication";
            check.add(ROLES, message);
        }
        None => {}
    }
    check.problems
}

struct Check<'a> {
    tree: &'a Tree,
    server: &'a Server,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(self.tree.problem(path, message));
    }

    /// The stores that a rule names must be there: a typo would deny without a word.
    fn role(&mut self, role: &str, rules: &[Rule]) {
        let known = stores::names(self.tree);
        for (index, rule) in rules.iter().enumerate() {
            let at = path::element(role, index);
            for (store, index) in rule.stores.iter().zip(0..) {
                if !store.contains('*') && !known.contains(&store.as_str()) {
                    let near = wording::did_you_mean(store, known.iter().copied());
                    let names = known.join(", ");
                    let at = path::element(&path::member(&at, "stores"), index);
                    self.add(&at, format!("no store of this name, expected one of {names}{near}"));
                }
            }
        }
    }

    fn authentication(&mut self, settings: &Authentication) {
        let Authentication { tokens, tokens_file, jwt, certificates, .. } = settings;
        let nobody = tokens.is_empty() && jwt.is_empty() && certificates.is_empty();
        if nobody && tokens_file.is_none() {
            let message = "makes nobody known: it needs tokens, tokens_file, jwt or certificates";
            self.add(AUTHENTICATION, message);
        }
        let tls = self.server.tls.as_ref();
        if !certificates.is_empty() && tls.is_none_or(|tls| tls.client_ca_file.is_none()) {
            let message = "callers show certificates only if there is a server.tls.client_ca_file";
            self.add("server.authentication.certificates", message);
        }
        for (index, token) in tokens.iter().enumerate() {
            let at = element("tokens", index);
            self.roles(&at, &token.roles);
            if tokens[..index].iter().any(|other| other.sha256 == token.sha256) {
                self.add(&path::member(&at, "sha256"), "the same token as one before it");
            }
        }
        for (index, certificate) in certificates.iter().enumerate() {
            self.roles(&element("certificates", index), &certificate.roles);
        }
        for (index, issuer) in jwt.iter().enumerate() {
            let at = element("jwt", index);
            self.issuer(&at, issuer);
            if jwt[..index].iter().any(|other| other.issuer == issuer.issuer) {
                self.add(&path::member(&at, "issuer"), "the same issuer as one before it");
            }
        }
    }

    fn issuer(&mut self, at: &str, jwt: &Jwt) {
        let field = |name| path::member(at, name);
        if jwt.audiences.is_empty() {
            let message = "empty: a token for anybody else would be taken for one for us";
            self.add(&field("audiences"), message);
        }
        if jwt.jwks_file.is_some() && jwt.jwks_url.is_some() {
            self.add(&field("jwks_url"), "jwks_file is set too: expected one of them");
        }
        let (place, url) = match &jwt.jwks_url {
            Some(url) => ("jwks_url", url),
            None => ("issuer", &jwt.issuer),
        };
        if jwt.jwks_file.is_none() && !is_safe(url) {
            let message = "keys are fetched from https:// (or http:// on this machine) alone: \
                           others could put theirs in their place";
            self.add(&field(place), message);
        }
        if jwt.clock_skew > CLOCK_SKEW_MAX {
            self.add(&field("clock_skew"), format!("more than {CLOCK_SKEW_MAX:?}"));
        }
        if jwt.jwks_refresh < JWKS_REFRESH_MIN {
            self.add(&field("jwks_refresh"), format!("less than {JWKS_REFRESH_MIN:?}"));
        }
        for (index, grant) in jwt.grants.iter().enumerate() {
            self.roles(&path::element(&field("grants"), index), &grant.roles);
        }
    }

    fn roles(&mut self, at: &str, roles: &[String]) {
        let known: Vec<&str> = self.server.roles.keys().map(String::as_str).collect();
        for (index, role) in roles.iter().enumerate() {
            if !known.contains(&role.as_str()) {
                let near = wording::did_you_mean(role, known.iter().copied());
                let at = path::element(&path::member(at, "roles"), index);
                self.add(&at, format!("there is no such role in server.roles{near}"));
            }
        }
    }
}

fn element(list: &str, index: usize) -> String {
    path::element(&path::member(AUTHENTICATION, list), index)
}

/// Whether nobody on the way can put keys of their own in the place of those at `url`.
pub(crate) fn is_safe(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    match (url.scheme_str(), url.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        _ => false,
    }
}
