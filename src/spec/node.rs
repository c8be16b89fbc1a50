//! The pipeline file as a tree of nodes, each with its place. Serde reads it; meaning comes later.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned as YamlSpanned;

use super::syntax::in_words;
use crate::diagnostics::{Code, Diagnostic, Span, Spanned, quotes_veiled};

/// A YAML node.
#[derive(Clone, Debug)]
pub enum Node {
    /// `null`, `~` or nothing.
    Null,
    /// Any scalar. `quoted` tells a text that looks like a number from a number.
    Scalar(Scalar),
    /// A list.
    List(Vec<Spanned<Node>>),
    /// A mapping, in written order.
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// A scalar as YAML resolves it.
#[derive(Clone, Debug)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a point or exponent.
    Float(f64),
    /// Everything else.
    Text(String),
}

impl Node {
    /// What it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(Scalar::Bool(_)) => "true or false",
            Self::Scalar(Scalar::Int(..0)) => "a negative number",
            Self::Scalar(Scalar::Int(_)) => "a whole number",
            Self::Scalar(Scalar::Float(_)) => "a number with a point",
            Self::Scalar(Scalar::Text(_)) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// The tree as serde sees it: every node wrapped by the parser's own span type.
struct Raw(YamlSpanned<RawNode>);

enum RawNode {
    Null,
    Scalar(Scalar),
    List(Vec<Raw>),
    Map(Vec<(YamlSpanned<String>, Raw)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        YamlSpanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = RawNode;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Int(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Int(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Int(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Text(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<RawNode, E> {
        Ok(RawNode::Scalar(Scalar::Text(value)))
    }

    fn visit_unit<E>(self) -> Result<RawNode, E> {
        Ok(RawNode::Null)
    }

    fn visit_none<E>(self) -> Result<RawNode, E> {
        Ok(RawNode::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawNode, D::Error> {
        RawNode::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawNode, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(RawNode::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawNode, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(RawNode::Map(entries))
    }
}

/// Parses the text of a pipeline file.
///
/// # Errors
/// One diagnostic with its place where the text is not YAML.
pub fn parse(source: &str) -> Result<Spanned<Node>, Diagnostic> {
    let mut options = serde_yaml::Options::default();
    options.strict_booleans = true;
    let raw: Raw = serde_yaml::from_str_with_options(source, options).map_err(|error| {
        let mut words = in_words(&error.without_snippet().to_string());
        if quotes_veiled(source, &words.message) {
            "what stands under `never` is no list of values".clone_into(&mut words.message);
        }
        let span = error.location().map(|at| clamp(source, span_of(&at)));
        let span = span.map(|span| if words.is_tab { tab_after(source, span) } else { span });
        let mut fault =
            Diagnostic::error(Code::YamlSyntax, format!("this is not YAML: {}", words.message));
        if let Some(help) = words.help {
            fault = fault.help(help);
        }
        match span {
            Some(span) => fault.at(span, "here"),
            None => fault,
        }
    })?;
    Ok(convert(source, raw))
}

/// The first tab before a line's text, at the place or after it: the parser stops before it.
fn tab_after(source: &str, place: Span) -> Span {
    let mut start = source[..place.start].rfind('\n').map_or(0, |end| end + 1);
    for line in source[start..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if let Some(at) = line[..indent].find('\t') {
            return Span::new(start + at, start + at + 1);
        }
        start += line.len();
    }
    place
}

fn convert(source: &str, Raw(raw): Raw) -> Spanned<Node> {
    let mut span = clamp(source, span_of(&raw.referenced));
    let node = match raw.value {
        RawNode::Null => Node::Null,
        RawNode::Scalar(scalar) => Node::Scalar(scalar),
        RawNode::List(items) => {
            Node::List(items.into_iter().map(|item| convert(source, item)).collect())
        }
        RawNode::Map(entries) => Node::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key_span = clamp(source, span_of(&key.referenced));
                    (Spanned::new(key.value, key_span), convert(source, value))
                })
                .collect(),
        ),
    };
    // A block mapping or list has the place of its first entry.
    if let Node::Map(entries) = &node
        && let Some((key, _)) = entries.first()
        && source.as_bytes().get(span.start) != Some(&b'{')
    {
        span = key.span;
    }
    Spanned::new(node, span)
}

fn span_of(location: &serde_yaml::Location) -> Span {
    let span = location.span();
    let start = span.byte_offset().unwrap_or_else(|| span.offset());
    let length = span.byte_len().unwrap_or_else(|| span.len());
    let start = usize::try_from(start).unwrap_or(0);
    Span::new(start, start + usize::try_from(length).unwrap_or(0))
}

/// Keeps a span inside the text, on character boundaries, without the white space at its end.
fn clamp(source: &str, span: Span) -> Span {
    let floor = |at: usize| {
        let mut at = at.min(source.len());
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, mut end) = (floor(span.start), floor(span.end.max(span.start)));
    end = start + source[start..end].trim_end().len();
    Span::new(start, end)
}
