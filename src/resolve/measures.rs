//! Measures: whom they count, what makes their groups, and what is computed.
//!
//! No contact point makes a group, and none is added up: a group for each address is a list of
//! addresses.

mod figure;

use super::Context;
use super::outputs::{Places, carries_contact, target};
use super::segments::{rule, segment_id};
use crate::diagnostics::{Code, Diagnostic, Spanned};
use crate::plan::{
    Aggregate, Consent, Field, Figure, Measure, OutColumn, PurposeId, Related, SMALLEST_GROUP,
    SegmentId, Table, Type,
};
use crate::spec;

/// Counts all profiles, in `of`.
const PROFILES: &str = "profiles";
/// A column of every measure with groups: how many of them stand in a row together.
const FOLDED: &str = "folded_groups";

/// A measure that cannot be taken as written.
fn fault(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::MeasureFault, message)
}

/// What measures speak of.
#[derive(Clone, Copy)]
struct Scope<'a> {
    tables: &'a [Table],
    fields: &'a [Field],
    consent: &'a Consent,
}

/// The measures.
pub fn measures(
    cx: &mut Context<'_>,
    (tables, fields): (&[Table], &[Field]),
    consent: &Consent,
    (related, aggregates): (&[Related], &mut Vec<Aggregate>),
    places: &Places<'_>,
) -> Vec<Measure> {
    let written = cx.written.measures.as_deref().unwrap_or_default();
    cx.unique("measure", written.iter().map(|measure| &measure.name));
    let scope = Scope { tables, fields, consent };
    let each = written.iter();
    each.map(|measure| self::measure(cx, &scope, (related, &mut *aggregates), measure, places))
        .collect()
}

fn measure(
    cx: &mut Context<'_>,
    scope: &Scope<'_>,
    rows: (&[Related], &mut Vec<Aggregate>),
    written: &spec::Measure,
    places: &Places<'_>,
) -> Measure {
    let of = written.of.as_ref().and_then(|name| of(cx, name));
    let text = written.rule.as_ref();
    let rule = text.and_then(|text| rule(cx, scope.fields, scope.consent, rows, text));
    let by = by(cx, scope, written);
    let compute = compute(cx, scope, written);
    let smallest_group = smallest_group(cx, written);
    let target = written.path.as_ref().and_then(|path| target(cx, places, path));
    Measure { name: written.name.value.clone(), of, rule, by, compute, smallest_group, target }
}

/// Whom it counts: none for all profiles.
fn of(cx: &mut Context<'_>, name: &Spanned<String>) -> Option<SegmentId> {
    let segments = cx.written.segments.as_deref().unwrap_or_default();
    let same = segments.iter().find(|segment| segment.name.value == name.value);
    if name.value != PROFILES {
        return segment_id(cx, segments, name);
    }
    if let Some(segment) = same {
        cx.sink.push(
            fault("`profiles` are all customers, and a segment has this name too")
                .at(name.span, "which of the two?")
                .at(segment.name.span, "this segment")
                .help("leave `of` out to count all customers, or give the segment another name"),
        );
    }
    None
}

/// What makes the groups.
fn by(cx: &mut Context<'_>, scope: &Scope<'_>, written: &spec::Measure) -> Vec<OutColumn> {
    let names = written.by.as_ref().map_or(&[][..], |names| &names.0);
    cx.unique("column", names.iter());
    let mut by = Vec::new();
    for name in names {
        not_reserved(cx, name);
        if let Some(purpose) = name.value.strip_prefix("consent_") {
            let name = Spanned::new(purpose.to_owned(), name.span);
            let purpose = super::consent::purpose_id(cx, &scope.consent.purposes, &name);
            by.extend(purpose.map(|PurposeId(at)| OutColumn::Consent(PurposeId(at))));
            continue;
        }
        let Some(field) = cx.field(scope.fields, name) else { continue };
        let declared = &scope.fields[field.0];
        if carries_contact(scope.fields, scope.tables, field) {
            cx.sink.push(
                fault(format!("`{}` is a contact point, and makes no groups", name.value))
                    .at(name.span, "a group for each would be a list of persons")
                    .help(format!("count those who have one with `count({})`", name.value)),
            );
        } else if matches!(declared.ty, Type::Float | Type::Decimal(_)) {
            cx.sink.push(
                fault(format!("`{}` holds fractions, which make no groups", name.value))
                    .at(name.span, format!("of type {}", declared.ty.name()))
                    .help("groups are made by texts, whole numbers, bools and dates"),
            );
        } else {
            by.push(OutColumn::Field(field));
        }
    }
    by
}

/// No column of the user's has the name of the program's own one.
fn not_reserved(cx: &mut Context<'_>, name: &Spanned<String>) {
    if name.value == FOLDED {
        cx.sink.push(
            Diagnostic::error(Code::ReservedName, format!("`{FOLDED}` is the program's own name"))
                .at(name.span, "choose another name"),
        );
    }
}

/// The figures.
fn compute(cx: &mut Context<'_>, scope: &Scope<'_>, written: &spec::Measure) -> Vec<Figure> {
    let entries = &written.compute.value.0;
    if entries.is_empty() && !cx.sink.is_poisoned(&written.name.value) && !cx.sink.has_errors() {
        cx.sink.push(
            Diagnostic::error(Code::MissingKey, "a measure needs a figure")
                .at(written.compute.span, "nothing is computed")
                .help("such as `compute: { customers: count }`"),
        );
    }
    cx.unique("column", entries.iter().map(|(name, _)| name));
    let by = written.by.as_ref().map_or(&[][..], |names| &names.0);
    let mut figures = Vec::new();
    for (name, text) in entries {
        if let Some(first) = by.iter().find(|by| by.value == name.value) {
            cx.sink.push(
                Diagnostic::error(
                    Code::DuplicateName,
                    format!("two columns have the name `{}`", name.value),
                )
                .at(name.span, "again here")
                .at(first.span, "first here"),
            );
        }
        not_reserved(cx, name);
        if let Some(measured) = figure::figure(cx, scope, text) {
            let text = text.value.trim().to_owned();
            figures.push(Figure { name: name.value.clone(), text, measured });
        }
    }
    figures
}

fn smallest_group(cx: &mut Context<'_>, written: &spec::Measure) -> u64 {
    let Some(smallest) = &written.smallest_group else { return SMALLEST_GROUP };
    if smallest.value == 0 {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a group has at least one customer")
                .at(smallest.span, "too small")
                .help("1 shows every group"),
        );
    } else if smallest.value < SMALLEST_GROUP && written.path.is_none() {
        cx.sink.push(
            fault(format!(
                "groups of fewer than {SMALLEST_GROUP} customers stand in the measure's table \
                 alone, and it has none"
            ))
            .at(smallest.span, "its figures would stand nowhere")
            .help("write `path`, or leave `smallest_group` out"),
        );
    }
    smallest.value.max(1)
}
