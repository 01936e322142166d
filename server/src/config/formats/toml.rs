//! TOML, through the spanned tables of the `toml` crate.

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeTable, DeValue};

use super::{Lines, Problem, Reading, path};

/// What the crate says of a key that stands twice; it does not say which.
const DUPLICATE: &str = "duplicate key";

/// Reads TOML.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<Value, Problem> {
    let lines = Lines::of(text);
    let document = DeTable::parse(text).map_err(|error| {
        // the crate's own text shows the line itself, which may hold a secret
        let span = error.span().unwrap_or(0..0);
        let line = lines.line(span.start);
        match text.get(span) {
            Some(key) if error.message() == DUPLICATE => {
                reading.syntax(line, format!("{DUPLICATE} `{key}`"))
            }
            _ => reading.syntax(line, error.message()),
        }
    })?;
    let mut reader = Reader { lines, reading };
    reader.table("", document.get_ref(), 1)
}

struct Reader<'r> {
    lines: Lines,
    reading: &'r mut Reading,
}

impl Reader<'_> {
    fn table(&mut self, at: &str, table: &DeTable<'_>, depth: usize) -> Result<Value, Problem> {
        self.reading.check_depth(at, depth)?;
        let mut members = Map::new();
        for (key, value) in table {
            let member = path::member(at, key.get_ref());
            self.reading.at(&member, self.lines.line(key.span().start));
            let value = self.value(&member, value, depth)?;
            members.insert(key.get_ref().to_string(), value);
        }
        Ok(Value::Object(members))
    }

    fn value(
        &mut self,
        at: &str,
        value: &Spanned<DeValue<'_>>,
        depth: usize,
    ) -> Result<Value, Problem> {
        match value.get_ref() {
            DeValue::String(text) => Ok(Value::String(text.to_string())),
            DeValue::Boolean(boolean) => Ok(Value::Bool(*boolean)),
            DeValue::Integer(integer) => self.number(at, whole_number(integer)),
            DeValue::Float(float) => self.number(at, fraction(float)),
            DeValue::Datetime(_) => {
                let message = "a date or time, which no field is: write it as a string";
                Err(self.reading.tree.problem(at, message))
            }
            DeValue::Table(table) => self.table(at, table, depth + 1),
            DeValue::Array(array) => {
                self.reading.check_depth(at, depth + 1)?;
                let mut elements = Vec::new();
                for (index, value) in array.iter().enumerate() {
                    let element = path::element(at, index);
                    let line = self.lines.line(value.span().start);
                    self.reading.at(&element, line);
                    elements.push(self.value(&element, value, depth + 1)?);
                }
                Ok(Value::Array(elements))
            }
        }
    }

    fn number(&self, at: &str, number: Option<Number>) -> Result<Value, Problem> {
        let message = "a number outside of the range that can be read";
        number.map(Value::Number).ok_or_else(|| self.reading.tree.problem(at, message))
    }
}

fn whole_number(integer: &DeInteger<'_>) -> Option<Number> {
    let (text, radix) = (integer.as_str(), integer.radix());
    u64::from_str_radix(text, radix)
        .map(Number::from)
        .or_else(|_| i64::from_str_radix(text, radix).map(Number::from))
        .ok()
}

fn fraction(float: &DeFloat<'_>) -> Option<Number> {
    Number::from_f64(float.as_str().parse().ok()?)
}
