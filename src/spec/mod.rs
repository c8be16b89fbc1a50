//! What the user wrote: the pipeline file, key by key, every leaf with its place.
//!
//! In comes the text of a file, out goes a [`Pipeline`] or every structural fault at once. No
//! defaults are applied here and nothing gets a meaning: that is `resolve`'s work. Spans survive
//! because the text is first read as a tree of nodes ([`node`]) and then decoded ([`decode`]);
//! serde's own derive would stop at the first fault and lose places inside flattened types.

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

pub use columns::ExportColumns;
pub use decode::{Decode, Mapping, NameOrMap, OneOrMany};
pub use draw::{Control, Limit};
pub use identity::{Condition, FieldGroup, PathOrMap, Rule, alias_file};
pub use model::*;
pub use private::private_places;

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
        .map_err(|fault| Faults::from(if of_shape { fault } else { other_file() }))?;
    if matches!(root.value, node::Node::Null) {
        return Err(Diagnostic::error(Code::WrongKind, "the pipeline file is empty")
            .at(Span::default(), "nothing stands here")
            .help("it begins with `version: 1`; `optin schema` says what may follow")
            .into());
    }
    if !of_shape {
        return Err(other_file().into());
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

/// The fault for what is no pipeline file. It may be a data file: none of its lines is shown.
fn other_file() -> Diagnostic {
    Diagnostic::error(
        Code::PipelineUnreadable,
        "this is no pipeline file: sections such as `version` and `sources` are not there",
    )
    .help("a pipeline file begins with `version: 1`; was a data file given in its place?")
}

/// The JSON Schema of the pipeline file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Pipeline).to_value();
    schema["title"] = "optin pipeline".into();
    schema
}
