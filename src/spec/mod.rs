//! What the user wrote: the pipeline file, key by key, every leaf with its place.
//!
//! In comes the text of a file, out goes a [`Pipeline`] or every structural fault at once. No
//! defaults are applied here and nothing gets a meaning: that is `resolve`'s work. Spans survive
//! because the text is first read as a tree of nodes ([`node`]) and then decoded ([`decode`]);
//! serde's own derive would stop at the first fault and lose places inside flattened types.

pub mod decode;
mod identity;
#[allow(clippy::doc_markdown, reason = "these comments are what editors show")]
mod model;
pub mod node;
mod syntax;

pub use decode::{Decode, Mapping, NameOrMap, OneOrMany};
pub use identity::{Condition, FieldGroup, PathOrMap, Rule, alias_file};
pub use model::*;

use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Sink, Span};

/// Versions of the pipeline file that this program reads.
const VERSION: u64 = 1;

/// Reads the text of a pipeline file.
///
/// # Errors
/// Every structural fault: what is no YAML, unknown and missing keys, values of the wrong kind.
pub fn load(source: &str) -> Outcome<Pipeline> {
    let root = match node::parse(source) {
        Ok(root) => root,
        Err(_) if !names_a_section(source) => return Err(no_pipeline().into()),
        Err(fault) => return Err(fault.into()),
    };
    if !matches!(root.value, node::Node::Null) && !names_a_section(source) {
        return Err(no_pipeline().into());
    }
    if matches!(root.value, node::Node::Null) {
        return Err(Diagnostic::error(Code::WrongKind, "the pipeline file is empty")
            .at(Span::default(), "nothing stands here")
            .into());
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

/// A file of data given for a pipeline. Its lines are not shown, as a fault of syntax would.
fn no_pipeline() -> Diagnostic {
    Diagnostic::error(
        Code::PipelineUnreadable,
        "this is no pipeline file: no line of it begins a section such as `sources:`",
    )
    .help("name the YAML file that reads the data, such as pipelines/quickstart.yaml")
}

/// Whether a line begins with a key that a pipeline has; in a flow mapping `sources` stands anywhere.
fn names_a_section(source: &str) -> bool {
    let is_key = |rest: &str| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':');
    source.lines().any(|line| {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        if line.starts_with('{') {
            return line.split("sources").skip(1).any(is_key);
        }
        ["version", "sources", "customers", "segments", "exports"]
            .iter()
            .any(|key| line.strip_prefix(key).is_some_and(is_key))
    })
}

/// The JSON Schema of the pipeline file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Pipeline).to_value();
    schema["title"] = "optin pipeline".into();
    schema
}
