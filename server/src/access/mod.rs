//! What a caller may do: roles, their rules, and whether one of them allows a wish.
//!
//! What no rule allows is denied.

mod pattern;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use self::pattern::Pattern;
use crate::config::{Operation, RoleTable, Rule as Settings};

/// All roles, by name.
#[derive(Default)]
pub(crate) struct Roles(BTreeMap<String, Arc<[Rule]>>);

/// Some operations in some collections of some stores.
struct Rule {
    stores: Vec<Pattern>,
    collections: Vec<Pattern>,
    operations: Vec<Operation>,
}

impl Roles {
    pub(crate) fn new(table: &RoleTable) -> Self {
        let role = |(name, rules): (&String, &Vec<Settings>)| {
            (name.clone(), rules.iter().map(Rule::new).collect())
        };
        Self(table.iter().map(role).collect())
    }

    /// Whether there is a role of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What somebody with these roles may do. A name that is no role allows nothing.
    pub(crate) fn access<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Access {
        let mut roles: Vec<Arc<[Rule]>> = Vec::new();
        for role in names.into_iter().filter_map(|name| self.0.get(name)) {
            if !roles.iter().any(|other| Arc::ptr_eq(other, role)) {
                roles.push(Arc::clone(role));
            }
        }
        Access(roles)
    }
}

impl Rule {
    fn new(settings: &Settings) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        Self {
            stores: patterns(&settings.stores),
            collections: patterns(&settings.collections),
            operations: settings.operations.clone(),
        }
    }

    fn allows(&self, store: &str, wish: Wish<'_>) -> bool {
        self.stores.iter().any(|stores| stores.matches(store))
            && match wish {
                Wish::See => !self.operations.is_empty(),
                Wish::Somewhere(operation) => self.operations.contains(&operation),
                Wish::Everywhere(operation) => {
                    self.operations.contains(&operation)
                        && self.collections.iter().any(Pattern::matches_all)
                }
                Wish::In(operation, collection) => {
                    self.operations.contains(&operation)
                        && self.collections.iter().any(|names| names.matches(collection))
                }
            }
    }
}

/// What a caller wants of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish<'a> {
    /// To know that there is such a store, and what it can do.
    See,
    /// To do it in those collections where it is allowed.
    Somewhere(Operation),
    /// To do it to the store as a whole.
    Everywhere(Operation),
    /// To do it in this collection.
    In(Operation, &'a str),
}

impl Wish<'_> {
    /// What is done, if anything is.
    pub(crate) fn operation(self) -> Option<Operation> {
        match self {
            Self::See => None,
            Self::Somewhere(operation) | Self::Everywhere(operation) | Self::In(operation, _) => {
                Some(operation)
            }
        }
    }
}

/// What one caller may do.
pub(crate) struct Access(Vec<Arc<[Rule]>>);

impl Access {
    /// Whether a rule of one of the caller's roles allows this.
    pub(crate) fn allows(&self, store: &str, wish: Wish<'_>) -> bool {
        self.0.iter().any(|rules| rules.iter().any(|rule| rule.allows(store, wish)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(roles: &[&str]) -> Access {
        let table = serde_json::json!({
            "reader": [{ "stores": ["main"], "collections": ["a-*"], "operations": ["read"] }],
            "lister": [{ "stores": ["main"], "collections": ["a-*"], "operations": ["list"] }],
            "keeper": [{ "stores": ["*"], "operations": ["admin"] }],
            "nobody": [{ "stores": ["*"], "operations": [] }],
        });
        let table = serde_json::from_value(table).expect("roles");
        Roles::new(&table).access(roles.iter().copied())
    }

    #[test]
    fn what_no_rule_allows_is_denied() {
        let reader = access(&["reader", "reader", "no such role"]);
        assert!(reader.allows("main", Wish::In(Operation::Read, "a-1")));
        assert!(reader.allows("main", Wish::See));
        for (store, wish) in [
            ("other", Wish::In(Operation::Read, "a-1")),
            ("other", Wish::See),
            ("main", Wish::In(Operation::Read, "b-1")),
            ("main", Wish::In(Operation::Write, "a-1")),
            ("main", Wish::In(Operation::List, "a-1")),
            ("main", Wish::Somewhere(Operation::List)),
            ("main", Wish::Everywhere(Operation::Read)),
        ] {
            assert!(!reader.allows(store, wish), "{store} {wish:?}");
        }
        for roles in [&[][..], &["nobody"]] {
            assert!(!access(roles).allows("main", Wish::See));
        }
    }

    #[test]
    fn a_rule_gives_nothing_to_another() {
        let both = access(&["lister", "keeper"]);
        assert!(both.allows("main", Wish::Somewhere(Operation::List)));
        assert!(both.allows("other", Wish::Everywhere(Operation::Admin)));
        assert!(!both.allows("other", Wish::Somewhere(Operation::List)));
        assert!(!both.allows("main", Wish::Everywhere(Operation::List)));
        assert!(!both.allows("main", Wish::In(Operation::Read, "a-1")));
    }
}
