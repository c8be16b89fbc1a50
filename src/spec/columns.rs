//! The columns of an export: a list of what it shows, or the columns of a platform and what fills them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{Decode, Mapping};
use super::node::Node;
use crate::diagnostics::{Sink, Spanned};

/// The columns of an export.
#[derive(Clone, Debug)]
pub enum ExportColumns {
    /// By their own names.
    List(Vec<Spanned<String>>),
    /// By the platform's names.
    Platform(Mapping<Spanned<String>>),
}

impl Decode for ExportColumns {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Node::Map(_) => Mapping::decode(node, sink).map(Self::Platform),
            _ => Vec::decode(node, sink).map(Self::List),
        }
    }
}

impl JsonSchema for ExportColumns {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ExportColumns".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let texts = || json_schema!({ "type": "string" });
        json_schema!({ "anyOf": [
            { "type": "array", "items": texts() },
            { "type": "object", "additionalProperties": texts() },
        ] })
    }
}
