//! What the user wrote: the pipeline file, key by key, every leaf with its place.
//!
//! In comes the text of a file, out goes a [`Pipeline`] or every structural fault at once. No
//! defaults are applied here and nothing gets a meaning: that is `resolve`'s work. Spans survive
//! because the text is first read as a tree of nodes ([`node`]) and then decoded ([`decode`]);
//! serde's own derive would stop at the first fault and lose places inside flattened types.

mod brackets;
mod columns;
pub mod decode;
mod draw;
mod figures;
mod identity;
#[allow(clippy::doc_markdown, reason = "these comments are what editors show")]
mod model;
pub mod node;
mod private;
mod shape;
mod syntax;
mod text;

pub use columns::ExportColumns;
pub use decode::{Decode, Mapping, NameOrMap, OneOrMany};
pub use draw::{Control, Limit};
pub use identity::{Condition, FieldGroup, PathOrMap, Rule, alias_file};
pub use model::*;
pub use private::private_places;
pub use text::text_of;

use serde_json::Value;

use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Sink, Span, Spanned};

/// Versions of the pipeline file that this program reads.
const VERSION: u64 = 1;

impl PipelineKeys {
    /// The paths of all tables that are written; the folder of the run record is none of them.
    pub fn paths(&self) -> impl Iterator<Item = &Spanned<String>> {
        let outputs = self.outputs.iter().flat_map(Outputs::paths);
        let exports = self.exports.iter().flatten().flat_map(Export::paths);
        let measures = self.measures.iter().flatten().filter_map(|measure| measure.path.as_ref());
        outputs.chain(exports).chain(measures)
    }
}

impl Outputs {
    /// The paths of all tables that are asked for.
    pub fn paths(&self) -> impl Iterator<Item = &Spanned<String>> {
        let all = [
            &self.profiles,
            &self.identity,
            &self.quarantine,
            &self.segments,
            &self.provenance,
            &self.shared_keys,
            &self.conflicts,
            &self.memberships,
        ];
        all.into_iter().flatten()
    }
}

impl Export {
    /// The paths of all that it writes.
    pub fn paths(&self) -> impl Iterator<Item = &Spanned<String>> {
        std::iter::once(&self.path).chain(&self.removals)
    }
}

/// Reads the text of a pipeline file.
///
/// # Errors
/// Every structural fault: what is no YAML, unknown and missing keys, values of the wrong kind.
pub fn load(source: &str) -> Outcome<Pipeline> {
    let of_shape = shape::is_pipeline(source);
    let root = node::parse(source)
        .map_err(|fault| Faults::from(if of_shape { fault } else { text::other_file(source) }))?;
    if matches!(root.value, node::Node::Null) {
        return Err(Diagnostic::error(Code::WrongKind, "the pipeline file is empty")
            .at(Span::default(), "nothing stands here")
            .help("it begins with `version: 1`; `optin schema` says what may follow")
            .into());
    }
    if !of_shape {
        return Err(text::other_file(source).into());
    }
    let mut sink = Sink::default();
    let pipeline = Pipeline::decode(&root, &mut sink);
    if let Some(pipeline) = &pipeline
        && pipeline.version.value != VERSION
    {
        sink.push(
            Diagnostic::error(
                Code::UnknownVersion,
                format!("version {} of the pipeline file is not known", pipeline.version.value),
            )
            .at(pipeline.version.span, "this version")
            .help(format!("this program reads version {VERSION}")),
        );
    }
    match pipeline {
        // Names are still worth resolving when a key is wrong, so that all faults come in one go.
        Some(mut pipeline) => {
            pipeline.faults = sink;
            Ok(pipeline)
        }
        None => Err(Faults(sink.into_faults())),
    }
}

/// The JSON Schema of the pipeline file, for editors.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Pipeline).to_value();
    schema["title"] = "optin pipeline".into();
    without_null(&mut schema);
    schema
}

/// Takes null out of a schema: a key that may be absent has a value where it is there.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|of| of != "null");
                if types.len() == 1
                    && let Some(only) = types.pop()
                {
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(ways)) = members.get_mut("anyOf") {
                ways.retain(|way| way["type"] != "null");
                if ways.len() == 1
                    && let Some(Value::Object(only)) = ways.pop()
                {
                    members.remove("anyOf");
                    for (key, value) in only {
                        members.entry(key).or_insert(value);
                    }
                }
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::schema;

    #[test]
    fn the_schema_lets_no_key_be_empty() {
        let text = schema().to_string();
        assert!(text.contains("\"unless_different\"") && !text.contains("\"null\""), "{text}");
    }
}
