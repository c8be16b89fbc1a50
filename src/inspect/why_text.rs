//! The answer of `optin why` in words, in lines of 80 columns where values allow it.

use std::fmt::Write as _;

use super::plainly::plainly;
use super::why::{
    Candidate, ContactLine, FieldLine, Heard, Person, PurposeLine, RecordLine, SegmentLine, Why,
};
use crate::plan::said_date;
use crate::report::{heading, number, tidy, wrap, wrap_words};

impl Why {
    /// The answer in words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let asked = plainly(&self.asked);
        let lead = format!("{}: ", self.pipeline);
        wrap_words(
            &mut text,
            &lead,
            format!("{asked}, as of {}", said_date(&self.as_of)).split(' '),
        );
        match (&self.customer, self.several.as_slice()) {
            (Some(one), _) => person(&mut text, one),
            (None, []) => nobody(&mut text, &self.heard_of_nobody),
            (None, several) => self::several(&mut text, self.found, several),
        }
        if !self.files.is_empty() {
            heading(&mut text, "Files (row 1 is the first record, after a header)");
            for of in &self.files {
                line(&mut text, &format!("  {}: ", of.source), &tidy(&of.file));
            }
        }
        text
    }
}

/// Words behind a lead.
fn line(text: &mut String, lead: &str, words: &str) {
    wrap_words(text, lead, words.split(' '));
}

fn nobody(text: &mut String, heard: &[Heard]) {
    text.push_str("\nNo record of a customer table has it.\n");
    if heard.is_empty() {
        text.push_str("No consent table and no suppression list speaks of it either.\n");
    }
    for heard in heard {
        row(text, "  ", heard, Row::Whole);
    }
}

fn several(text: &mut String, found: usize, several: &[Candidate]) {
    heading(text, &format!("{} have it; ask for one of them", number(found as u64)));
    for candidate in several {
        let who = match &candidate.customer_id {
            Some(id) => format!("customer_id={id}"),
            None => format!("no customer, as {}", fate(candidate.fate)),
        };
        let rows: Vec<String> = candidate.records.iter().map(ToString::to_string).collect();
        wrap(text, &format!("  {who}: "), &rows);
    }
    if found > several.len() {
        line(text, "  ", &format!("and {} more", number((found - several.len()) as u64)));
    }
}

fn fate(fate: &str) -> &'static str {
    match fate {
        "no_id" => "the record has no id",
        "cluster_too_large" => "there are more records than max_cluster",
        "dropped" => "it links to no earlier table and is dropped",
        _ => "there is no profile",
    }
}

fn person(text: &mut String, person: &Person) {
    let records = match person.records_in_all {
        1 => "1 record".to_owned(),
        n => format!("{n} records"),
    };
    match &person.customer_id {
        Some(id) => heading(text, &format!("Customer {id}, {records}")),
        None => {
            text.push('\n');
            line(text, "", &format!("No customer, as {} ({records})", fate(person.fate)));
        }
    }
    if let Some(since) = &person.since {
        line(text, "  ", &format!("so called since {since}"));
    }
    if !person.previous_customer_ids.is_empty() {
        wrap(text, "  once called: ", &person.previous_customer_ids);
    }
    person.records.iter().for_each(|record| self::record(text, person, record));
    if !person.fields.is_empty() {
        heading(text, "Shows");
        shows(text, &person.fields);
    }
    if !person.groupings.is_empty() {
        heading(text, "Groups");
    }
    for group in &person.groupings {
        let customers = match group.customers {
            1 => "alone in it".to_owned(),
            n => format!("{} customers", number(n as u64)),
        };
        line(text, &format!("  {}: ", group.grouping), &format!("{}, {customers}", group.id));
    }
    if !person.purposes.is_empty() {
        heading(text, "Consent");
        person.purposes.iter().for_each(|line| purpose(text, line));
    }
    if !person.suppressed_by.is_empty() {
        heading(text, "On suppression lists");
        person.suppressed_by.iter().for_each(|heard| row(text, "  ", heard, Row::Whole));
    }
    if !person.segments.is_empty() {
        heading(text, "Segments");
        person.segments.iter().for_each(|line| segment(text, line));
    }
}

fn record(text: &mut String, person: &Person, record: &RecordLine) {
    let id = match &record.id {
        Some(id) => format!("id {}", plainly(id)),
        None => "without an id".to_owned(),
    };
    let with = record.link.with.as_ref().map(ToString::to_string).unwrap_or_default();
    let rule = record.link.rule.as_deref().unwrap_or_default();
    let linked = match record.link.by {
        "first" if person.records_in_all == 1 => ": alone".to_owned(),
        "first" => ": the others are linked to it".to_owned(),
        "rule" => format!(": linked to {with} by the rule {rule}"),
        "always" => format!(": linked to {with} by a pair of `always`"),
        "same_id" if record.duplicate_id => format!(": set aside, as {with} has the same id"),
        "same_id" => format!(": linked to {with}, which has the same id"),
        "left_out" => ": linked by records that were left out".to_owned(),
        "not_looked_for" => ": linked (too many records to say by what)".to_owned(),
        "shadow" if !rule.is_empty() => {
            format!(
                ": agrees with {with} by the rule {rule}; no part of the customer, but denials of it count"
            )
        }
        "shadow" => ": no part of the customer, but denials of it count".to_owned(),
        _ => String::new(),
    };
    let again = if record.duplicate_id && record.link.by != "same_id" {
        "; set aside, as another has its id"
    } else {
        ""
    };
    line(text, &format!("  {}, {id}", record.place), &format!("{linked}{again}"));
    if person.fields.is_empty() {
        let values = record.values.iter();
        let values: Vec<String> =
            values.map(|of| format!("{} {}", of.field, plainly(&of.value))).collect();
        parts(text, "    ", "has:", &values);
    }
    let keys = record.values.iter().filter(|of| of.compared && of.key.as_ref() != Some(&of.value));
    let keys: Vec<String> = keys
        .map(|of| match &of.key {
            Some(key) => format!("{} {}", of.field, plainly(key)),
            None => format!("{} as none: not usable", of.field),
        })
        .collect();
    parts(text, "    ", "compared as:", &keys);
}

/// Parts behind some words, with commas between them; one that fits a line stays in one.
fn parts(text: &mut String, indent: &str, lead: &str, parts: &[String]) {
    const FITS: usize = 70;
    if parts.is_empty() {
        return;
    }
    let all = parts.join(",\n");
    let words = all.split('\n').flat_map(|part| match part.chars().count() {
        0..FITS => part.split('\n'),
        _ => part.split(' '),
    });
    wrap_words(text, indent, lead.split(' ').filter(|word| !word.is_empty()).chain(words));
}

/// What the profile shows, by the records that it is from, and what decided for them.
fn shows(text: &mut String, fields: &[FieldLine]) {
    let (from_some, from_none): (Vec<&FieldLine>, Vec<&FieldLine>) =
        fields.iter().partition(|of| of.from.is_some());
    for of_record in alike(from_some, |of| of.from.clone()) {
        let Some(place) = of_record.first().and_then(|of| of.from.as_ref()) else { continue };
        let reasons = alike(of_record, |of| of.why.clone());
        if let [fields] = reasons.as_slice() {
            line(text, "  from ", &format!("{place}, {}:", fields[0].why));
            values(text, "    ", "", fields);
            continue;
        }
        line(text, "  from ", &format!("{place}:"));
        for fields in reasons {
            values(text, "    ", &format!("{}:", fields[0].why), &fields);
        }
    }
    for fields in alike(from_none, |of| of.why.clone()) {
        values(text, "  ", &format!("nothing, as {}:", fields[0].why), &fields);
    }
}

/// Fields by what they have in common, both in their order.
fn alike<K: PartialEq>(
    mut left: Vec<&FieldLine>,
    common: impl Fn(&FieldLine) -> K,
) -> Vec<Vec<&FieldLine>> {
    let mut all = Vec::new();
    while let Some(first) = left.first().map(|of| common(of)) {
        let (these, others) = left.into_iter().partition(|of| common(of) == first);
        all.push(these);
        left = others;
    }
    all
}

/// Values of the profile behind some words, and what other records say instead.
fn values(text: &mut String, indent: &str, why: &str, fields: &[&FieldLine]) {
    let value = |of: &&FieldLine| match &of.value {
        Some(value) => format!("{} {}", of.field, plainly(value)),
        None => of.field.clone(),
    };
    let values: Vec<String> = fields.iter().map(value).collect();
    parts(text, indent, why, &values);
    for of in fields {
        for other in &of.others {
            let words = format!("{} {} ({})", of.field, plainly(&other.value), other.place);
            line(text, "      not ", &words);
        }
    }
}

fn purpose(text: &mut String, purpose: &PurposeLine) {
    let state = purpose.state.unwrap_or("there is no profile").replace('_', " ");
    line(text, &format!("  {}: ", purpose.purpose), &state);
    purpose.contacts.iter().for_each(|line| contact(text, line));
    if purpose.denied_through_others {
        line(text, "    ", "another customer who shows the same contact point is denied");
    }
}

fn contact(text: &mut String, contact: &ContactLine) {
    let aside = match contact.counts {
        "denials" => " (here denials count, grants do not)",
        "none" => " (counts for no other contact point)",
        _ => "",
    };
    line(text, &format!("    {}: ", contact.contact), &format!("{}{aside}", contact.comes_to));
    for heard in &contact.decisions {
        // A grant without a date ends before it begins, where grants end.
        let ended = contact.comes_to == "expired" && heard.at.is_none() && heard.counts == "yes";
        row(text, "      ", heard, if ended { Row::Ended } else { Row::OfContact });
    }
}

/// How a row is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// Of what and whom it speaks, too.
    Whole,
    /// Below the contact point.
    OfContact,
    /// So, of a grant that has ended although it does not say when.
    Ended,
}

/// A row of a consent table or list.
fn row(text: &mut String, indent: &str, heard: &Heard, how: Row) {
    let whole = how == Row::Whole;
    let mut words = match heard.says {
        "unrecognized" => "no word of consent".to_owned(),
        says => says.to_owned(),
    };
    if let (Some(purpose), true) = (&heard.purpose, whole) {
        let _ = write!(words, " {purpose}");
    }
    if whole {
        let _ = write!(words, " for {}", heard.contact);
    }
    match &heard.at {
        Some(at) => {
            let _ = write!(words, " {at}");
        }
        None if how == Row::Ended => words += " without a date, so it has ended",
        None if heard.purpose.is_some() => words += " without a date",
        None => {}
    }
    if let Some(ends) = &heard.ends {
        let _ = write!(words, ", until {ends}");
    }
    words += match heard.counts {
        "superseded" => "; another decision overrules it",
        "later" => "; later than the date judged by",
        "no_word" => "; counts as none",
        _ => "",
    };
    line(text, &format!("{indent}{}: ", heard.place), &words);
}

fn segment(text: &mut String, segment: &SegmentLine) {
    let verdict = segment.verdict.replace('_', " ");
    let lead = format!("  {}: ", segment.segment);
    if segment.verdict == "in_segment" {
        let is_exported = segment.exports.iter().all(|export| export.leaves);
        line(
            text,
            &lead,
            match segment.exports.as_slice() {
                [] => "in; nothing exports it",
                _ if is_exported => "in, and exported",
                _ => "in; another customer who shows the same contact point is exported instead",
            },
        );
        return;
    }
    line(text, &lead, &format!("out, {verdict}"));
    for (at, miss) in segment.would_be_in_if.iter().enumerate() {
        let lead = if at == 0 { "    would be in if " } else { "    and if " };
        line(text, lead, &miss.text);
    }
}
