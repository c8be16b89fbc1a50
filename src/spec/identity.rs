//! Shapes of the identity and profile sections that have a short and a long form.
//!
//! Short forms are what most people write (`[email]`, `[street, city]`, a path); the long form is
//! a mapping with the short form under one of its keys.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{Decode, OneOrMany, wrong_kind};
use super::model::{AliasOptions, GroupKeys, PathKeys, RuleKeys, SimilarField};
use super::node::{Node, Scalar};
use crate::diagnostics::{Sink, Spanned};

/// One condition of a link rule: a field, or `{ field: F, similarity: S }`.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The field.
    pub field: Spanned<String>,
    /// Smallest similarity; none: equal.
    pub similarity: Option<Spanned<f64>>,
}

impl Decode for Condition {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Node::Scalar(_) => Some(Self { field: Spanned::decode(node, sink)?, similarity: None }),
            Node::Map(entries)
                if entries.iter().all(|(key, _)| !matches!(key.value.as_str(), "field")) =>
            {
                sink.push(
                    wrong_kind(node, "a field, or `{ field: F, similarity: S }`,")
                        .help("such as { field: last_name, similarity: 0.85 }"),
                );
                None
            }
            Node::Map(_) => {
                let written = SimilarField::decode(node, sink)?;
                Some(Self { field: written.field, similarity: written.similarity })
            }
            _ => {
                sink.push(wrong_kind(node, "a field, or `{ field: F, similarity: S }`,"));
                None
            }
        }
    }
}

impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<SimilarField>();
        json_schema!({ "anyOf": [{ "type": "string" }, long] })
    }
}

/// A link rule: a condition, a list of them, or `{ on: [..], only: [..] }`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// All must hold.
    pub on: Vec<Condition>,
    /// The customer sources it links.
    pub only: Option<Vec<Spanned<String>>>,
    /// True for a field that stands alone, without a list around it.
    pub bare: bool,
}

impl Decode for Rule {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        if let Node::Map(entries) = &node.value
            && entries.iter().any(|(key, _)| matches!(key.value.as_str(), "on" | "only"))
        {
            let written = RuleKeys::decode(node, sink)?;
            return Some(Self { on: written.on.0, only: written.only, bare: false });
        }
        let bare = !matches!(node.value, Node::List(_));
        OneOrMany::<Condition>::decode(node, sink).map(|on| Self { on: on.0, only: None, bare })
    }
}

impl JsonSchema for Rule {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<OneOrMany<Condition>>();
        let long = generator.subschema_for::<RuleKeys>();
        json_schema!({ "anyOf": [short, long] })
    }
}

/// Fields that are won as one unit: a list, or `{ fields: [..], keep: .. }`.
#[derive(Clone, Debug)]
pub struct FieldGroup {
    /// The fields and the policy.
    pub keys: GroupKeys,
}

impl Decode for FieldGroup {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        let keys = match &node.value {
            Node::List(_) => GroupKeys { fields: Vec::decode(node, sink)?, keep: None },
            Node::Map(_) => GroupKeys::decode(node, sink)?,
            _ => {
                sink.push(wrong_kind(node, "a list of fields, or `{ fields: [..], keep: .. }`,"));
                return None;
            }
        };
        Some(Self { keys })
    }
}

impl JsonSchema for FieldGroup {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "FieldGroup".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<GroupKeys>();
        json_schema!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, long] })
    }
}

/// A path, or `{ path: P, allow_missing: true }`.
#[derive(Clone, Debug)]
pub struct PathOrMap {
    /// The path.
    pub path: Spanned<String>,
    /// Whether it may be missing.
    pub allow_missing: bool,
}

impl Decode for PathOrMap {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Node::Scalar(Scalar::Text(path)) => {
                Some(Self { path: Spanned::new(path.clone(), node.span), allow_missing: false })
            }
            Node::Map(_) => {
                let written = PathKeys::decode(node, sink)?;
                let allow_missing = written.allow_missing.unwrap_or(false);
                Some(Self { path: written.path, allow_missing })
            }
            _ => {
                sink.push(wrong_kind(node, "a path, or `{ path: P, allow_missing: true }`,"));
                None
            }
        }
    }
}

impl JsonSchema for PathOrMap {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "PathOrMap".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<PathKeys>();
        json_schema!({ "anyOf": [{ "type": "string" }, long] })
    }
}

/// The file of the normalizer `alias`: a path, or `{ file: PATH }`.
#[must_use]
pub fn alias_file(argument: &Spanned<Node>, sink: &mut Sink) -> Option<Spanned<String>> {
    match &argument.value {
        Node::Scalar(_) => Spanned::decode(argument, sink),
        _ => AliasOptions::decode(argument, sink).map(|options| options.file),
    }
}
