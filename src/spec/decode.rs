//! From nodes to the spec's types, gathering every fault instead of stopping at the first.

use super::node::{Node, Scalar};
use crate::diagnostics::{Code, Diagnostic, Sink, Span, Spanned, nearest};

/// A type that can be read from a node.
pub trait Decode: Sized {
    /// Reads the node; what is wrong goes to `sink`, and then there may be no value.
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self>;
}

/// How a mapping is written.
const MAPPING: &str = "write { key: value }, or each `key: value` on a line of its own";

/// A doc comment as the end of a sentence.
fn lower_first(doc: &str) -> String {
    let doc = doc.trim().trim_end_matches('.');
    let mut chars = doc.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// True for names with commas between, which somebody meant as a list.
fn is_plain_list(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ',' | ' '))
}

/// Says that `node` is not what stands here.
#[must_use]
pub fn wrong_kind(node: &Spanned<Node>, wanted: &str) -> Diagnostic {
    Diagnostic::error(Code::WrongKind, format!("{wanted} must stand here, not {}", node.kind()))
        .at(node.span, format!("this is {}", node.kind()))
}

/// Says that a key has no value. To go on as if it were not there could lose a protection that was meant.
fn no_value(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code::MissingKey, format!("`{key}` has no value"))
        .at(span, "nothing stands behind it")
        .help("write a value, or take the key out")
}

/// The name in a key without a value that is a key and its value, without a blank between them:
/// to YAML `{ email:Mail }` has the key `email:Mail`.
fn glued<'n>(key: &'n str, value: &Node) -> Option<&'n str> {
    let (name, rest) = key.split_once(':')?;
    (matches!(value, Node::Null) && !name.is_empty() && !rest.is_empty()).then_some(name)
}

/// Says that a key and its value are [`glued`].
fn no_blank(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code::WrongKind, format!("no blank stands behind the colon of `{name}`"))
        .at(span, "this is one text, and no key with a value")
        .help(format!("write a blank behind the colon: `{name}: ..`"))
}

/// Says what is wrong with a key that has no value.
pub(super) fn without_value(key: &Spanned<String>) -> Diagnostic {
    match glued(&key.value, &Node::Null) {
        Some(name) => no_blank(name, key.span),
        None => no_value(&key.value, key.span),
    }
}

/// A share as it is written: 10% for 0.1.
fn percent(share: f64) -> String {
    let percent = if share.abs() <= 1.0 { share * 100.0 } else { share };
    let digits = format!("{percent:.4}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned() + "%"
}

/// Reads a node. Where `what` speaks of a share, who writes 0.1 is told how it is written.
fn read<T: Decode>(node: &Spanned<Node>, what: &str, sink: &mut Sink) -> Option<T> {
    match node.value {
        Node::Scalar(Scalar::Float(share)) if what.contains('%') => {
            let fault = wrong_kind(node, "a share");
            sink.push(fault.help(format!("write it with its sign: {}", percent(share))));
            None
        }
        _ => T::decode(node, sink),
    }
}

/// The entries of a mapping being read: those asked for are taken, the rest are unknown.
pub struct Entries<'a> {
    what: &'static str,
    span: Span,
    written: &'a [(Spanned<String>, Spanned<Node>)],
    asked: Vec<&'static str>,
    /// Those that must be there and are not, with what they are.
    missing: Vec<(&'static str, &'static str)>,
}

impl<'a> Entries<'a> {
    /// Starts to read a mapping; `what` names it in messages.
    pub fn of(what: &'static str, node: &'a Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Node::Map(entries) => Some(Self {
                what,
                span: node.span,
                written: entries,
                asked: Vec::new(),
                missing: Vec::new(),
            }),
            _ => {
                sink.push(wrong_kind(node, &format!("{what} (a mapping)")).help(MAPPING));
                None
            }
        }
    }

    /// The node under a key. A key without a value has none; [`optional`](Self::optional) and
    /// [`finish`](Self::finish) report it.
    fn node(&mut self, key: &'static str) -> Option<&'a Spanned<Node>> {
        self.asked.push(key);
        self.written
            .iter()
            .find(|(name, node)| name.value == key && !matches!(node.value, Node::Null))
            .map(|(_, node)| node)
    }

    /// A value that may be absent. A key that is there has a value.
    pub fn optional<T: Decode>(
        &mut self,
        key: &'static str,
        what: &'static str,
        sink: &mut Sink,
    ) -> Option<T> {
        let is_empty = |(name, node): &&(Spanned<String>, Spanned<Node>)| {
            name.value == key && matches!(node.value, Node::Null)
        };
        if let Some((name, _)) = self.written.iter().find(is_empty) {
            self.asked.push(key);
            sink.push(no_value(key, name.span));
            return None;
        }
        self.node(key).and_then(|node| read(node, what, sink))
    }

    /// A value that must be there; `what` it is, for who forgot it.
    pub fn required<T: Decode>(
        &mut self,
        key: &'static str,
        what: &'static str,
        sink: &mut Sink,
    ) -> Option<T> {
        match self.node(key) {
            Some(node) => read(node, what, sink),
            None => {
                self.missing.push((key, what));
                None
            }
        }
    }

    /// The text under `name`, by which later stages may look for this thing.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.written.iter().find_map(|(key, node)| match &node.value {
            Node::Scalar(Scalar::Text(name)) if key.value == "name" => Some(name.clone()),
            _ => None,
        })
    }

    /// Reports every key that was not asked for, and every required one that is not there, unless
    /// an unknown key is it, misspelt.
    pub fn finish(mut self, sink: &mut Sink) {
        for (key, node) in self.written {
            if self.asked.contains(&key.value.as_str()) {
                continue;
            }
            // What stands behind the colon may be a value of a person.
            let name = glued(&key.value, &node.value).unwrap_or(&key.value);
            if self.asked.contains(&name) {
                self.missing.retain(|(missing, _)| *missing != name);
                sink.push(no_blank(name, key.span));
                continue;
            }
            let fault =
                Diagnostic::error(Code::UnknownKey, format!("{} has no key `{name}`", self.what))
                    .at(key.span, "unknown key");
            let help = match nearest(name, self.asked.iter().copied()) {
                Some(near) => {
                    self.missing.retain(|(missing, _)| *missing != near);
                    format!("did you mean `{near}`?")
                }
                None => format!("known keys: {}", self.asked.join(", ")),
            };
            sink.push(fault.help(help));
        }
        for (key, what) in self.missing {
            let empty = self.written.iter().find(|(name, _)| name.value == key);
            let fault =
                Diagnostic::error(Code::MissingKey, format!("{} must have `{key}`", self.what))
                    .help(format!("write `{key}`: {}", lower_first(what)));
            sink.push(match empty {
                Some((name, _)) => fault.at(name.span, "nothing stands behind it"),
                None => fault.at(self.span, format!("`{key}` is missing here")),
            });
        }
    }
}

/// Runs a closure in which `?` leaves only the closure.
pub(super) fn built<T>(make: impl FnOnce() -> Option<T>) -> Option<T> {
    make()
}

/// Declares types of the spec: the struct, how it is read, and its JSON schema, from one text.
macro_rules! spec_types {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident ($what:literal) {
            $($(#[doc = $field_doc:literal])+ $field:ident $(as $key:literal)? : $how:ident $ty:ty,)+
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $field_doc])+ $(#[schemars(rename = $key)])? pub $field: spec_types!(@type $how $ty),)+
        }

        impl Decode for $name {
            fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
                let mut entries = Entries::of($what, node, sink)?;
                $(let $field: Option<$ty> =
                    entries.$how::<$ty>(
                    spec_types!(@key $field $($key)?),
                    concat!($($field_doc),+),
                    sink,
                );)+
                let name = entries.name();
                entries.finish(sink);
                let value = $crate::spec::decode::built(move || Some(Self { $($field: spec_types!(@take $how $field),)+ }));
                if value.is_none() {
                    // Without a name nobody can tell what is meant; then the whole kind is poisoned.
                    sink.poison(name.unwrap_or_else(|| $what.to_owned()));
                }
                value
            }
        }
    )+};
    (@type required $ty:ty) => { $ty };
    (@type optional $ty:ty) => { Option<$ty> };
    (@take required $field:ident) => { $field? };
    (@take optional $field:ident) => { $field };
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
}
pub(super) use spec_types;

impl<T: Decode> Decode for Spanned<T> {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        T::decode(node, sink).map(|value| Self::new(value, node.span))
    }
}

impl Decode for String {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Node::Scalar(Scalar::Text(text)) => Some(text.clone()),
            Node::Scalar(Scalar::Int(number)) => Some(number.to_string()),
            Node::Scalar(Scalar::Bool(value)) => Some(value.to_string()),
            _ => {
                let fault = wrong_kind(node, "text");
                sink.push(match &node.value {
                    Node::Scalar(_) => fault.help("put it in quotes"),
                    _ => fault,
                });
                None
            }
        }
    }
}

impl Decode for bool {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        if let Node::Scalar(Scalar::Bool(value)) = node.value {
            return Some(value);
        }
        sink.push(
            wrong_kind(node, "`true` or `false`").help("write true or false, without quotes"),
        );
        None
    }
}

impl Decode for u64 {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        if let Node::Scalar(Scalar::Int(number)) = node.value
            && let Ok(number) = Self::try_from(number)
        {
            return Some(number);
        }
        sink.push(wrong_kind(node, "a whole number from 0 up").help("digits alone, such as 12"));
        None
    }
}

impl Decode for f64 {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match node.value {
            Node::Scalar(Scalar::Float(number)) => Some(number),
            Node::Scalar(Scalar::Int(number)) => i32::try_from(number).ok().map(Self::from),
            _ => None,
        }
        .or_else(|| {
            sink.push(wrong_kind(node, "a number").help("such as 0.85"));
            None
        })
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        let Node::List(items) = &node.value else {
            sink.push(wrong_kind(node, "a list").help(match &node.value {
                Node::Map(_) => "begin each entry with `- `".to_owned(),
                Node::Scalar(Scalar::Text(text)) if is_plain_list(text) => {
                    let entries: Vec<_> = text.split(',').map(str::trim).collect();
                    format!("write [{}]", entries.join(", "))
                }
                _ => "write [A, B], or each entry on a line of its own after `- `".to_owned(),
            }));
            return None;
        };
        Some(items.iter().filter_map(|item| T::decode(item, sink)).collect())
    }
}

/// A mapping whose keys the user chooses, in written order.
#[derive(Clone, Debug)]
pub struct Mapping<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Mapping<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for Mapping<T> {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        let Node::Map(entries) = &node.value else {
            sink.push(wrong_kind(node, "a mapping").help(MAPPING));
            return None;
        };
        Some(Self(
            entries
                .iter()
                .filter_map(|(key, value)| {
                    if matches!(value.value, Node::Null) {
                        sink.push(without_value(key));
                        return None;
                    }
                    Some((key.clone(), T::decode(value, sink)?))
                })
                .collect(),
        ))
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Node::List(_) => Vec::decode(node, sink).map(Self),
            _ => T::decode(node, sink).map(|one| Self(vec![one])),
        }
    }
}

/// A name alone, or a mapping with that name as its only key and arguments as its value:
/// `email`, `{ phone: { region: DE } }`, `{ most_recent: updated_at }`.
#[derive(Clone, Debug)]
pub struct NameOrMap {
    /// The name.
    pub name: Spanned<String>,
    /// What stands under it, if it is a mapping.
    pub argument: Option<Spanned<Node>>,
}

impl Decode for NameOrMap {
    fn decode(node: &Spanned<Node>, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Node::Scalar(Scalar::Text(name)) => {
                Some(Self { name: Spanned::new(name.clone(), node.span), argument: None })
            }
            Node::Map(entries) if entries.len() == 1 => {
                let (name, argument) = &entries[0];
                if matches!(argument.value, Node::Null) {
                    sink.push(without_value(name));
                    return None;
                }
                Some(Self { name: name.clone(), argument: Some(argument.clone()) })
            }
            Node::Map(entries) => {
                let count = entries.len();
                let wanted = "a name, or a mapping with one key, must stand here";
                sink.push(
                    Diagnostic::error(Code::WrongKind, format!("{wanted}, not one with {count}"))
                        .at(node.span, format!("this has {count} keys"))
                        .help("keep one of them"),
                );
                None
            }
            _ => {
                sink.push(wrong_kind(node, "a name, or a mapping with one key,"));
                None
            }
        }
    }
}

mod schema {
    //! What editors are told about the shapes above.
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Mapping, NameOrMap, OneOrMany, Spanned};

    impl<T: JsonSchema> JsonSchema for Spanned<T> {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            T::schema_name()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            generator.subschema_for::<T>()
        }
    }

    impl<T: JsonSchema> JsonSchema for Mapping<T> {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            format!("MappingOf{}", T::schema_name()).into()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let value = generator.subschema_for::<T>();
            json_schema!({ "type": "object", "additionalProperties": value })
        }
    }

    impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            format!("OneOrMany{}", T::schema_name()).into()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let value = generator.subschema_for::<T>();
            json_schema!({ "anyOf": [value, { "type": "array", "items": value }] })
        }
    }

    impl JsonSchema for NameOrMap {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            "NameOrMap".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "anyOf": [
                    { "type": "string" },
                    { "type": "object", "minProperties": 1, "maxProperties": 1 },
                ]
            })
        }
    }
}
