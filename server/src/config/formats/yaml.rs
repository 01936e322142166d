//! YAML, through the marked nodes of `saphyr`.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Event, Parser, SpannedEventReceiver};
use serde_json::{Map, Number, Value};

use super::{DEPTH_MAX, Problem, Reading, path};

/// How many nodes the aliases of one file may stand for: a dozen lines of aliases
/// to aliases would fill the memory.
const ALIASED_NODES_MAX: usize = 10_000;

/// Reads YAML.
pub(super) fn read(text: &str, reading: &mut Reading) -> Result<Value, Problem> {
    let mut documents = load(text).map_err(|(line, message)| reading.syntax(line, message))?;
    if let Some(second) = documents.get(1) {
        let line = second.span.start.line();
        return Err(reading.syntax(line, "a second document: the file must be one"));
    }
    match documents.pop() {
        Some(document) if !document.is_badvalue() => Reader { reading }.value("", &document, 0),
        _ => Ok(Value::Null),
    }
}

/// Loads all documents. The crate's own way to do so has no bound on the depth.
fn load(text: &str) -> Result<Vec<MarkedYaml<'_>>, (usize, String)> {
    let failure = |error: &ScanError| (error.marker().line(), error.info().to_owned());
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    loader.alias_limit(ALIASED_NODES_MAX);
    let mut depth = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| failure(&error))?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err((span.start.line(), message));
        }
        loader.on_event(event, span);
        if let Some(error) = loader.error() {
            return Err(failure(error));
        }
    }
    Ok(loader.into_documents())
}

struct Reader<'r> {
    reading: &'r mut Reading,
}

impl Reader<'_> {
    fn value(&mut self, at: &str, node: &MarkedYaml<'_>, depth: usize) -> Result<Value, Problem> {
        // once more: aliases may stand for what is deep itself
        self.reading.check_depth(at, depth)?;
        match &node.data {
            YamlData::Value(scalar) => self.scalar(at, scalar),
            YamlData::Mapping(mapping) => {
                let mut members = Map::new();
                for (key, value) in mapping {
                    let line = key.span.start.line();
                    let Some(key) = key.data.as_str() else {
                        let message = "a key that is not a string: put it in quotes";
                        return Err(self.reading.syntax(line, message));
                    };
                    let member = path::member(at, key);
                    self.reading.at(&member, line);
                    members.insert(key.to_owned(), self.value(&member, value, depth + 1)?);
                }
                Ok(Value::Object(members))
            }
            YamlData::Sequence(sequence) => {
                let mut elements = Vec::new();
                for (index, value) in sequence.iter().enumerate() {
                    let element = path::element(at, index);
                    self.reading.at(&element, value.span.start.line());
                    elements.push(self.value(&element, value, depth + 1)?);
                }
                Ok(Value::Array(elements))
            }
            YamlData::Tagged(..) | YamlData::Representation(..) => {
                Err(self.refused(at, "a tag, which no field has"))
            }
            YamlData::Alias(_) | YamlData::BadValue => {
                Err(self.refused(at, "a value that can't be read"))
            }
        }
    }

    fn scalar(&self, at: &str, scalar: &Scalar<'_>) -> Result<Value, Problem> {
        match scalar {
            Scalar::Null => Ok(Value::Null),
            Scalar::Boolean(boolean) => Ok(Value::Bool(*boolean)),
            Scalar::Integer(integer) => Ok(Value::from(*integer)),
            Scalar::FloatingPoint(float) => Number::from_f64(float.into_inner())
                .map(Value::Number)
                .ok_or_else(|| self.refused(at, "a number outside of the range that can be read")),
            Scalar::String(text) => Ok(Value::String(text.to_string())),
        }
    }

    fn refused(&self, at: &str, message: &str) -> Problem {
        self.reading.tree.problem(at, message)
    }
}
