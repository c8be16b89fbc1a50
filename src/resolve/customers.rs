//! Customer tables, unified fields and keys.

use super::Context;
use crate::diagnostics::{Code, Diagnostic, Spanned};
use crate::normalize::{Alias, Chain, EmailOptions, NORMALIZERS, Step};
use crate::plan::{Field, FieldId, Key, RegionFrom, Table, Type, Veiled};
use crate::spec::{self, Decode as _, DropOrKeep, NameOrMap, Unmatched};

/// Field names the program needs for itself.
const RESERVED: [&str; 2] = ["customer_id", "previous_customer_ids"];

/// Customer tables, and the unified fields with their types and keys.
pub fn tables_and_fields(cx: &mut Context<'_>) -> (Vec<Table>, Vec<Field>) {
    let written = cx.written;
    cx.fields_complete &= !cx.sink.is_poisoned("a customer table");
    if written.customers.is_empty() && !cx.sink.has_errors() {
        cx.sink.push(Diagnostic::error(Code::MissingKey, "`customers` names no table"));
    }
    cx.unique("customer table", written.customers.iter().map(|table| &table.source));
    let namespaces: Vec<_> = written
        .customers
        .iter()
        .map(|table| table.namespace.as_ref().unwrap_or(&table.source))
        .collect();
    if written.customers.iter().any(|table| table.namespace.is_some()) {
        cx.unique("namespace", namespaces.into_iter());
    }

    let mut fields: Vec<Field> = Vec::new();
    // Where each field got its type, for the message when another table disagrees.
    let mut origins: Vec<Option<Spanned<String>>> = Vec::new();
    let mut tables = Vec::new();
    for (number, table) in written.customers.iter().enumerate() {
        let source = cx.source(&table.source);
        let drop_unmatched =
            table.unmatched.as_ref().is_some_and(|choice| choice.value == Unmatched::Drop);
        if drop_unmatched && number == 0 {
            let span = table.unmatched.as_ref().map_or(table.source.span, |choice| choice.span);
            cx.sink.push(
                Diagnostic::error(
                    Code::IdentityFault,
                    "records of the first table link to no earlier one: all would be dropped",
                )
                .at(span, "on the first table")
                .help("take `unmatched` out here, or put another table first"),
            );
        }
        let mut mapping = Vec::new();
        if let Some(source) = source {
            cx.text_column(source, &table.id);
        }
        cx.unique("field", table.fields.0.iter().map(|(field, _)| field));
        for (name, column) in &table.fields.0 {
            reserved(cx, name);
            let at =
                fields.iter().position(|field| field.name == name.value).unwrap_or_else(|| {
                    fields.push(Field { name: name.value.clone(), ty: Type::Text, key: trimmed() });
                    origins.push(None);
                    fields.len() - 1
                });
            mapping.push((FieldId(at), column.value.clone()));
            let Some(ty) = source.and_then(|source| cx.column(source, column)) else {
                cx.untyped.push(name.value.clone());
                continue;
            };
            match &origins[at] {
                None => {
                    fields[at].ty = ty;
                    origins[at] = Some(column.clone());
                }
                Some(first) if fields[at].ty != ty => {
                    let was = fields[at].ty;
                    if let (Type::Int, Type::Float) | (Type::Float, Type::Int) = (was, ty) {
                        fields[at].ty = Type::Float;
                        continue;
                    }
                    cx.sink.push(
                        Diagnostic::error(
                            Code::FieldType,
                            format!(
                                "field `{}` would be {} from one table and {} from another",
                                name.value,
                                was.name(),
                                ty.name()
                            ),
                        )
                        .at(column.span, format!("{} here", ty.name()))
                        .at(first.span, format!("{} here", was.name()))
                        .help(
                            "declare the same type for both columns under `types` of their sources",
                        ),
                    );
                }
                Some(_) => {}
            }
        }
        match source {
            Some(source) => tables.push(Table {
                source,
                namespace: table.namespace.as_ref().unwrap_or(&table.source).value.clone(),
                id: table.id.value.clone(),
                mapping,
                drop_unmatched,
            }),
            None => cx.fields_complete = cx.fields_complete && !cx.sink.is_poisoned(&table.source),
        }
    }
    keys(cx, &mut fields);
    (tables, fields)
}

pub fn reserved(cx: &mut Context<'_>, name: &Spanned<String>) {
    if RESERVED.contains(&name.value.as_str()) || name.value.starts_with("consent_") {
        cx.sink.push(
            Diagnostic::error(
                Code::ReservedName,
                format!("`{}` is a name of the program's own columns", name.value),
            )
            .at(name.span, "choose another name"),
        );
    }
}

fn trimmed() -> Key {
    Key { chain: Chain::default_trim(), region: RegionFrom::None, never: Veiled::default() }
}

fn keys(cx: &mut Context<'_>, fields: &mut [Field]) {
    let written = cx.written;
    let entries = written.keys.as_deref().unwrap_or_default();
    cx.unique("key", entries.iter().map(|key| &key.field));
    for entry in entries {
        let Some(field) = cx.field(fields, &entry.field) else { continue };
        let key = key(cx, fields, field, entry);
        fields[field.0].key = key;
    }
}

fn key(cx: &mut Context<'_>, fields: &[Field], field: FieldId, entry: &spec::Key) -> Key {
    let mut steps = Vec::new();
    let mut region = RegionFrom::None;
    for normalizer in &entry.normalize.0 {
        let made = step(cx, fields, normalizer, &steps, &mut region);
        if made.is_none() {
            cx.sink.poison(key_of(&entry.field.value));
        }
        steps.extend(made);
    }
    let contacts = steps.iter().filter(|s| matches!(s, Step::Email(_) | Step::Phone)).count();
    if contacts > 1 {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a key is a mail or a phone, not both, and once")
                .at(entry.normalize.span, "two of `email` and `phone`"),
        );
    }
    let chain = Chain::new(steps);
    let ty = fields[field.0].ty;
    if !matches!(ty, Type::Text | Type::Int) && chain != Chain::default_trim() {
        cx.sink.push(
            Diagnostic::error(
                Code::FieldType,
                format!("field `{}` is {}, which is not normalized", entry.field.value, ty.name()),
            )
            .at(entry.normalize.span, "for text and whole numbers only"),
        );
    }
    let mut never = Veiled::default();
    for value in entry.never.iter().flatten() {
        let fixed = match &region {
            RegionFrom::Fixed(region) => Some(*region),
            _ => None,
        };
        if chain.apply(&value.value, fixed).is_none() {
            cx.sink.push(
                Diagnostic::warning(
                    Code::BadValue,
                    "this value normalizes to nothing, which links nobody anyway",
                )
                .at(value.span, "has no effect"),
            );
        }
        never.push(value.value.clone());
    }
    Key { chain, region, never }
}

/// What the key of a field is called among things that could not be read.
pub fn key_of(field: &str) -> String {
    format!("the key of {field}")
}

fn step(
    cx: &mut Context<'_>,
    fields: &[Field],
    normalizer: &NameOrMap,
    before: &[Step],
    region: &mut RegionFrom<FieldId>,
) -> Option<Step> {
    let name = &normalizer.name;
    let argument = normalizer.argument.as_ref();
    let plain = match name.value.as_str() {
        "email" => {
            let Some(argument) = argument else {
                return Some(Step::Email(EmailOptions::default()));
            };
            let options = spec::EmailOptions::decode(argument, &mut cx.sink)?;
            let drops = |o: &Option<Spanned<DropOrKeep>>| {
                o.as_ref().is_some_and(|choice| choice.value == DropOrKeep::Drop)
            };
            return Some(Step::Email(EmailOptions {
                drop_plus_tag: drops(&options.plus_tag),
                drop_gmail_dots: drops(&options.gmail_dots),
            }));
        }
        "phone" => {
            let Some(argument) = argument else { return Some(Step::Phone) };
            let options = spec::PhoneOptions::decode(argument, &mut cx.sink)?;
            match (&options.region, &options.region_field) {
                (Some(text), None) => {
                    if let Some(fixed) = cx.region(text) {
                        *region = RegionFrom::Fixed(fixed);
                    }
                }
                (None, Some(name)) => {
                    if let Some(field) = cx.field(fields, name) {
                        *region = RegionFrom::Of(field);
                    }
                }
                (Some(_), Some(both)) => cx.sink.push(
                    Diagnostic::error(
                        Code::BadValue,
                        "`region` and `region_field` exclude each other",
                    )
                    .at(both.span, "one of them is enough"),
                ),
                (None, None) => {}
            }
            return Some(Step::Phone);
        }
        "alias" => return alias(cx, normalizer, before),
        "name" => Step::Name,
        "address" => Step::Address,
        "organization" => Step::Organization,
        "lower" => Step::Lower,
        "trim" => Step::Trim,
        "strip_symbols" => Step::StripSymbols,
        "strip_whitespace" => Step::StripWhitespace,
        "numerals" => Step::Numerals,
        "unaccent" => Step::Unaccent,
        unknown => {
            let known: Vec<_> = NORMALIZERS.iter().map(|n| n.name).collect();
            let fault =
                Diagnostic::error(Code::UnknownNormalizer, format!("no normalizer `{unknown}`"))
                    .at(name.span, "unknown normalizer")
                    .help(format!("normalizers: {}", known.join(", ")));
            cx.sink.push(fault.suggest(unknown, known));
            return None;
        }
    };
    if let Some(argument) = argument {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, format!("`{}` takes no options", name.value))
                .at(argument.span, "no options here"),
        );
    }
    Some(plain)
}

/// Values that are the same by a list; compared after the normalizers before it.
fn alias(cx: &mut Context<'_>, normalizer: &NameOrMap, before: &[Step]) -> Option<Step> {
    let Some(argument) = &normalizer.argument else {
        cx.sink.push(
            Diagnostic::error(Code::MissingKey, "`alias` needs a file")
                .at(normalizer.name.span, "which values are the same?")
                .help("write { alias: { file: PATH } }"),
        );
        return None;
    };
    let file = spec::alias_file(argument, &mut cx.sink)?;
    // A file that could not be read is reported already.
    let aliases = cx.aliases.iter().find(|known| known.written == file.value)?;
    let chain = Chain::new(before.to_vec());
    let pairs = aliases.pairs.iter().filter_map(|(one, other)| {
        let key = |text: &str| chain.apply(text, None).map(std::borrow::Cow::into_owned);
        Some((key(one)?, key(other)?))
    });
    Some(Step::Alias(Alias::new(file.value, pairs)))
}
