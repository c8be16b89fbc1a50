//! Hints: what may be written and is most likely a mistake, which nobody would see. They are warnings,
//! and told of a pipeline without a fault alone, because one that is half read would get some that it does
//! not deserve.

use std::collections::BTreeSet;

use super::outputs::carries_contact;
use crate::diagnostics::{Code, Diagnostic, Sink};
use crate::plan::{
    Field, FieldId, Gate, Keep, LinkRule, Model, OutColumn, Plan, PurposeId, Shape, Type,
};
use crate::spec::{ExportColumns, PipelineKeys};

/// Warns of all that is most likely not meant.
pub fn hints(written: &PipelineKeys, plan: &Plan, sink: &mut Sink) {
    if sink.has_errors() {
        return;
    }
    unused_sources(written, sink);
    near_fields(written, plan, sink);
    silent_purposes(written, plan, sink);
    idle_lists(written, plan, sink);
    uncovered_contacts(written, plan, sink);
}

/// Sources that no part of the pipeline names: a list of who has said no among them is not read.
fn unused_sources(written: &PipelineKeys, sink: &mut Sink) {
    let customers = written.customers.iter().map(|table| &table.source);
    let pairs = written
        .identity
        .iter()
        .flat_map(|identity| identity.always.iter().chain(&identity.never))
        .flatten()
        .map(|pairs| &pairs.source);
    let consent = written.consent.iter();
    let tables = consent.clone().flat_map(|consent| consent.tables.iter().flatten());
    let lists = consent.flat_map(|consent| consent.suppress.iter().flatten());
    let related = written.related.iter().flatten().map(|table| &table.source);
    let used: BTreeSet<&str> = customers
        .chain(pairs)
        .chain(tables.map(|table| &table.source))
        .chain(lists.map(|list| &list.source))
        .chain(related)
        .map(|name| name.value.as_str())
        .collect();
    let names = written.sources.iter().map(|source| &source.name);
    for name in names.filter(|name| !used.contains(name.value.as_str())) {
        sink.push(
            Diagnostic::warning(
                Code::UnusedSource,
                format!("source `{}` is used by nothing", name.value),
            )
            .at(name.span, "is not read")
            .help(
                "name it where it belongs, such as under `customers`, `tables` or `suppress`, or take it out",
            ),
        );
    }
}

/// A field that one table alone maps, whose name is nearly that of another field: what is the same field
/// then stands in two, and only one of them is compared.
fn near_fields(written: &PipelineKeys, plan: &Plan, sink: &mut Sink) {
    let mut tables: Vec<Vec<usize>> = vec![Vec::new(); plan.fields.len()];
    for (at, table) in plan.tables.iter().enumerate() {
        for (field, _) in &table.mapping {
            tables[field.0].push(at);
        }
    }
    let keys: BTreeSet<&str> =
        written.keys.iter().flatten().map(|key| key.field.value.as_str()).collect();
    let named = named_fields(plan);
    let is_known =
        |at: usize| keys.contains(plan.fields[at].name.as_str()) || named.contains(&FieldId(at));
    for (at, field) in plan.fields.iter().enumerate() {
        let &[table] = tables[at].as_slice() else { continue };
        if is_known(at) {
            continue;
        }
        let near = plan.fields.iter().enumerate().find(|(other, of)| {
            !tables[*other].contains(&table)
                && (tables[*other].len() > 1 || is_known(*other))
                && is_near(&field.name, &of.name)
        });
        let Some((_, near)) = near else { continue };
        let table = &written.customers[table];
        let mut names = table.fields.value.0.iter().map(|(name, _)| name);
        let Some(name) = names.find(|name| name.value == field.name) else { continue };
        sink.push(
            Diagnostic::warning(
                Code::NearName,
                format!(
                    "field `{}` is mapped by `{}` alone: is it `{}`?",
                    field.name, table.source.value, near.name
                ),
            )
            .at(name.span, "another field than that one")
            .help("write the same name in all tables, so that its values are one field"),
        );
    }
}

/// The fields that something names beside the tables: whoever names one knows it.
fn named_fields(plan: &Plan) -> BTreeSet<FieldId> {
    let groupings = plan.groupings.iter().flat_map(|grouping| &grouping.rules);
    let rules = plan.identity.rules.iter().chain(groupings).flat_map(LinkRule::fields);
    let keeps = plan.survivorship.keeps().filter_map(Keep::field);
    let groups = plan.survivorship.groups.iter().flat_map(|group| group.fields.iter().copied());
    let alone = plan.survivorship.fields.iter().map(|(field, _)| *field);
    let of_segments = plan.segments.iter().filter_map(|segment| segment.rule.as_ref());
    let of_measures = plan.measures.iter().filter_map(|measure| measure.rule.as_ref());
    let in_rules = of_segments.chain(of_measures).flat_map(|rule| rule.expr.names().0);
    let limits = plan.segments.iter().filter_map(|segment| segment.limit.as_ref()?.top_by.as_ref());
    let shown = plan.exports.iter().flat_map(|export| &export.columns);
    let by = plan.measures.iter().flat_map(|measure| &measure.by);
    let columns = shown.chain(by).filter_map(|column| match column {
        OutColumn::Field(field) => Some(*field),
        _ => None,
    });
    let figures = plan.measures.iter().flat_map(|measure| &measure.compute);
    rules
        .chain(plan.identity.unless_different.iter().copied())
        .chain(keeps)
        .chain(groups)
        .chain(alone)
        .chain(in_rules)
        .chain(limits.map(|top_by| top_by.field))
        .chain(columns)
        .chain(figures.filter_map(|figure| figure.measured.field()))
        .collect()
}

/// True if two names are one but for case and separators, or for a letter or two of many. Those that differ
/// in digits are meant to.
fn is_near(one: &str, other: &str) -> bool {
    let is_digit = |c: &char| c.is_numeric();
    let digits = |name: &str| name.chars().filter(is_digit).collect::<String>();
    let fold = |name: &str| name.to_lowercase().replace(['_', '-', ' ', '.'], "");
    let (one_folded, other_folded) = (fold(one), fold(other));
    if one_folded == other_folded {
        return true;
    }
    let length = one_folded.chars().count().min(other_folded.chars().count());
    let most = match length {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    digits(one) == digits(other) && strsim::damerau_levenshtein(&one_folded, &other_folded) <= most
}

/// Purposes that a segment asks for and of which no consent table speaks. Where nobody must have granted, a
/// suppression list may hold those who have said no.
fn silent_purposes(written: &PipelineKeys, plan: &Plan, sink: &mut Sink) {
    let consent = &plan.consent;
    let names = written.consent.iter().flat_map(|consent| &consent.purposes);
    for (at, (purpose, name)) in consent.purposes.iter().zip(names).enumerate() {
        let id = PurposeId(at);
        let is_asked = plan.segments.iter().any(|segment| {
            let rule = segment.rule.as_ref();
            segment.gate.purposes().contains(&id)
                || rule.is_some_and(|rule| rule.expr.names().1.contains(&id))
        });
        let is_spoken_of = consent.tables.iter().any(|table| match &table.shape {
            Shape::Wide(columns) => columns.iter().any(|(of, _)| *of == id),
            Shape::Long { .. } => true,
        });
        let is_open = purpose.model == Model::OptOut;
        let is_listed = is_open && consent.suppress.iter().any(|list| list.binds(&[purpose.via]));
        if !is_asked || is_spoken_of || is_listed {
            continue;
        }
        sink.push(
            Diagnostic::warning(
                Code::ConsentFault,
                format!("no consent table holds decisions about `{}`", purpose.name),
            )
            .at(name.name.span, if is_open { "so everybody passes" } else { "so nobody passes" })
            .help("write under `tables` of `consent` where its decisions stand"),
        );
    }
}

/// Suppression lists whose channels are those of no segment.
fn idle_lists(written: &PipelineKeys, plan: &Plan, sink: &mut Sink) {
    let lists = written.consent.iter().flat_map(|consent| consent.suppress.iter().flatten());
    for (list, written) in plan.consent.suppress.iter().zip(lists) {
        let Some(channels) = &written.channels else { continue };
        let binds = plan.segments.iter().any(|segment| list.binds(&segment.channels));
        if plan.segments.is_empty() || binds {
            continue;
        }
        sink.push(
            Diagnostic::warning(
                Code::ConsentFault,
                format!("the suppression list `{}` binds no segment", written.source.value),
            )
            .at(channels.span, "no segment goes out through these")
            .help("name the fields that the segments' purposes go via, or leave `channels` out for all"),
        );
    }
}

/// Columns of exports whose names say that they hold contact points, though their fields are plain texts: no
/// purpose goes via them, and no denial of them is asked for.
fn uncovered_contacts(written: &PipelineKeys, plan: &Plan, sink: &mut Sink) {
    let exports = written.exports.iter().flatten();
    for (export, written) in plan.exports.iter().zip(exports) {
        let gate = &plan.segments[export.segment.0].gate;
        let (Gate::Purposes(_), None) = (gate, &written.because) else { continue };
        let Some(ExportColumns::List(names)) = &written.columns else { continue };
        for name in names {
            let Some(at) = plan.fields.iter().position(|field| field.name == name.value) else {
                continue;
            };
            let (field, id) = (&plan.fields[at], FieldId(at));
            let is_allowed = export.allowed.as_ref().is_some_and(|of| of.fields.contains(&id));
            if is_allowed || carries_contact(&plan.fields, &plan.tables, id) {
                continue;
            }
            let Some(normalizer) = contact_by_name(field) else { continue };
            sink.push(
                Diagnostic::warning(
                    Code::UncoveredContact,
                    format!("`{}` leaves as text that no purpose covers", field.name),
                )
                .at(name.span, "a contact point, by its name")
                .help(format!(
                    "write `{{ field: {}, normalize: {normalizer} }}` under `keys`, so that consent is asked, or \
                     `allow_columns: [{}]` with `because`",
                    field.name, field.name
                )),
            );
        }
    }
}

/// Words of names of fields that hold mail addresses.
const MAIL: &str = "mail mails email emails mailaddress emailaddress mailadresse emailadresse";
/// Those of phone numbers.
const PHONE: &str = "phone phones phonenumber telephone telephonenumber cellphone mobile mobil \
                     mobilephone mobilenumber mobilnummer mobiltelefon handy handynummer tel telefon \
                     telefonnummer fax telefax faxnumber faxnummer msisdn";
/// Those of what is said about contact points, which is none.
const ABOUT: &str = "active allowed app area at bounce bounced bounces brand campaign carrier channel \
                     city clicked clicks code confirmed consent count country date day days device \
                     direct domain flag format frequency has hash hashed is kind language model \
                     newsletter ok opened opens opt optin optout os permission plan preference prefix \
                     provider quality region score segment sent status street tariff time type valid \
                     verified zip";

/// The normalizer of the contact points that a field holds by its name.
fn contact_by_name(field: &Field) -> Option<&'static str> {
    let words = words(&field.name);
    let any = |of: &str| of.split(' ').any(|known| words.iter().any(|word| word == known));
    if !matches!(field.ty, Type::Text | Type::Int) || any(ABOUT) {
        None
    } else if any(MAIL) {
        Some("email")
    } else if any(PHONE) {
        Some("phone")
    } else {
        None
    }
}

/// The words of a name in lower case: cut at what is no letter, and where a small letter meets a capital one.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut was_small = false;
    for c in name.chars() {
        let begins = c.is_uppercase() && was_small;
        if (begins || !c.is_alphabetic()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
        was_small = c.is_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Chain;
    use crate::plan::{Key, RegionFrom, Veiled};

    fn by_name(name: &str) -> Option<&'static str> {
        let key = Key {
            chain: Chain::default_trim(),
            region: RegionFrom::None,
            never: Veiled::default(),
        };
        contact_by_name(&Field { name: name.to_owned(), ty: Type::Text, key })
    }

    #[test]
    fn a_contact_point_is_known_by_a_word_of_its_name() {
        for name in ["email2", "E-Mail", "EMail", "eMail", "work_mail", "mail_address"] {
            assert_eq!(by_name(name), Some("email"), "{name}");
        }
        for name in ["phone_home", "Mobile", "tel", "PhoneNumber", "fax_no", "home phone 2"] {
            assert_eq!(by_name(name), Some("phone"), "{name}");
        }
        for name in [
            "telemetry",
            "mailing",
            "email_opt_in",
            "phone_verified",
            "mobile_app",
            "hotel",
            "city",
        ] {
            assert_eq!(by_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_are_near_by_a_letter_or_two() {
        for (one, other) in [
            ("emial", "email"),
            ("mail", "email"),
            ("Email", "email"),
            ("LastName", "last_name"),
            ("last_nmae", "last_name"),
            ("pstal_cod", "postal_code"),
        ] {
            assert!(is_near(one, other) && is_near(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("phone1", "phone2"),
            ("address", "address2"),
            ("first_name", "last_name"),
            ("created_at", "updated_at"),
            ("tel", "sel"),
            ("city", "country"),
        ] {
            assert!(!is_near(one, other), "{one} {other}");
        }
    }
}
