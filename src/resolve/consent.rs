//! Purposes, consent tables and suppression lists.

use super::Context;
use super::customers::key_of;
use super::sources::period;
use crate::diagnostics::{Code, Diagnostic, Span, Spanned};
use crate::normalize::Kind;
use crate::plan::{
    Conflict, Consent, ConsentTable, Denial, Field, FieldId, Match, Model, Purpose, PurposeId,
    RegionFrom, Shape, SourceId, Suppression, Table, TableId, Type, Unmatchable, Words,
};
use crate::spec::{self, Decode as _, Mapping};

/// The whole consent section; without one there are no purposes.
pub fn consent(cx: &mut Context<'_>, tables: &[Table], fields: &[Field]) -> Consent {
    let mut consent = Consent {
        conflict: Conflict::Strictest,
        denial: Denial::Person,
        purposes: Vec::new(),
        tables: Vec::new(),
        suppress: Vec::new(),
    };
    let Some(written) = cx.written.consent.as_ref() else { return consent };
    if written.conflict.as_ref().is_some_and(|c| c.value == spec::Conflict::Latest) {
        consent.conflict = Conflict::Latest;
    }
    if written.denial.as_ref().is_some_and(|d| d.value == spec::Denial::ContactPoint) {
        consent.denial = Denial::ContactPoint;
    }
    cx.unique("purpose", written.purposes.iter().map(|purpose| &purpose.name));
    for (at, purpose) in written.purposes.iter().enumerate() {
        // A long table names purposes trimmed and without case.
        let folded = |name: &str| name.trim().to_lowercase();
        let name = &purpose.name;
        let twin = written.purposes[..at].iter().find(|other| {
            other.name.value != name.value && folded(&other.name.value) == folded(&name.value)
        });
        if let Some(twin) = twin {
            cx.sink.push(
                Diagnostic::error(
                    Code::DuplicateName,
                    format!(
                        "the purposes `{}` and `{}` differ only in case or blanks",
                        twin.name.value, name.value
                    ),
                )
                .at(name.span, "again here")
                .at(twin.name.span, "first here")
                .help("a long consent table could not tell them apart"),
            );
        }
        if let Some(purpose) = self::purpose(cx, fields, purpose) {
            consent.purposes.push(purpose);
        }
    }
    for table in written.tables.iter().flatten() {
        let resolved = self::table(cx, tables, fields, &consent.purposes, table);
        consent.tables.extend(resolved);
    }
    for list in written.suppress.iter().flatten() {
        let resolved = suppression(cx, tables, fields, list);
        consent.suppress.extend(resolved);
    }
    consent
}

/// Reports a field that purposes cannot go via. Of one whose normalizer is not known more is not known.
fn contact_point(cx: &mut Context<'_>, field: &Field, via: &Spanned<String>) {
    let name = &via.value;
    if field.key.kind() != Kind::Text || cx.sink.is_poisoned(&key_of(name)) {
        return;
    }
    let has_key = cx.written.keys.iter().flatten().any(|key| key.field.value == *name);
    let help = if has_key {
        format!("put `email` or `phone` into the `normalize` of `{name}` under `keys`")
    } else {
        format!("add `- {{ field: {name}, normalize: email }}` (or phone) to `keys`")
    };
    cx.sink.push(
        Diagnostic::error(
            Code::ConsentFault,
            format!("`{name}` is not a contact point: its key is no mail and no phone"),
        )
        .at(via.span, "not a contact point")
        .help(help),
    );
}

fn purpose(cx: &mut Context<'_>, fields: &[Field], written: &spec::Purpose) -> Option<Purpose> {
    let name = &written.name;
    if name.value == "none" {
        cx.sink.push(
            Diagnostic::error(Code::ReservedName, "`none` cannot be the name of a purpose")
                .at(name.span, "means: no consent asked"),
        );
    }
    let via = cx.field(fields, &written.via);
    if let Some(via) = via {
        contact_point(cx, &fields[via.0], &written.via);
    }
    let expires_after = written.expires_after.as_ref().and_then(|text| period(text, &mut cx.sink));
    if via.is_none() {
        cx.sink.poison(name.value.clone());
    }
    Some(Purpose {
        name: name.value.clone(),
        via: via?,
        model: match written.model.value {
            spec::Model::OptIn => Model::OptIn,
            spec::Model::OptOut => Model::OptOut,
        },
        expires_after,
    })
}

/// Finds a purpose by name; reports an unknown one.
pub fn purpose_id(
    cx: &mut Context<'_>,
    purposes: &[Purpose],
    name: &Spanned<String>,
) -> Option<PurposeId> {
    if let Some(at) = purposes.iter().position(|purpose| purpose.name == name.value) {
        return Some(PurposeId(at));
    }
    if !cx.sink.is_poisoned(&name.value) && !cx.sink.is_poisoned("a purpose") {
        let known: Vec<_> = purposes.iter().map(|purpose| purpose.name.as_str()).collect();
        let mut fault =
            Diagnostic::error(Code::UnknownPurpose, format!("no purpose `{}`", name.value))
                .at(name.span, "not among `consent.purposes`");
        if !known.is_empty() {
            fault = fault.help(format!("purposes: {}", known.join(", ")));
        }
        cx.sink.push(fault.suggest(&name.value, known));
    }
    None
}

fn table(
    cx: &mut Context<'_>,
    tables: &[Table],
    fields: &[Field],
    purposes: &[Purpose],
    written: &spec::ConsentTable,
) -> Option<ConsentTable> {
    let source = cx.source(&written.source);
    let customers =
        source.and_then(|source| tables.iter().position(|t| t.source == source)).map(TableId);
    let matches = match &written.matches {
        Some(matches) => self::matches(cx, tables, fields, (source, false), &matches.value),
        None => Vec::new(),
    };
    if written.matches.as_ref().is_none_or(|m| m.value.0.is_empty()) && customers.is_none() {
        cx.sink.push(
            Diagnostic::error(
                Code::ConsentFault,
                format!("nothing ties the rows of `{}` to people", written.source.value),
            )
            .at(written.source.span, "this table needs `match`")
            .help("such as `match: { email: COLUMN }`"),
        );
    }
    let shape = shape(cx, source, purposes, written);
    let at = written.at.as_ref().map(|column| {
        if let Some(ty) = source.and_then(|source| cx.column(source, column))
            && !matches!(ty, Type::Date | Type::Datetime)
        {
            cx.sink.push(
                Diagnostic::error(
                    Code::ConsentFault,
                    format!("the time of a decision is a date or a datetime, not {}", ty.name()),
                )
                .at(column.span, format!("this column is {}", ty.name()))
                .help(format!(
                    "declare `types: {{ {}: datetime }}` on source `{}`",
                    column.value, written.source.value
                )),
            );
        }
        column.value.clone()
    });
    Some(ConsentTable {
        source: source?,
        customers,
        matches,
        shape: shape?,
        at,
        words: words(cx, written.words.as_ref()),
        unmatchable: unmatchable(written.unmatchable.as_ref()),
    })
}

fn shape(
    cx: &mut Context<'_>,
    source: Option<SourceId>,
    purposes: &[Purpose],
    written: &spec::ConsentTable,
) -> Option<Shape> {
    match (&written.values, &written.purpose, &written.value) {
        (Some(values), None, None) => {
            cx.unique("purpose", values.value.0.iter().map(|(purpose, _)| purpose));
            let mut columns = Vec::new();
            for (purpose, column) in &values.value.0 {
                let id = purpose_id(cx, purposes, purpose);
                let known = source.is_some_and(|source| value_column(cx, source, column));
                if let (Some(id), true) = (id, known) {
                    columns.push((id, column.value.clone()));
                }
            }
            if values.value.0.is_empty() {
                cx.sink.push(
                    Diagnostic::error(Code::ConsentFault, "`values` names no purpose")
                        .at(values.span, "empty"),
                );
            }
            Some(Shape::Wide(columns))
        }
        (None, Some(purpose), Some(value)) => {
            if let Some(source) = source {
                cx.text_column(source, purpose);
                value_column(cx, source, value);
            }
            Some(Shape::Long { purpose: purpose.value.clone(), value: value.value.clone() })
        }
        _ => {
            cx.sink.push(
                Diagnostic::error(
                    Code::ConsentFault,
                    format!("it is not clear how `{}` holds its decisions", written.source.value),
                )
                .at(written.source.span, "this table")
                .help(
                    "wide: `values: { PURPOSE: COLUMN }`; long: `purpose: COLUMN` and `value: COLUMN`",
                ),
            );
            None
        }
    }
}

/// A column of decisions: text, bool or whole numbers.
fn value_column(cx: &mut Context<'_>, source: SourceId, name: &Spanned<String>) -> bool {
    match cx.column(source, name) {
        Some(Type::Text | Type::Bool | Type::Int) => true,
        Some(other) => {
            cx.sink.push(
                Diagnostic::error(
                    Code::ConsentFault,
                    format!("a decision is text, true or false, or 1 or 0, not {}", other.name()),
                )
                .at(name.span, format!("this column is {}", other.name())),
            );
            false
        }
        None => false,
    }
}

fn words(cx: &mut Context<'_>, written: Option<&spec::Words>) -> Words {
    let Some(written) = written else { return Words::default() };
    let fold = |words: &Option<Vec<Spanned<String>>>| -> Vec<String> {
        words.iter().flatten().map(|word| word.value.trim().to_lowercase()).collect()
    };
    let (granted, denied) = (fold(&written.granted), fold(&written.denied));
    for word in written.granted.iter().chain(&written.denied).flatten() {
        if word.value.trim().is_empty() {
            cx.sink.push(
                Diagnostic::error(
                    Code::ConsentFault,
                    "a blank cell is no decision, whatever it is called",
                )
                .at(word.span, "no word"),
            );
        }
    }
    for word in written.denied.iter().flatten() {
        if granted.contains(&word.value.trim().to_lowercase()) {
            cx.sink.push(
                Diagnostic::error(
                    Code::ConsentFault,
                    format!("`{}` would both grant and deny", word.value),
                )
                .at(word.span, "also under `granted`"),
            );
        }
    }
    Words { granted, denied }
}

fn unmatchable(written: Option<&Spanned<spec::Unmatchable>>) -> Unmatchable {
    match written.map(|u| u.value) {
        Some(spec::Unmatchable::Report) => Unmatchable::Report,
        _ => Unmatchable::Stop,
    }
}

/// What ties the rows of a source to people, in the order written. `is_list` says whether it is a
/// suppression list.
pub fn matches(
    cx: &mut Context<'_>,
    tables: &[Table],
    fields: &[Field],
    (source, is_list): (Option<SourceId>, bool),
    written: &Mapping<spec::Any>,
) -> Vec<Match> {
    let mut matches = Vec::new();
    for (name, node) in &written.0 {
        if name.value == "record" {
            let Some(records) = Mapping::<Spanned<String>>::decode(&node.0, &mut cx.sink) else {
                continue;
            };
            for (customer_source, column) in &records.0 {
                let known = source.is_some_and(|source| cx.text_column(source, column));
                let Some(of) = cx.source(customer_source) else { continue };
                let Some(table) = tables.iter().position(|table| table.source == of) else {
                    cx.sink.push(
                        Diagnostic::error(
                            Code::ConsentFault,
                            format!("`{}` is not a customer table", customer_source.value),
                        )
                        .at(customer_source.span, "not among `customers`"),
                    );
                    continue;
                };
                if known {
                    matches.push(Match::Record {
                        table: TableId(table),
                        column: column.value.clone(),
                    });
                }
            }
            continue;
        }
        if let Some(found) = key_match(cx, fields, (source, is_list), name, node) {
            matches.push(found);
        }
    }
    matches
}

fn key_match(
    cx: &mut Context<'_>,
    fields: &[Field],
    (source, is_list): (Option<SourceId>, bool),
    name: &Spanned<String>,
    node: &spec::Any,
) -> Option<Match> {
    let field = cx.field(fields, name);
    let detailed = matches!(node.0.value, spec::node::Node::Map(_));
    let (column, region) = if detailed {
        let written = spec::MatchColumn::decode(&node.0, &mut cx.sink)?;
        if let Some(hashed) = &written.hashed {
            let known = source.is_some_and(|source| cx.text_column(source, &written.column));
            may_be_hashed(cx, field.map(|field| &fields[field.0]), is_list, &written, hashed.span);
            return known.then_some(Match::Digest { field: field?, column: written.column.value });
        }
        let region = match (&written.region, &written.region_column) {
            (Some(text), None) => cx.region(text).map(RegionFrom::Fixed),
            (None, Some(column)) => {
                if let Some(source) = source {
                    cx.text_column(source, column);
                }
                Some(RegionFrom::Of(column.value.clone()))
            }
            (None, None) => None,
            (Some(_), Some(both)) => {
                cx.sink.push(
                    Diagnostic::error(
                        Code::BadValue,
                        "`region` and `region_column` exclude each other",
                    )
                    .at(both.span, "one of them is enough"),
                );
                None
            }
        };
        (written.column, region)
    } else {
        (Spanned::<String>::decode(&node.0, &mut cx.sink)?, None)
    };
    let known = source.is_some_and(|source| cx.text_column(source, &column));
    let field = field?;
    let region = match (region, &fields[field.0].key.region) {
        (Some(region), _) => region,
        (None, RegionFrom::None) => RegionFrom::None,
        (None, RegionFrom::Fixed(region)) => RegionFrom::Fixed(*region),
        (None, RegionFrom::Of(of)) => {
            missing_region(cx, fields, field, *of, name.span, &column.value);
            return None;
        }
    };
    known.then_some(Match::Key { field, column: column.value, region })
}

/// Reports a match by digests where there can be none.
fn may_be_hashed(
    cx: &mut Context<'_>,
    field: Option<&Field>,
    is_list: bool,
    written: &spec::MatchColumn,
    hashed: Span,
) {
    if !is_list {
        cx.sink.push(
            Diagnostic::error(Code::ConsentFault, "digests can stand in suppression lists only")
                .at(hashed, "not in a suppression list")
                .help("match by the values themselves, or by `record`"),
        );
    }
    if let Some(field) = field.filter(|field| field.key.kind() == Kind::Text) {
        cx.sink.push(
            Diagnostic::error(
                Code::ConsentFault,
                format!("`{}` is not a contact point", field.name),
            )
            .at(hashed, "digests are of mails and phones"),
        );
    }
    let region = written.region.as_ref().or(written.region_column.as_ref());
    if let Some(region) = region {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a digest has no region")
                .at(region.span, "leave it out")
                .help("a number is digested in the form that the normalizer gives it"),
        );
    }
}

fn missing_region(
    cx: &mut Context<'_>,
    fields: &[Field],
    field: FieldId,
    region_field: FieldId,
    span: Span,
    column: &str,
) {
    let name = &fields[field.0].name;
    cx.sink.push(
        Diagnostic::error(
            Code::ConsentFault,
            format!(
                "the key `{name}` takes its region from `{}`, which this table does not have",
                fields[region_field.0].name
            ),
        )
        .at(span, "needs a region here")
        .help(format!(
            "`{name}: {{ column: {column}, region: DE }}` or `{{ column: {column}, region_column: COLUMN }}`"
        )),
    );
}

fn suppression(
    cx: &mut Context<'_>,
    tables: &[Table],
    fields: &[Field],
    written: &spec::Suppression,
) -> Option<Suppression> {
    let source = cx.source(&written.source);
    let matches = matches(cx, tables, fields, (source, true), &written.matches.value);
    if written.matches.value.0.is_empty() {
        cx.sink.push(
            Diagnostic::error(Code::ConsentFault, "a suppression list needs a key to match on")
                .at(written.matches.span, "empty")
                .help("such as `match: { email: COLUMN }`"),
        );
    }
    let channels = match &written.channels {
        None => None,
        Some(channels) if channels.value.0.iter().any(|c| c.value == "all") => {
            if channels.value.0.len() > 1 {
                cx.sink.push(
                    Diagnostic::error(Code::BadValue, "`all` stands alone")
                        .at(channels.span, "all, or the fields"),
                );
            }
            None
        }
        Some(channels) => {
            let mut ids = Vec::new();
            for name in &channels.value.0 {
                let Some(field) = cx.field(fields, name) else { continue };
                if fields[field.0].key.kind() == Kind::Text {
                    cx.sink.push(
                        Diagnostic::error(
                            Code::ConsentFault,
                            format!("`{}` is not a contact point", name.value),
                        )
                        .at(name.span, "its key is no mail and no phone"),
                    );
                }
                ids.push(field);
            }
            if channels.value.0.is_empty() {
                cx.sink.push(
                    Diagnostic::error(Code::ConsentFault, "a list without channels binds nobody")
                        .at(channels.span, "empty")
                        .help("name the contact fields it binds, or leave `channels` out for all"),
                );
            }
            Some(ids)
        }
    };
    Some(Suppression {
        source: source?,
        matches,
        channels,
        unmatchable: unmatchable(written.unmatchable.as_ref()),
    })
}
