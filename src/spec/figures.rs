//! The figures of a measure: a mapping of columns to texts such as `quantile(revenue, 0.9)`.
//!
//! Between braces YAML ends such a text at its comma. That is told as what it is, and not as a key
//! without a value.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::decode::{Decode, Mapping, without_value};
use super::node::Node;
use crate::diagnostics::{Code, Diagnostic, Sink, Spanned};

/// Column and figure, in written order.
#[derive(Clone, Debug)]
pub struct Figures(pub Vec<(Spanned<String>, Spanned<String>)>);

impl Decode for Figures {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        let Node::Map(entries) = &node.value else {
            return Mapping::decode(node, sink).map(|Mapping(figures)| Self(figures));
        };
        let mut figures = Vec::new();
        for (name, value) in entries {
            let cut = matches!(value.value, Node::Null) && name.value.ends_with(')');
            let before = figures.last().filter(|_| cut);
            if let Some((_, text)) = before.filter(|(_, text): &&(_, Spanned<String>)| {
                text.value.contains('(') && !text.value.ends_with(')')
            }) {
                let whole = format!("{}, {}", text.value, name.value);
                sink.push(
                    Diagnostic::error(Code::MeasureFault, "a figure is cut at its comma")
                        .at(text.span, "between braces a text ends here")
                        .help(format!("put it in quotes: \"{whole}\"")),
                );
                figures.pop();
            } else if matches!(value.value, Node::Null) {
                sink.push(without_value(name));
            } else if let Some(text) = Spanned::decode(value, sink) {
                figures.push((name.clone(), text));
            }
        }
        Some(Self(figures))
    }
}

impl JsonSchema for Figures {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Figures".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Mapping::<String>::json_schema(generator)
    }
}
