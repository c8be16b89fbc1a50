//! The pipeline file as a tree of nodes, each with its place. Serde reads it; meaning comes later.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned as YamlSpanned;

use super::syntax;
use crate::diagnostics::{Code, Diagnostic, Span, Spanned};

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

/// The first whole number that nothing here can hold.
const TOO_LARGE: i128 = 1 << 64;

impl Node {
    /// What it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(Scalar::Bool(_)) => "true or false",
            Self::Scalar(Scalar::Int(..0)) => "a negative number",
            Self::Scalar(Scalar::Int(TOO_LARGE..)) => "a number that is too large",
            Self::Scalar(Scalar::Int(_)) => "a whole number",
            // Of so large a number the parser keeps no digits behind the point.
            Self::Scalar(Scalar::Float(number)) if number.abs() >= 1e18 => {
                "a number that is too large"
            }
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
        let place = error.location().map(|at| clamp(source, span_of(&at)));
        syntax::fault(source, &error.without_snippet().to_string(), place)
    })?;
    let root = convert(source, raw);
    match without_lines(source, &root) {
        Some(fault) => Err(fault),
        None => Ok(root),
    }
}

/// The first sign that announces a text on the lines below it (`>` or `|`) and stands before none. The parser
/// reads an empty text there, and gives it the place of what follows.
fn without_lines(source: &str, node: &Spanned<Node>) -> Option<Diagnostic> {
    let entries = match &node.value {
        Node::Map(entries) => entries,
        Node::List(items) => return items.iter().find_map(|item| without_lines(source, item)),
        Node::Null | Node::Scalar(_) => return None,
    };
    entries.iter().find_map(|(key, value)| {
        if !matches!(&value.value, Node::Scalar(Scalar::Text(text)) if text.is_empty()) {
            return without_lines(source, value);
        }
        let between = source.get(key.span.end..)?;
        let rest = between.trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?;
        let rest = rest.trim_start_matches([' ', '\t']);
        let sign = rest.chars().next().filter(|sign| ['>', '|'].contains(sign))?;
        let at = source.len() - rest.len();
        Some(
            Diagnostic::error(Code::WrongKind, format!("no text follows `{sign}`"))
                .at(Span::new(at, at + 1), "announces a text on the lines below it")
                .help(
                    "write the text on the next line, further to the right than its key; for the sign \
                     itself write \"|\" with its quotes",
                ),
        )
    })
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
