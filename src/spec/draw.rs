//! Shapes of a segment's `limit` and `control`: a value alone, or a mapping with it under one of its keys.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::decode::{Decode, wrong_kind};
use super::model::{ControlKeys, LimitKeys};
use super::node::{Node, Scalar};
use crate::diagnostics::{Sink, Spanned};

/// How many may be in a segment: a number, or `{ count: N, top_by: FIELD, seed: TEXT }`.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The keys.
    pub keys: LimitKeys,
}

impl Decode for Limit {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        let keys = match &node.value {
            Node::Scalar(Scalar::Int(_)) => {
                LimitKeys { count: Spanned::decode(node, sink)?, top_by: None, seed: None }
            }
            Node::Map(_) => LimitKeys::decode(node, sink)?,
            _ => {
                sink.push(
                    wrong_kind(node, "a whole number, or `{ count: N, top_by: FIELD }`,")
                        .help("such as 1000"),
                );
                return None;
            }
        };
        Some(Self { keys })
    }
}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<LimitKeys>();
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, long] })
    }
}

/// A share that is kept out: `10%`, or `{ share: 10%, seed: TEXT }`.
#[derive(Clone, Debug)]
pub struct Control {
    /// The keys.
    pub keys: ControlKeys,
}

impl Decode for Control {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        let keys = match &node.value {
            Node::Map(_) => ControlKeys::decode(node, sink)?,
            Node::Scalar(Scalar::Text(_) | Scalar::Int(_)) => {
                ControlKeys { share: Spanned::decode(node, sink)?, seed: None }
            }
            _ => {
                sink.push(
                    wrong_kind(node, "a share, or `{ share: 10%, seed: TEXT }`,")
                        .help("such as 10%"),
                );
                return None;
            }
        };
        Some(Self { keys })
    }
}

impl JsonSchema for Control {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Control".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<ControlKeys>();
        json_schema!({ "anyOf": [{ "type": "string", "pattern": "%$" }, long] })
    }
}
