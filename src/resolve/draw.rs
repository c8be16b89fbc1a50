//! The limit and the control group of a segment.

use super::Context;
use crate::diagnostics::{Code, Diagnostic, Span, Spanned};
use crate::plan::{Control, Field, Limit, Share, TopBy, Type};
use crate::spec;

/// The control group of a segment.
pub fn control(cx: &mut Context<'_>, segment: &spec::Segment) -> Option<Control> {
    let written = &segment.control.as_ref()?.keys;
    let share = Share::parse(&written.share.value);
    if share.is_none() {
        cx.sink.push(
            Diagnostic::error(
                Code::BadValue,
                format!("`{}` is no share of a segment", written.share.value),
            )
            .at(written.share.span, "not a percentage above 0% and below 100%")
            .help("such as `10%`, with up to four digits after the point"),
        );
    }
    let seed = seed(cx, segment, written.seed.as_ref());
    Some(Control { share: share?, seed })
}

/// How many may be in a segment.
pub fn limit(cx: &mut Context<'_>, fields: &[Field], segment: &spec::Segment) -> Option<Limit> {
    let written = &segment.limit.as_ref()?.keys;
    if written.count.value == 0 {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a limit is at least 1")
                .at(written.count.span, "nobody would be in the segment")
                .help("take the segment out, or its export"),
        );
    }
    let seed = seed(cx, segment, written.seed.as_ref());
    let top_by = match &written.top_by {
        Some(text) => Some(top_by(cx, fields, text)?),
        None => None,
    };
    Some(Limit { count: written.count.value, top_by, seed })
}

/// What goes into the draw; the segment's name where nothing is written.
fn seed(
    cx: &mut Context<'_>,
    segment: &spec::Segment,
    written: Option<&Spanned<String>>,
) -> String {
    let Some(seed) = written else { return segment.name.value.clone() };
    if seed.value.trim().is_empty() || seed.value.chars().any(char::is_control) {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a seed is a text or a number")
                .at(seed.span, "nothing can be read here")
                .help("such as spring_2026; without it the segment's name is the seed"),
        );
    }
    seed.value.clone()
}

/// A field, with `asc` or `desc` behind it; the greatest value comes first if nothing is said.
fn top_by(cx: &mut Context<'_>, fields: &[Field], written: &Spanned<String>) -> Option<TopBy> {
    let text = written.value.trim();
    let is_field = |name: &str| fields.iter().any(|field| field.name == name);
    let (name, ascending) = match text.rsplit_once(char::is_whitespace) {
        Some((name, word)) if !is_field(text) && word.eq_ignore_ascii_case("asc") => (name, true),
        Some((name, word)) if !is_field(text) && word.eq_ignore_ascii_case("desc") => (name, false),
        _ => (text, false),
    };
    // The place of the name alone, if it is written as it is read.
    let name = name.trim();
    let start = written.span.start;
    let span = match cx.source_text.get(start..start + name.len()) {
        Some(there) if there == name => Span::new(start, start + name.len()),
        _ => written.span,
    };
    let field = cx.field(fields, &Spanned::new(name.to_owned(), span))?;
    let of = &fields[field.0];
    let fits =
        matches!(of.ty, Type::Int | Type::Float | Type::Decimal(_) | Type::Date | Type::Datetime);
    if !fits && !cx.untyped.contains(&of.name) {
        cx.sink.push(
            Diagnostic::error(
                Code::BadValue,
                "`top_by` needs a number, a date or a datetime".to_owned(),
            )
            .at(span, format!("this is {}", of.ty.name()))
            .help("declare the column under `types` of its source"),
        );
    }
    Some(TopBy { field, ascending })
}
