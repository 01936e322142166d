//! Reading many items in their order: a collection's by `Query`, all of them by `Scan`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use kvgate_core::{Error, Kind, PageRequest, Result, Timestamp};

use super::item::{self, COLLECTION, Item, KEY, KEY_BYTES_MAX, TTL, VALUE};
use super::table::Table;

/// Placeholders for the attributes: some of their names are words of DynamoDB's language.
const NAMES: [(&str, &str); 4] = [("#c", COLLECTION), ("#k", KEY), ("#v", VALUE), ("#t", TTL)];

/// How items are read.
#[derive(Clone, Default)]
pub(super) struct Reading<'a> {
    /// Only items of this collection; of all if it is not set.
    pub(super) collection: Option<&'a str>,
    /// Only items whose keys begin so; with a collection.
    pub(super) prefix: &'a str,
    /// A condition on what is read, and the second that it calls `:now`.
    pub(super) filter: Option<(&'static str, i64)>,
    /// The attributes that are read.
    pub(super) projection: &'static str,
    /// Where the reading goes on: behind the item with this key.
    pub(super) after: Option<Item>,
    /// The most items that are looked at.
    pub(super) limit: Option<i32>,
    /// Whether all writes that were acknowledged are seen.
    pub(super) consistent: bool,
}

/// Items that were read together: at most a megabyte, in which a filter may have left
/// nothing.
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    /// Where the next part begins; nothing at the end.
    pub(super) next: Option<Item>,
}

impl Reading<'_> {
    /// Reads a part.
    pub(super) async fn part(&self, table: &Table) -> Result<Part> {
        let condition = match (self.collection, self.prefix) {
            (None, _) => "",
            (Some(_), "") => "#c = :c",
            (Some(_), _) => "#c = :c AND begins_with(#k, :p)",
        };
        let filter = self.filter.map(|(filter, _)| filter);
        let texts = [condition, filter.unwrap_or_default(), self.projection];
        let names: HashMap<_, _> = NAMES
            .into_iter()
            .filter(|(name, _)| texts.iter().any(|text| text.contains(name)))
            .map(|(name, attribute)| (name.to_owned(), attribute.to_owned()))
            .collect();
        let values = self.values(condition);
        let (items, next) = if self.collection.is_some() {
            let send = |client: aws_sdk_dynamodb::Client| {
                let query = client.query().table_name(&table.name);
                query
                    .key_condition_expression(condition)
                    .set_filter_expression(filter.map(str::to_owned))
                    .projection_expression(self.projection)
                    .set_expression_attribute_names(Some(names.clone()))
                    .set_expression_attribute_values(values.clone())
                    .set_exclusive_start_key(self.after.clone())
                    .set_limit(self.limit)
                    .consistent_read(self.consistent)
                    .send()
            };
            let answer = table.read(send).await?;
            (answer.items, answer.last_evaluated_key)
        } else {
            let send = |client: aws_sdk_dynamodb::Client| {
                let scan = client.scan().table_name(&table.name);
                scan.set_filter_expression(filter.map(str::to_owned))
                    .projection_expression(self.projection)
                    .set_expression_attribute_names(Some(names.clone()))
                    .set_expression_attribute_values(values.clone())
                    .set_exclusive_start_key(self.after.clone())
                    .set_limit(self.limit)
                    .consistent_read(self.consistent)
                    .send()
            };
            let answer = table.read(send).await?;
            (answer.items, answer.last_evaluated_key)
        };
        Ok(Part { items: items.unwrap_or_default(), next })
    }

    fn values(&self, condition: &str) -> Option<HashMap<String, AttributeValue>> {
        let mut values = HashMap::new();
        if let Some(collection) = self.collection {
            values.insert(":c".to_owned(), AttributeValue::S(collection.to_owned()));
        }
        if condition.contains(":p") {
            values.insert(":p".to_owned(), AttributeValue::S(self.prefix.to_owned()));
        }
        if let Some((_, now)) = self.filter {
            values.insert(":now".to_owned(), AttributeValue::N(now.to_string()));
        }
        // none is not the same as an empty list of them
        (!values.is_empty()).then_some(values)
    }
}

/// The last key that was listed as the place where listing goes on.
pub(super) fn after(collection: &str, prefix: &str, cursor: Option<&str>) -> Result<Option<Item>> {
    let Some(key) = cursor else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.starts_with(prefix) {
        return Err(Error::new(Kind::InvalidCursor, "the cursor is no key of this listing"));
    }
    Ok(Some(item::address(collection, key)))
}

/// The collections of which there are items in a part, and where the next part begins.
pub(super) struct Collections {
    /// Each once, in the order of the table, with whether an item in the part is visible.
    pub(super) found: Vec<(String, bool)>,
    pub(super) next: Option<String>,
}

/// Looks for collections behind the items of the one that was met last.
pub(super) async fn collections(
    table: &Table,
    page: &PageRequest<'_>,
    now: Timestamp,
    consistent: bool,
) -> Result<Collections> {
    let limit = i32::try_from(page.limit).unwrap_or(i32::MAX).min(COLLECTIONS_LIMIT);
    let reading = Reading {
        projection: "#c, #t, #v",
        after: page.cursor.map(behind),
        limit: Some(limit),
        consistent,
        ..Reading::default()
    };
    let part = reading.part(table).await?;
    let mut found: Vec<(String, bool)> = Vec::new();
    for mut item in part.items {
        let name = item::take_name(&mut item, COLLECTION)?;
        if found.last().is_none_or(|(last, _)| *last != name) {
            found.push((name, false));
        }
        if let Some((_, is_live @ false)) = found.last_mut() {
            *is_live = is_visible(item, now);
        }
    }
    let next = part.next.and_then(|_| found.last()).map(|(name, _)| name.clone());
    Ok(Collections { found, next })
}

/// How many items are looked at for collections before the jump behind the last one.
const COLLECTIONS_LIMIT: i32 = 100;

/// Where a scan goes on behind all items of a collection: no key is greater.
fn behind(collection: &str) -> Item {
    let greatest = "\u{10ffff}".repeat(KEY_BYTES_MAX / '\u{10ffff}'.len_utf8());
    item::address(collection, &greatest)
}

/// Whether a collection has an entry that is visible at `now`.
pub(super) async fn has_live(
    table: &Table,
    collection: &str,
    now: Timestamp,
    consistent: bool,
) -> Result<bool> {
    let mut reading = Reading {
        collection: Some(collection),
        filter: Some(("attribute_not_exists(#t) OR #t >= :now", item::seconds_down(now))),
        projection: "#t, #v",
        limit: Some(LIVE_LIMIT),
        consistent,
        ..Reading::default()
    };
    loop {
        let part = reading.part(table).await?;
        if part.items.into_iter().any(|found| is_visible(found, now)) {
            return Ok(true);
        }
        reading.after = part.next;
        if reading.after.is_none() {
            return Ok(false);
        }
    }
}

/// How many items of a collection are looked at together for one that is live: mostly
/// the first is.
const LIVE_LIMIT: i32 = 10;

/// Whether an item is there for callers. What can't be read is: they are told.
fn is_visible(item: Item, now: Timestamp) -> bool {
    item::entry(item).map_or(true, |entry| entry.is_live(now))
}
