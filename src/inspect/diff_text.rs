//! What `optin diff` says, in lines of at most 80 columns; and the file of everybody who joined or left.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::diff::{Diff, Reason, id_text};
use super::past_run::PastRun;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::Verdict;
use crate::output::private_file::{refuse_over, site, write};
use crate::plan::said_date;
use crate::report::{number, wrap, wrap_words};

/// A reason in words: of those who left, and of those who joined.
const fn words(reason: Reason, joined: bool) -> &'static str {
    match (reason, joined) {
        (Reason::Suppressed, false) => "suppressed",
        (Reason::Withdrawn, false) => "withdrawn",
        (Reason::Expired, false) => "expired",
        (Reason::Unknown, false) => "consent unknown",
        (Reason::NoContactPoint, false) => "no contact point",
        (Reason::Rule, false) => "rule",
        (Reason::SetOperation, false) => "set operation",
        (Reason::ControlGroup, false) => "control group",
        (Reason::OverLimit, false) => "over the limit",
        (Reason::Suppressed, true) => "was suppressed",
        (Reason::Withdrawn, true) => "had denied",
        (Reason::Expired, true) => "had expired",
        (Reason::Unknown, true) => "consent was unknown",
        (Reason::NoContactPoint, true) => "had no contact point",
        (Reason::Rule, true) => "rule did not hold",
        (Reason::SetOperation, true) => "was out by set operation",
        (Reason::ControlGroup, true) => "was in the control group",
        (Reason::OverLimit, true) => "was over the limit",
        (Reason::Merged, _) => "merged",
        (Reason::Unmerged, _) => "unmerged",
        (Reason::NewCustomer, _) => "new customer",
        (Reason::GoneCustomer, _) => "gone customer",
    }
}

fn reasons(counts: &BTreeMap<Reason, u64>, joined: bool) -> Vec<String> {
    counts.iter().map(|(reason, n)| format!("{} {}", words(*reason, joined), number(*n))).collect()
}

impl Diff {
    /// The counts in words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let replay = |is: bool| if is { " (replay)" } else { "" };
        let (from, to) = (&self.from, &self.to);
        let title = format!(
            "from the run as of {}{} to the run as of {}{}",
            said_date(&from.as_of),
            replay(from.replay),
            said_date(&to.as_of),
            replay(to.replay)
        );
        wrap_words(&mut text, &format!("{}: ", to.pipeline), title.split(' '));
        let mut parts = vec![format!("{}, then {}", number(from.profiles), number(to.profiles))];
        if self.customers.renamed > 0 {
            parts.push(format!("under another id {}", number(self.customers.renamed)));
        }
        wrap(&mut text, "  customers: ", &parts);
        for (word, by, joined) in
            [("begun", &self.customers.begun, true), ("ended", &self.customers.ended, false)]
        {
            if !by.is_empty() {
                wrap(&mut text, &format!("    {word}: "), &reasons(by, joined));
            }
        }
        for of in &self.segments {
            let title = format!(
                "{}, then {} ({} stayed)",
                number(of.before),
                number(of.after),
                number(of.stayed)
            );
            text.push('\n');
            wrap_words(&mut text, &format!("  {}: ", of.segment), title.split(' '));
            for (word, n, by, joined) in
                [("joined", of.joined, &of.joined_by, true), ("left", of.left, &of.left_by, false)]
            {
                if n > 0 {
                    wrap(&mut text, &format!("    {word} {}: ", number(n)), &reasons(by, joined));
                }
            }
        }
        for (which, names) in [("first", &self.only_in_first), ("second", &self.only_in_second)] {
            if !names.is_empty() {
                text.push('\n');
                wrap(&mut text, &format!("only in the {which} run: "), names);
            }
        }
        for note in &self.notes {
            text.push('\n');
            wrap_words(&mut text, "note: ", note.split(' '));
        }
        text
    }

    /// Writes everybody who joined or left, with the reason, as CSV for its owner only. `runs` are the
    /// two records.
    ///
    /// # Errors
    /// A file that the runs read or wrote, one that is not CSV, one that cannot be written.
    pub fn write(&self, file: &Path, runs: [&Path; 2]) -> Outcome<()> {
        if file.extension().is_none_or(|end| end != "csv") {
            return Err(Diagnostic::error(Code::OutputPath, "the file of changes is CSV")
                .in_file(site(file))
                .help("write to a path that ends in .csv")
                .into());
        }
        for run in runs {
            let why = "this would overwrite a file that one of the runs read or wrote";
            refuse_over(file, why, PastRun::read(run)?.files().into_iter())?;
        }
        write(file, |out| {
            writeln!(out, "segment,change,customer_id,reason,before,after,other_customer_ids")?;
            for change in &self.changes {
                let verdict = |of: Option<Verdict>| of.map_or("", Verdict::name);
                let others: Vec<String> = change.others.iter().map(|id| id_text(*id)).collect();
                writeln!(
                    out,
                    "{},{},{},{},{},{},{}",
                    quoted(&self.segments[change.segment].segment),
                    if change.joined { "joined" } else { "left" },
                    id_text(change.customer),
                    change.reason.name(),
                    verdict(change.before),
                    verdict(change.after),
                    others.join(" "),
                )?;
            }
            Ok(())
        })
    }
}

/// A name as a cell of CSV.
fn quoted(name: &str) -> String {
    let mut cell = String::new();
    if name.contains([',', '"', '\n', '\r']) {
        let _ = write!(cell, "\"{}\"", name.replace('"', "\"\""));
    } else {
        cell.push_str(name);
    }
    cell
}
