//! The answer of `optin forget` in words, in lines of 80 columns where values allow it.

use super::forget::{Forget, Row};
use super::plainly::plainly;
use crate::report::{counted, heading, number, tidy, wrap, wrap_words};

impl Forget {
    /// The answer in words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let who = match &self.customer_id {
            Some(id) => format!("{}, customer {id}", plainly(&self.asked)),
            None => format!("{}, no customer", plainly(&self.asked)),
        };
        line(&mut text, &format!("{}: ", self.pipeline), &who);
        rows(&mut text, "Delete these rows", &self.delete);
        if !self.written.is_empty() {
            heading(&mut text, "Then run the pipeline again: these files hold the person");
        }
        for file in &self.written {
            let rows: Vec<String> = file.rows.iter().map(|row| number(*row)).collect();
            let lead = format!("  {}, {}: row ", file.name, tidy(&file.path));
            wrap(&mut text, &lead, &rows);
        }
        rows(&mut text, "Same contact point, another customer: look who it is", &self.shared_with);
        rows(&mut text, "Keep: these rows prevent contact", &self.suppressed_by);
        if !self.not_read.is_empty() {
            heading(&mut text, "Could not be read: look yourself");
        }
        for file in &self.not_read {
            line(&mut text, &format!("  {}, ", file.name), &tidy(&file.path));
        }
        if !self.not_searched.is_empty() {
            heading(&mut text, "Nothing ties these sources to people: look yourself");
            wrap(&mut text, "  ", &self.not_searched);
        }
        if let Some(entry) = &self.entry {
            heading(&mut text, "Suppression list");
            let words = format!(
                "{} added, {} there before",
                counted(entry.added as u64, "digest"),
                number(entry.there as u64)
            );
            line(&mut text, &format!("  {}: ", tidy(&entry.path)), &words);
            if !entry.is_read {
                line(
                    &mut text,
                    "  ",
                    "the pipeline does not read it: add it to `suppress`, with `hashed: sha256`",
                );
            }
        }
        if !self.files.is_empty() {
            heading(&mut text, "Files (row 1 is the first record, after a header)");
            for of in &self.files {
                line(&mut text, &format!("  {}: ", of.source), &tidy(&of.file));
            }
        }
        text.push_str("\nNothing was deleted: optin edits no source.\n");
        text
    }
}

/// Words behind a lead.
fn line(text: &mut String, lead: &str, words: &str) {
    wrap_words(text, lead, words.split(' '));
}

fn rows(text: &mut String, title: &str, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    heading(text, title);
    for row in rows {
        let by = match row.found_by {
            "record" => "record of the person",
            "equal" => "equal",
            _ => "alike, as a denial takes it",
        };
        let columns = match row.columns.as_slice() {
            [] => String::new(),
            columns => format!(" ({})", columns.join(", ")),
        };
        let words = format!("{}, {by}{columns}", row.holds.join(" and "));
        line(text, &format!("  {}: ", row.place), &words);
    }
}
