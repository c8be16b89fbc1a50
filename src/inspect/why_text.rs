//! The answer of `optin why` in words, in lines of 80 columns where values allow it.

use std::fmt::Write as _;

use super::why::{ContactLine, FieldLine, Heard, Person, SegmentLine, Why};
use crate::report::{heading, wrap_words};

impl Why {
    /// The answer in words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}, as of {}\n", self.pipeline, self.asked, self.as_of);
        if self.customers.is_empty() {
            text += "\nNo record of a customer table has it.\n";
            if self.heard_of_nobody.is_empty() {
                text += "No consent table and no suppression list speaks of it either.\n";
            }
            for heard in &self.heard_of_nobody {
                row(&mut text, "  ", heard);
            }
        }
        for customer in &self.customers {
            person(&mut text, customer);
        }
        if self.more > 0 {
            let _ = writeln!(text, "\n{} more customers meet the question.", self.more);
        }
        text
    }
}

fn person(text: &mut String, person: &Person) {
    let records = match person.records_in_all {
        1 => "1 record".to_owned(),
        n => format!("{n} records"),
    };
    match &person.customer_id {
        Some(id) => heading(text, &format!("Customer {id}, {records}")),
        None => heading(text, &format!("No customer: {}, {records}", person.fate)),
    }
    for record in &person.records {
        let id = record.id.as_ref().map_or("without an id".to_owned(), |id| format!("id {id}"));
        let again = if record.duplicate_id { "; set aside, as another has its id" } else { "" };
        let lead = format!("  {}, {id}: ", record.place);
        wrap_words(text, &lead, format!("{}{again}", record.linked_by).split(' '));
        if person.fields.is_empty() {
            pairs(text, "values", &record.values);
        }
        pairs(text, "compared as", &record.keys);
    }
    if !person.fields.is_empty() {
        heading(text, "Shows");
        shows(text, &person.fields);
    }
    if !person.purposes.is_empty() {
        heading(text, "Consent");
    }
    for purpose in &person.purposes {
        let _ = writeln!(text, "  {}: {}", purpose.purpose, purpose.state);
        purpose.contacts.iter().for_each(|line| contact(text, line));
    }
    if !person.suppressed_by.is_empty() {
        heading(text, "On suppression lists");
        person.suppressed_by.iter().for_each(|heard| row(text, "  ", heard));
    }
    if !person.segments.is_empty() {
        heading(text, "Segments");
        person.segments.iter().for_each(|line| segment(text, line));
    }
}

fn pairs(text: &mut String, lead: &str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    let parts: Vec<String> = pairs.iter().map(|(name, value)| format!("{name} {value}")).collect();
    crate::report::wrap(text, &format!("    {lead}: "), &parts);
}

/// What the profile shows, by the records that it is from.
fn shows(text: &mut String, fields: &[FieldLine]) {
    let mut left: Vec<&FieldLine> = fields.iter().collect();
    while let Some(first) = left.first().copied() {
        let (these, others) =
            left.into_iter().partition(|of| (&of.from, &of.why) == (&first.from, &first.why));
        let these: Vec<&FieldLine> = these;
        left = others;
        let value = |of: &&FieldLine| match &of.value {
            Some(value) => format!("{} {value}", of.field),
            None => of.field.clone(),
        };
        let parts: Vec<String> = these.iter().map(value).collect();
        let Some(place) = &first.from else {
            crate::report::wrap(text, &format!("  nothing ({}): ", first.why), &parts);
            continue;
        };
        wrap_words(text, "  ", format!("from {place}, {}:", first.why).split(' '));
        crate::report::wrap(text, "    ", &parts);
        for of in these {
            for (place, other) in &of.others {
                let _ = writeln!(text, "    not {} {other} ({place})", of.field);
            }
        }
    }
}

fn contact(text: &mut String, contact: &ContactLine) {
    let aside = if contact.own { "" } else { " (grants do not count here, denials may)" };
    let _ = writeln!(text, "    {}: {}{aside}", contact.contact, contact.comes_to);
    for heard in &contact.decisions {
        row(text, "      ", heard);
    }
}

fn row(text: &mut String, indent: &str, heard: &Heard) {
    let mut line = heard.says.to_owned();
    if let (Some(purpose), true) = (&heard.purpose, indent.len() < 4) {
        let _ = write!(line, " for {purpose}");
    }
    match &heard.at {
        Some(at) => {
            let _ = write!(line, " {at}");
        }
        None if heard.purpose.is_some() => line += ", no date",
        None => {
            let _ = write!(line, " ({})", heard.contact);
        }
    }
    if let Some(why) = heard.counts_not {
        let _ = write!(line, "; does not count: {why}");
    }
    wrap_words(text, &format!("{indent}{}: ", heard.place), line.split(' '));
}

fn segment(text: &mut String, segment: &SegmentLine) {
    let verdict = segment.verdict.replace('_', " ");
    if segment.verdict == "in_segment" {
        let exported = match segment.leaves.as_slice() {
            [] => "; nothing exports it",
            all if all.iter().all(|leaves| *leaves) => ", and exported",
            _ => "; another customer who shows the same contact point is exported instead",
        };
        wrap_words(text, &format!("  {}: in", segment.segment), exported.split(' '));
        return;
    }
    let _ = writeln!(text, "  {}: out, {verdict}", segment.segment);
    for (at, condition) in segment.would_be_in_if.iter().enumerate() {
        let lead = if at == 0 { "    would be in if " } else { "    and if " };
        wrap_words(text, lead, condition.split(' '));
    }
}
