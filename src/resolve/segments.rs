//! Segments: their gates, rules and set operations.

use super::Context;
use super::consent::purpose_id;
use super::draw;
use super::outputs::DraftExport;
use super::rule::{Scope, resolve_rule};
use crate::diagnostics::{Code, Diagnostic, Spanned};
use crate::plan::{Aggregate, Consent, Field, FieldId, Gate, Related, Rule, Segment, SegmentId};
use crate::rule;
use crate::spec;

/// The segments, and an order in which each comes after those it refers to.
pub fn segments(
    cx: &mut Context<'_>,
    fields: &[Field],
    consent: &Consent,
    related: &[Related],
    exports: &[DraftExport],
) -> (Vec<Segment>, Vec<SegmentId>, Vec<Aggregate>) {
    let written = cx.written.segments.as_deref().unwrap_or_default();
    cx.unique("segment", written.iter().map(|segment| &segment.name));
    let mut segments = Vec::new();
    let mut aggregates = Vec::new();
    for (at, segment) in written.iter().enumerate() {
        if segment.name.value == "customer_id" {
            cx.sink.push(
                Diagnostic::error(Code::ReservedName, "`customer_id` is the program's own name")
                    .at(segment.name.span, "choose another name"),
            );
        }
        let gate = gate(cx, consent, segment);
        let rule = segment.rule.as_ref();
        let rule =
            rule.and_then(|text| self::rule(cx, fields, consent, (related, &mut aggregates), text));
        for (key, names) in [("union", &segment.union), ("intersect", &segment.intersect)] {
            of_no_segments(cx, segment, key, names.as_deref());
        }
        let union = members(cx, segment.union.as_deref());
        let intersect = members(cx, segment.intersect.as_deref());
        let except = members(cx, segment.except.as_deref());
        let control = draw::control(cx, segment);
        let limit = draw::limit(cx, fields, segment);
        let channels = channels(fields, consent, &gate, SegmentId(at), exports);
        segments.push(Segment {
            name: segment.name.value.clone(),
            gate,
            rule,
            union,
            intersect,
            except,
            control,
            limit,
            channels,
        });
    }
    let order = order(cx, &segments);
    (segments, order, aggregates)
}

/// True if the gate of a segment is there, but misspelt or without a value.
fn is_told_already(cx: &Context<'_>, segment: &spec::Segment) -> bool {
    let names = cx.written.segments.iter().flatten().map(|segment| segment.name.span);
    let own = segment.name.span;
    let from = names.clone().filter(|span| span.end <= own.start).map(|span| span.end).max();
    let to = names.filter(|span| span.start >= own.end).map(|span| span.start).min();
    cx.sink.speaks_of("consent", from.unwrap_or_default(), to.unwrap_or(usize::MAX))
}

fn gate(cx: &mut Context<'_>, consent: &Consent, segment: &spec::Segment) -> Gate {
    let Some(written) = &segment.consent else {
        if is_told_already(cx, segment) {
            return Gate::Purposes(Vec::new());
        }
        let known: Vec<_> = consent.purposes.iter().map(|p| p.name.as_str()).collect();
        cx.sink.push(
            Diagnostic::error(
                Code::MissingGate,
                format!("segment `{}` asks for no consent", segment.name.value),
            )
            .at(segment.name.span, "`consent` is missing")
            .help(format!(
                "write `consent: [PURPOSE]` (purposes: {}), or `consent: none` with `because`",
                if known.is_empty() { "none declared".to_owned() } else { known.join(", ") }
            )),
        );
        return Gate::Purposes(Vec::new());
    };
    let names = &written.value.0;
    if names.iter().any(|name| name.value == "none") {
        if names.len() > 1 {
            cx.sink.push(
                Diagnostic::error(Code::BadValue, "`none` stands alone")
                    .at(written.span, "none, or the purposes"),
            );
        }
        let because = segment.because.as_ref().map(|b| b.value.trim().to_owned());
        if because.as_ref().is_none_or(String::is_empty) {
            cx.sink.push(
                Diagnostic::error(
                    Code::MissingBecause,
                    format!(
                        "segment `{}` says `consent: none` and gives no reason",
                        segment.name.value
                    ),
                )
                .at(written.span, "why may it go out without consent?")
                .help("add `because: \"...\"`; it stands in the run record and the report"),
            );
        }
        return Gate::None { because: because.unwrap_or_default() };
    }
    if let Some(because) = &segment.because {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "`because` goes with `consent: none` only")
                .at(because.span, "this segment asks for consent"),
        );
    }
    if names.is_empty() {
        cx.sink.push(
            Diagnostic::error(
                Code::MissingGate,
                format!("segment `{}` asks for no consent", segment.name.value),
            )
            .at(written.span, "names no purpose")
            .help("write `consent: [PURPOSE]`, or `consent: none` with `because`"),
        );
    }
    let mut purposes = Vec::new();
    for name in names {
        if let Some(purpose) = purpose_id(cx, &consent.purposes, name)
            && !purposes.contains(&purpose)
        {
            purposes.push(purpose);
        }
    }
    Gate::Purposes(purposes)
}

/// A rule over the profile.
pub fn rule(
    cx: &mut Context<'_>,
    fields: &[Field],
    consent: &Consent,
    (related, aggregates): (&[Related], &mut Vec<Aggregate>),
    text: &Spanned<String>,
) -> Option<Rule> {
    let map = rule::SpanMap::new(cx.source_text, text.span, &text.value);
    let ast = cx.sink.take(rule::parse(&text.value, &map))?;
    let names: Vec<_> = fields.iter().map(|field| (field.name.clone(), field.ty)).collect();
    let purposes: Vec<_> = consent.purposes.iter().map(|purpose| purpose.name.clone()).collect();
    let scope = Scope { fields: &names, purposes: &purposes, related, rows_of: None };
    let before = cx.sink.count();
    let expr = resolve_rule(&ast, &scope, aggregates, &mut cx.sink);
    if !cx.fields_complete {
        cx.sink.forget_since(before, &[Code::UnknownField, Code::UnknownPurpose]);
    }
    if cx.untyped.iter().any(|field| text.value.contains(field.as_str())) {
        cx.sink.forget_since(before, &[Code::RuleType]);
    }
    Some(Rule { text: text.value.clone(), expr: expr? })
}

/// Reports a set operation on nothing, which would be none: all would be in who pass the gate.
fn of_no_segments(
    cx: &mut Context<'_>,
    segment: &spec::Segment,
    key: &str,
    names: Option<&[Spanned<String>]>,
) {
    if names.is_some_and(<[_]>::is_empty) {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, format!("`{key}` names no segment"))
                .at(segment.name.span, format!("its `{key}` is empty"))
                .help(format!("name the segments, or leave `{key}` out")),
        );
    }
}

fn members(cx: &mut Context<'_>, names: Option<&[Spanned<String>]>) -> Vec<SegmentId> {
    let written = cx.written.segments.as_deref().unwrap_or_default();
    let mut ids = Vec::new();
    for name in names.unwrap_or_default() {
        ids.extend(segment_id(cx, written, name));
    }
    ids
}

/// Finds a segment by name; reports an unknown one.
pub fn segment_id(
    cx: &mut Context<'_>,
    written: &[spec::Segment],
    name: &Spanned<String>,
) -> Option<SegmentId> {
    if let Some(at) = written.iter().position(|segment| segment.name.value == name.value) {
        return Some(SegmentId(at));
    }
    if !cx.sink.is_poisoned(&name.value) && !cx.sink.is_poisoned("a segment") {
        let known: Vec<_> = written.iter().map(|segment| segment.name.value.as_str()).collect();
        let mut fault =
            Diagnostic::error(Code::UnknownSegment, format!("no segment `{}`", name.value))
                .at(name.span, "not among `segments`");
        if !known.is_empty() {
            fault = fault.help(format!("segments: {}", known.join(", ")));
        }
        cx.sink.push(fault.suggest(&name.value, known));
    }
    None
}

fn channels(
    fields: &[Field],
    consent: &Consent,
    gate: &Gate,
    segment: SegmentId,
    exports: &[DraftExport],
) -> Vec<FieldId> {
    let contacts =
        || (0..fields.len()).map(FieldId).filter(|f| super::outputs::is_contact(fields, *f));
    let shown: Vec<FieldId> = contacts()
        .filter(|field| exports.iter().any(|e| e.segment == Some(segment) && e.shows(*field)))
        .collect();
    let mut channels: Vec<FieldId> = match gate {
        // What leaves by `allow_columns` is a channel too.
        Gate::Purposes(purposes) => {
            purposes.iter().map(|p| consent.purposes[p.0].via).chain(shown).collect()
        }
        // Nobody knows through what it goes out if no export shows it.
        Gate::None { .. } if shown.is_empty() => contacts().collect(),
        Gate::None { .. } => shown,
    };
    channels.sort_unstable();
    channels.dedup();
    channels
}

/// Each segment after those it refers to; reports circles.
fn order(cx: &mut Context<'_>, segments: &[Segment]) -> Vec<SegmentId> {
    let mut order: Vec<SegmentId> = Vec::new();
    let mut left: Vec<usize> = (0..segments.len()).collect();
    loop {
        let before = left.len();
        left.retain(|&at| {
            let segment = &segments[at];
            let ready = [&segment.union, &segment.intersect, &segment.except]
                .into_iter()
                .flatten()
                .all(|member| order.contains(member));
            if ready {
                order.push(SegmentId(at));
            }
            !ready
        });
        if left.len() == before {
            break;
        }
    }
    if !left.is_empty() {
        let written = cx.written.segments.as_deref().unwrap_or_default();
        let names: Vec<_> = left.iter().map(|at| segments[*at].name.as_str()).collect();
        let mut fault = Diagnostic::error(
            Code::SegmentCycle,
            format!("segments refer to each other in a circle: {}", names.join(", ")),
        );
        for at in &left {
            fault = fault.at(written[*at].name.span, "in the circle, or behind it");
        }
        cx.sink.push(fault.help("take one reference out"));
    }
    order
}
