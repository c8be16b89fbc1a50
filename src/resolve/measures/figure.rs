//! A figure: `count`, or a function of a field or of a purpose.

use std::ops::Range;

use super::{Scope, fault};
use crate::diagnostics::{Code, Diagnostic, Spanned, nearest};
use crate::plan::{ConsentState, FieldId, Measured, PurposeId, Share};
use crate::resolve::Context;
use crate::resolve::outputs::carries_contact;
use crate::resolve::rule::names::{Found, find};
use crate::rule::SpanMap;

/// The functions, with what stands between their parentheses.
const FUNCTIONS: [(&str, &str); 8] = [
    ("count", "count, or count(FIELD)"),
    ("sum", "sum(FIELD)"),
    ("avg", "avg(FIELD)"),
    ("median", "median(FIELD)"),
    ("quantile", "quantile(FIELD, 0.9)"),
    ("consent_count", "consent_count(PURPOSE, STATE)"),
    ("consent_rate", "consent_rate(PURPOSE), or consent_rate(PURPOSE, STATE)"),
    (
        "consent_rate_of_contactable",
        "consent_rate_of_contactable(PURPOSE), or consent_rate_of_contactable(PURPOSE, STATE)",
    ),
];

/// What other languages call them.
const OTHER_WORDS: [(&str, &str); 9] = [
    ("average", "avg(FIELD)"),
    ("mean", "avg(FIELD)"),
    ("total", "sum(FIELD)"),
    ("min", "quantile(FIELD, 0)"),
    ("max", "quantile(FIELD, 1)"),
    ("percentile", "quantile(FIELD, 0.9)"),
    ("percentile_cont", "quantile(FIELD, 0.9)"),
    ("rate", "consent_rate(PURPOSE)"),
    ("customers", "count"),
];

/// What is asked of a field or a purpose, as it stands between parentheses.
struct Argument {
    text: String,
    /// True for a name in double quotes, in which case counts.
    quoted: bool,
    /// Its place in the figure's text.
    place: Range<usize>,
}

/// A function has other arguments than these.
struct AnotherForm;

/// A figure being read.
struct Reading<'a, 'c> {
    cx: &'a mut Context<'c>,
    scope: &'a Scope<'a>,
    /// From places in its text to places in the pipeline file.
    places: SpanMap,
    text: &'a str,
}

/// What a figure's text says; none where a fault was reported.
pub fn figure(
    cx: &mut Context<'_>,
    scope: &Scope<'_>,
    written: &Spanned<String>,
) -> Option<Measured> {
    let places = SpanMap::new(cx.source_text, written.span, &written.value);
    Reading { cx, scope, places, text: &written.value }.figure()
}

impl Reading<'_, '_> {
    fn figure(&mut self) -> Option<Measured> {
        let text = self.text;
        let (name, inside) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => {
                let start = name.len() + 1;
                let Some(inside) = rest.trim_end().strip_suffix(')') else {
                    let end = text.len();
                    self.refuse(
                        fault("a parenthesis is not closed"),
                        0..end,
                        "this figure",
                        "write it as `sum(FIELD)`; where the mapping stands in braces, a figure with \
                         a comma goes in quotes",
                    );
                    return None;
                };
                (name, Some((start, inside)))
            }
        };
        let called = name.trim().to_ascii_lowercase();
        let Some((_, form)) = FUNCTIONS.iter().find(|(known, _)| *known == called) else {
            let known = FUNCTIONS.map(|(name, _)| name);
            let other = OTHER_WORDS.iter().find(|(word, _)| *word == called);
            let help = match (other, nearest(&called, known)) {
                (Some((_, write)), _) => format!("write {write}"),
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => format!("figures: {}", known.join(", ")),
            };
            let message = format!("there is no figure `{}`", name.trim());
            self.refuse(fault(message), 0..name.len().max(1), "no such figure", &help);
            return None;
        };
        let arguments = match inside {
            None => Vec::new(),
            Some((start, inside)) => arguments(inside, start),
        };
        let made = self.call(&called, &arguments, inside.is_some());
        if made.is_err() {
            let message = format!("`{called}` is written in another way");
            self.refuse(fault(message), 0..text.len(), "this figure", &format!("write {form}"));
        }
        made.unwrap_or_default()
    }

    /// The figure of a function; none if a fault was reported.
    ///
    /// # Errors
    /// The function is written in another way.
    fn call(
        &mut self,
        called: &str,
        of: &[Argument],
        open: bool,
    ) -> Result<Option<Measured>, AnotherForm> {
        Ok(match (called, of) {
            ("count", []) if !open => Some(Measured::Customers),
            ("count", [field]) => self.field(field).map(Measured::Values),
            ("sum", [field]) => self.number(field).map(Measured::Sum),
            ("avg", [field]) => self.number(field).map(Measured::Mean),
            ("median", [field]) => {
                let half = Share(Share::WHOLE / 2);
                self.number(field).map(|field| Measured::Quantile(field, half))
            }
            ("quantile", [field, share]) => {
                let (field, share) = (self.number(field), self.share(share));
                field.zip(share).map(|(field, share)| Measured::Quantile(field, share))
            }
            ("consent_count", [purpose, state]) => {
                let (purpose, state) = (self.purpose(purpose), self.state(state));
                purpose.zip(state).map(|(purpose, state)| Measured::States(purpose, state))
            }
            ("consent_rate" | "consent_rate_of_contactable", [purpose, rest @ ..])
                if rest.len() <= 1 =>
            {
                let purpose = self.purpose(purpose);
                let state = rest.first().map_or(Some(ConsentState::Granted), |of| self.state(of));
                let of = purpose.zip(state);
                if called == "consent_rate" {
                    return Ok(of.map(|(purpose, state)| Measured::Rate(purpose, state)));
                }
                if let (Some(ConsentState::NoContactPoint), Some(written)) = (state, rest.first()) {
                    self.refuse(
                        fault("who is contactable is never in the state `no_contact_point`"),
                        written.place.clone(),
                        "this share is always 0",
                        "write consent_rate(PURPOSE, no_contact_point)",
                    );
                    return Ok(None);
                }
                of.map(|(purpose, state)| Measured::RateOfContactable(purpose, state))
            }
            _ => return Err(AnotherForm),
        })
    }

    fn refuse(&mut self, fault: Diagnostic, place: Range<usize>, label: &str, help: &str) {
        let span = self.places.span(place.start, place.end);
        self.cx.sink.push(fault.at(span, label).help(help));
    }

    fn field(&mut self, of: &Argument) -> Option<FieldId> {
        let fields = self.scope.fields;
        let known = || fields.iter().map(|field| field.name.as_str());
        match find(&of.text, of.quoted, known()) {
            Found::One(at) => return Some(FieldId(at)),
            Found::Several(first, second) => {
                let fault = Diagnostic::error(
                    Code::UnknownField,
                    format!("`{}` may be two fields", of.text),
                );
                let help = "in double quotes the case of a name counts";
                let label = format!("`{first}` or `{second}`?");
                self.refuse(fault, of.place.clone(), &label, help);
            }
            Found::None if self.cx.fields_complete => {
                let names: Vec<&str> = known().collect();
                let message = format!("no customer table maps a field `{}`", of.text);
                let fault = Diagnostic::error(Code::UnknownField, message)
                    .help(format!("fields: {}", names.join(", ")))
                    .suggest(&of.text, known());
                let span = self.places.span(of.place.start, of.place.end);
                self.cx.sink.push(fault.at(span, "unknown field"));
            }
            Found::None => {}
        }
        None
    }

    /// A field of numbers that is no contact point.
    fn number(&mut self, of: &Argument) -> Option<FieldId> {
        let field = self.field(of)?;
        let declared = &self.scope.fields[field.0];
        if self.cx.untyped.contains(&declared.name) {
            return None;
        }
        if carries_contact(self.scope.fields, self.scope.tables, field) {
            self.refuse(
                fault(format!("`{}` is a contact point, and no amount", declared.name)),
                of.place.clone(),
                "a contact point",
                &format!("count those who have one with `count({})`", declared.name),
            );
            return None;
        }
        if !declared.ty.is_number() {
            self.refuse(
                fault(format!("`{}` holds no numbers", declared.name)),
                of.place.clone(),
                &format!("of type {}", declared.ty.name()),
                "declare the column as int, decimal or float under `types` of its source",
            );
            return None;
        }
        Some(field)
    }

    fn share(&mut self, of: &Argument) -> Option<Share> {
        let share = Share::parse(&of.text);
        if share.is_none() {
            let message = format!("`{}` is no share", of.text);
            let help = "a number from 0 to 1 with at most six digits after the point, such as 0.9";
            self.refuse(fault(message), of.place.clone(), "no share", help);
        }
        share
    }

    fn purpose(&mut self, of: &Argument) -> Option<PurposeId> {
        let purposes = &self.scope.consent.purposes;
        let known = || purposes.iter().map(|purpose| purpose.name.as_str());
        let found = find(&of.text, of.quoted, known());
        let span = self.places.span(of.place.start, of.place.end);
        let fault = match found {
            Found::One(at) => return Some(PurposeId(at)),
            Found::Several(first, second) => Diagnostic::error(
                Code::UnknownPurpose,
                format!("`{}` may be two purposes", of.text),
            )
            .at(span, format!("`{first}` or `{second}`?"))
            .help("in double quotes the case of a name counts"),
            Found::None => {
                let sink = &self.cx.sink;
                if sink.is_poisoned(&of.text) || sink.is_poisoned("a purpose") {
                    return None;
                }
                let names: Vec<&str> = known().collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Diagnostic::error(Code::UnknownPurpose, format!("no purpose `{}`", of.text))
                    .at(span, "no such purpose")
                    .help(format!("purposes: {names}"))
                    .suggest(&of.text, known())
            }
        };
        self.cx.sink.push(fault);
        None
    }

    fn state(&mut self, of: &Argument) -> Option<ConsentState> {
        let known = ConsentState::ALL;
        let found = known.into_iter().find(|state| state.name().eq_ignore_ascii_case(&of.text));
        if found.is_none() {
            let names = known.map(ConsentState::name);
            let help = format!("states: {}", names.join(", "));
            let message = format!("there is no consent state `{}`", of.text);
            self.refuse(fault(message), of.place.clone(), "no such state", &help);
        }
        found
    }
}

/// What stands between the parentheses; commas within double quotes divide nothing. `start` is its
/// place in the figure's text. An empty argument is one as well, and fits nothing.
fn arguments(inside: &str, start: usize) -> Vec<Argument> {
    let mut cuts = vec![0];
    let mut in_quotes = false;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b',' if !in_quotes => cuts.push(at + 1),
            _ => {}
        }
    }
    let ends = cuts.iter().skip(1).map(|next| next - 1).chain([inside.len()]);
    let parts = cuts.iter().zip(ends).map(|(begin, end)| {
        let part = &inside[*begin..end];
        let text = part.trim();
        let begin = start + begin + (part.len() - part.trim_start().len());
        let place = begin..begin + text.len().max(1);
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match bare {
            Some(name) => Argument { text: name.replace("\"\"", "\""), quoted: true, place },
            None => Argument { text: text.to_owned(), quoted: false, place },
        }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::arguments;

    #[test]
    fn arguments_are_cut_at_commas_outside_of_quotes() {
        let cut = |text: &str| -> Vec<(String, bool)> {
            arguments(text, 0).into_iter().map(|of| (of.text, of.quoted)).collect()
        };
        let bare = |text: &str| (text.to_owned(), false);
        assert_eq!(cut("revenue"), [bare("revenue")]);
        assert_eq!(cut(" a , 0.5 "), [bare("a"), bare("0.5")]);
        assert_eq!(cut("\"a, \"\"b\", x"), [("a, \"b".to_owned(), true), bare("x")]);
        assert_eq!(cut(""), [bare("")]);
        assert_eq!(arguments("a, b", 4)[1].place, 7..8);
    }
}
