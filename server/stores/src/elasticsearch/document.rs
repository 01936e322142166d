//! An entry as a document.

use bytes::Bytes;
use kvgate_core::{Entry, Error, Kind, Result, Value, envelope};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::indices::Product;

/// The document of an entry: the envelope, whose value is within a member of the
/// product's own name.
pub(super) fn encode(entry: &Entry, collection: &str, key: &str, product: Product) -> String {
    let value = entry.value.as_bytes();
    let member = format!("{{\"{}\": ", product.value_member());
    let value = [member.as_bytes(), value, b"}"].concat();
    let entry = Entry { value: Value::from_checked(value.into()), ..entry.clone() };
    envelope::encode(&entry, Some((collection, key)))
}

/// The entry of a document, whose value is a slice of it.
pub(super) fn decode(document: &Bytes) -> Result<Entry> {
    let entry = envelope::decode(document)?.entry;
    let value = entry.value.as_bytes();
    let object = serde_json::from_slice(value)
        .ok()
        .map(|Within { flattened }| flattened.get())
        .filter(|json| json.starts_with('{'))
        .ok_or_else(|| {
            Error::new(Kind::Unreadable, "the stored document's value has no object in it")
        })?;
    let value = Value::from_checked(value.slice_ref(object.as_bytes()));
    Ok(Entry { value, ..entry })
}

#[derive(Deserialize)]
struct Within<'a> {
    #[serde(borrow, alias = "flat")]
    flattened: &'a RawValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form() {
        let value = Value::from_checked(Bytes::from_static(b"{\"b\":1.0,\n \"a\": {}}"));
        let entry = Entry { value, created_at: None, expires_at: None };
        for (product, member) in
            [(Product::Elasticsearch, "flattened"), (Product::OpenSearch, "flat")]
        {
            let document = Bytes::from(encode(&entry, "c", "k", product));
            assert_eq!(
                document,
                format!(
                    "{{\"collection\": \"c\", \"key\": \"k\", \
                     \"value\": {{\"{member}\": {{\"b\":1.0,\n \"a\": {{}}}}}}, \"version\": 1}}"
                )
            );
            assert_eq!(decode(&document).expect("an entry"), entry);
        }
    }

    #[test]
    fn what_is_no_entry() {
        for document in [
            "{}",
            r#"{"value": {}}"#,
            r#"{"value": {"flattened": [1]}}"#,
            r#"{"value": {"flattened": null}}"#,
            r#"{"value": "{}"}"#,
        ] {
            let error = decode(&Bytes::from_static(document.as_bytes())).expect_err(document);
            assert_eq!(error.kind(), Kind::Unreadable, "{document}");
        }
    }
}
