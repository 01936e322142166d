//! BSON into JSON text.

use ::mongodb::bson::RawBsonRef;
use ::mongodb::bson::raw::{RawArray, RawDocument};
use bytes::Bytes;
use kvgate_core::Value;

/// More than any server takes: a backend that sends more must not overflow our stack.
const DEPTH_MAX: usize = 200;

/// Why a stored document has no form in JSON. It shows nothing of it.
pub(super) type Problem = &'static str;

/// The JSON text of a stored object, without white space.
pub(super) fn value(object: &RawDocument) -> Result<Value, Problem> {
    let mut text = Vec::with_capacity(object.as_bytes().len());
    write_object(object, &mut text, 1)?;
    Ok(Value::from_checked(Bytes::from(text)))
}

fn write_object(object: &RawDocument, text: &mut Vec<u8>, depth: usize) -> Result<(), Problem> {
    text.push(b'{');
    for (index, element) in object.iter().enumerate() {
        let (name, value) = element.map_err(|_| "is not valid BSON")?;
        if index > 0 {
            text.push(b',');
        }
        write_leaf(name.as_str(), text)?;
        text.push(b':');
        write_value(value, text, depth)?;
    }
    text.push(b'}');
    Ok(())
}

fn write_array(array: &RawArray, text: &mut Vec<u8>, depth: usize) -> Result<(), Problem> {
    text.push(b'[');
    for (index, item) in array.into_iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write_value(item.map_err(|_| "is not valid BSON")?, text, depth)?;
    }
    text.push(b']');
    Ok(())
}

fn write_value(value: RawBsonRef<'_>, text: &mut Vec<u8>, depth: usize) -> Result<(), Problem> {
    match value {
        RawBsonRef::Document(_) | RawBsonRef::Array(_) if depth >= DEPTH_MAX => {
            Err("is nested too deep")
        }
        RawBsonRef::Document(object) => write_object(object, text, depth + 1),
        RawBsonRef::Array(array) => write_array(array, text, depth + 1),
        RawBsonRef::String(string) => write_leaf(string, text),
        RawBsonRef::Double(float) if float.is_finite() => write_leaf(&float, text),
        RawBsonRef::Double(_) => Err("holds a float that is not finite"),
        RawBsonRef::Int32(integer) => write_leaf(&integer, text),
        RawBsonRef::Int64(integer) => write_leaf(&integer, text),
        RawBsonRef::Boolean(boolean) => write_leaf(&boolean, text),
        RawBsonRef::Null => write_leaf(&(), text),
        _ => Err("holds a type that JSON has no form for"),
    }
}

fn write_leaf<T: serde::Serialize + ?Sized>(leaf: &T, text: &mut Vec<u8>) -> Result<(), Problem> {
    serde_json::to_writer(text, leaf).map_err(|_| "can't be written as JSON")
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc, oid::ObjectId};

    use super::super::to_bson;
    use super::*;

    fn text(document: &Document) -> Result<String, Problem> {
        let raw = RawDocumentBuf::try_from(document).expect("BSON");
        value(&raw).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    #[test]
    fn writes_what_was_read() {
        for json in [
            "{}",
            r#"{"a":null,"b":true,"c":false,"d":0,"e":"","f":[],"g":{}}"#,
            r#"{"z":[1,1.0,-0.0,[{"a":[]}]],"a":-9223372036854775808}"#,
            r#"{"\"\\\n\u0001é😀":"\"\\\n\u0000é😀","$a.b":{"$c":1}}"#,
            r#"{"n":0.1,"m":1.7976931348623157e308,"k":5e-324}"#,
        ] {
            let value = Value::from_checked(Bytes::from(json));
            let document = to_bson::document(&value).expect(json);
            let found = text(&document).expect(json);
            // exponents have no one form
            assert_eq!(found.replace("e+", "e"), json);
        }
    }

    #[test]
    fn what_json_has_no_form_for_is_an_error() {
        for bad in [
            Bson::Double(f64::NAN),
            Bson::Double(f64::NEG_INFINITY),
            Bson::DateTime(DateTime::MIN),
            Bson::ObjectId(ObjectId::from_bytes([0; 12])),
            Bson::Undefined,
        ] {
            assert!(text(&doc! { "a": [{ "b": bad.clone() }] }).is_err(), "{bad}");
        }
        let mut nested = doc! {};
        for _ in 1..DEPTH_MAX {
            nested = doc! { "a": nested };
        }
        text(&nested).expect("as deep as may be");
        assert!(text(&doc! { "a": nested }).is_err());
    }
}
