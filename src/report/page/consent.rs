//! Consent: the states of customers, when grants end, and what became of every decision.

use super::facts::Facts;
use super::parts::{Stack, figures, note, section, stacks, table};
use super::write::Html;

/// The states of a customer for a purpose: class, name, member of the account.
const STATES: [(&str, &str, &str); 5] = [
    ("c-keep", "granted", "granted"),
    ("c-deny", "denied", "denied"),
    ("c-warn", "expired", "expired"),
    ("c-none", "unknown", "unknown"),
    ("c-void", "no contact point", "no_contact_point"),
];

/// When grants end.
const ENDS: [(&str, &str, &str); 4] = [
    ("c-deny", "within 30 days", "days_1_to_30"),
    ("c-warn", "31 to 60 days", "days_31_to_60"),
    ("c-warn2", "61 to 90 days", "days_61_to_90"),
    ("c-keep", "later or never", "later_or_never"),
];

/// What became of decisions.
const DECISIONS: [(&str, &str, &str); 7] = [
    ("c-keep", "used", "used"),
    ("c-merge", "folded", "folded"),
    ("c-void", "no decision", "no_decision"),
    ("c-warn", "unrecognized", "unrecognized"),
    ("c-warn2", "other purpose", "other_purpose"),
    ("c-deny", "unmatchable", "unmatchable"),
    ("c-none", "after as_of", "after_as_of"),
];

type Kind = (&'static str, &'static str, &'static str);

/// Stacked bars and a table of the same figures.
fn sums(
    html: &mut Html,
    (title, caption): (&str, &str),
    (first, whole): (&str, &str),
    kinds: &[Kind],
    rows: &[(String, super::facts::Figure, Facts<'_>)],
) {
    let all: Vec<Stack> = rows
        .iter()
        .map(|(name, whole, of)| Stack {
            name: name.clone(),
            whole: whole.clone(),
            parts: kinds.iter().map(|(class, name, key)| (*class, *name, of.count(key))).collect(),
        })
        .collect();
    stacks(html, title, &all);
    let mut head = vec![first, whole];
    head.extend(kinds.iter().map(|(_, name, _)| *name));
    table(html, caption, &head, |html| {
        for stack in &all {
            let mut cells = vec![stack.whole.clone()];
            cells.extend(stack.parts.iter().map(|part| part.2.clone()));
            figures(html, &stack.name, &cells);
        }
    });
}

/// The states of customers, conflicts, and when grants end.
pub fn purposes(html: &mut Html, account: &Facts<'_>) {
    if !account.has_entries("purposes") {
        return;
    }
    section(html, "consent", "Consent of customers", |html| {
        let purposes: Vec<Facts<'_>> = account.list("purposes").collect();
        let profiles = account.count("profiles");
        let rows: Vec<_> = purposes
            .iter()
            .map(|of| (of.word("purpose").to_owned(), profiles.clone(), of.clone()))
            .collect();
        sums(
            html,
            ("Customers by state of consent, for each purpose", "the five states = all customers"),
            ("purpose", "customers"),
            &STATES,
            &rows,
        );
        let head = ["purpose", "a grant here, a denial there"];
        table(
            html,
            "Conflicts: customers of whom one record says yes and another no",
            &head,
            |html| {
                for of in &purposes {
                    figures(html, of.word("purpose"), &[of.count("conflicting")]);
                }
            },
        );
        html.leaf("h3", &[], "Grants that will end");
        note(
            html,
            "Of the customers who are granted: in how many days from the date of the run their last grant \
             ends, if nobody decides anew. Each customer is counted once.",
        );
        let rows: Vec<_> = purposes
            .iter()
            .map(|of| (of.word("purpose").to_owned(), of.count("granted"), of.part("expiring")))
            .collect();
        sums(
            html,
            ("Granted customers by when their grant ends", "the four = granted"),
            ("purpose", "granted"),
            &ENDS,
            &rows,
        );
    });
}

/// What became of rows of related tables.
const ROWS: [(&str, &str, &str); 4] = [
    ("c-keep", "matched", "matched"),
    ("c-warn", "set aside", "set_aside"),
    ("c-none", "unmatched", "unmatched"),
    ("c-void", "without key", "without_key"),
];

/// What became of every row of the related tables that rules ask.
pub fn related(html: &mut Html, account: &Facts<'_>) {
    if !account.has_entries("related") {
        return;
    }
    section(html, "related", "Related tables", |html| {
        note(
            html,
            "Rows of customers are matched. Those that find only records which stand in no profile are \
             set aside; a key that no record has is unmatched.",
        );
        let tables: Vec<Facts<'_>> = account.list("related").collect();
        let rows: Vec<_> = tables
            .iter()
            .map(|of| (of.word("related").to_owned(), of.count("read"), of.clone()))
            .collect();
        sums(
            html,
            (
                "Rows of each related table by what became of them",
                "rows = matched + set aside + unmatched + without key",
            ),
            ("table", "rows"),
            &ROWS,
            &rows,
        );
        let head = ["table", "matched rows that count for several customers"];
        table(html, "Of these, to look at", &head, |html| {
            for of in &tables {
                figures(html, of.word("related"), &[of.count("of_several")]);
            }
        });
    });
}

/// What became of every decision, and of the entries of suppression lists.
pub fn decisions(html: &mut Html, account: &Facts<'_>) {
    let (tables, lists) = (account.has_entries("consent"), account.has_entries("suppression"));
    if !tables && !lists {
        return;
    }
    section(html, "decisions", "Decisions", |html| {
        if tables {
            note(
                html,
                "Of several decisions on one contact point in one table one is used, the others are folded \
                 into it. Rows without a decision, and words nobody knows, are never a yes.",
            );
            let tables: Vec<Facts<'_>> = account.list("consent").collect();
            let rows: Vec<_> = tables
                .iter()
                .map(|of| (of.word("source").to_owned(), of.count("read"), of.clone()))
                .collect();
            sums(
                html,
                (
                    "Decisions of each consent source by what became of them",
                    "read = the sum of all others",
                ),
                ("source", "read"),
                &DECISIONS,
                &rows,
            );
            let head = ["source", "denials that match nobody", "withdrawn after as_of"];
            table(html, "Of these, to look at", &head, |html| {
                for of in &tables {
                    let cells = ["unmatchable_denials", "withdrawn_after_as_of"];
                    figures(html, of.word("source"), &cells.map(|name| of.count(name)));
                }
            });
        }
        if lists {
            let head = ["list", "entries", "used", "again", "unmatchable", "customers hit"];
            table(html, "Never to be contacted", &head, |html| {
                for of in account.list("suppression") {
                    let cells = ["read", "used", "folded", "unmatchable", "profiles"];
                    figures(html, of.word("source"), &cells.map(|name| of.count(name)));
                }
            });
        }
    });
}
