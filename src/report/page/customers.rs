//! Records, keys, links and clusters: how customers were made of records.

use super::facts::{Facts, Figure};
use super::parts::{Part, Stack, bar, cell, figures, note, row, section, share, stacks, table};
use super::write::Html;

/// The fates of a record: class, name, member of the account.
const FATES: [(&str, &str, &str); 6] = [
    ("c-keep", "kept", "kept"),
    ("c-merge", "merged", "merged"),
    ("c-warn", "no id", "quarantined_no_id"),
    ("c-warn2", "duplicate id", "quarantined_duplicate_id"),
    ("c-deny", "cluster too large", "quarantined_large_cluster"),
    ("c-none", "dropped", "dropped"),
];

/// What became of the rows of each customer source.
pub fn records(html: &mut Html, account: &Facts<'_>) {
    section(html, "records", "Customer records", |html| {
        note(
            html,
            "Every record read is kept (it gives a customer its name), merged into a customer, set aside \
             for a reason, or dropped because it links to no earlier table.",
        );
        let rows: Vec<Facts<'_>> = account.list("customers").collect();
        let all: Vec<Stack> = rows
            .iter()
            .map(|of| Stack {
                name: of.word("source").to_owned(),
                whole: of.count("read"),
                parts: FATES
                    .iter()
                    .map(|(class, name, key)| (*class, *name, of.count(key)))
                    .collect(),
            })
            .collect();
        stacks(html, "Records of each customer source by what became of them", &all);
        let mut head = vec!["source", "read"];
        head.extend(FATES.iter().map(|(_, name, _)| *name));
        table(html, "read = kept + merged + set aside + dropped", &head, |html| {
            for stack in &all {
                let mut cells = vec![stack.whole.clone()];
                cells.extend(stack.parts.iter().map(|part: &Part| part.2.clone()));
                figures(html, &stack.name, &cells);
            }
        });
        if account.has_entries("keys") {
            let head = ["field", "values", "unusable", "in never"];
            table(html, "Values that were compared", &head, |html| {
                for of in account.list("keys") {
                    let cells = ["values", "unusable", "never"].map(|name| of.count(name));
                    figures(html, of.word("field"), &cells);
                }
            });
        }
    });
}

/// What linked records, and how large customers are.
pub fn links(html: &mut Html, account: &Facts<'_>) {
    section(html, "links", "Links", |html| {
        if account.has_entries("rules") {
            note(
                html,
                "Links of one rule that no other rule makes stand under “alone”: without the rule there \
                 would be so many more customers.",
            );
            let most = account.list("rules").map(|of| of.count("links").value).max().unwrap_or(0);
            let head = [
                "link rule",
                "links",
                "records",
                "alone",
                "largest",
                "blocked",
                "<of the most links",
            ];
            table(html, "Links by rule, the strongest first", &head, |html| {
                for of in account.list("rules") {
                    row(html, of.word("rule"), |html| {
                        for name in ["links", "records", "alone", "largest", "blocked_values"] {
                            cell(html, &of.count(name));
                        }
                        let links = of.count("links");
                        let long = links.value.saturating_mul(1000).checked_div(most).unwrap_or(0);
                        let title = format!("{} links by {}", links.text(), of.word("rule"));
                        bar(html, &title, "c-keep", (0, long));
                    });
                }
            });
        } else {
            note(html, "No link rule: a customer is a record, or several of one id.");
        }
        pairs(html, account);
        clusters(html, account);
        guards(html, account);
        if account.has("previous") {
            let of = account.part("previous");
            let head = ["", "earlier records", "created", "kept", "merged", "split", "ended"];
            table(html, "Customers against the earlier run", &head, |html| {
                let names = ["records", "created", "kept", "merged", "split", "ended"];
                figures(html, "customers", &names.map(|name| of.count(name)));
            });
        }
        if account.has_entries("groupings") {
            let head = ["grouping", "groups", "of several customers", "largest"];
            table(html, "Groupings of customers", &head, |html| {
                for of in account.list("groupings") {
                    let cells = ["groups", "shared", "largest"].map(|name| of.count(name));
                    figures(html, of.word("grouping"), &cells);
                }
            });
        }
    });
}

fn pairs(html: &mut Html, account: &Facts<'_>) {
    if !account.has_entries("pairs") {
        return;
    }
    let names = [
        "read",
        "used",
        "folded",
        "incomplete",
        "unknown_table",
        "unknown_id",
        "same_record",
        "refused",
    ];
    let mut head = vec!["source"];
    head.extend([
        "read",
        "used",
        "again",
        "incomplete",
        "unknown table",
        "unknown id",
        "same record",
        "of the used refused",
    ]);
    table(html, "Pairs of records that somebody named", &head, |html| {
        for of in account.list("pairs") {
            let name = format!("{} ({})", of.word("source"), of.word("kind"));
            figures(html, &name, &names.map(|name| of.count(name)));
        }
    });
}

/// So many sizes of clusters are shown each by itself; larger ones are shown together.
const SIZES: usize = 12;

fn clusters(html: &mut Html, account: &Facts<'_>) {
    let sizes: Vec<Facts<'_>> = account.list("clusters").collect();
    let most = sizes.iter().map(|of| of.count("clusters").value).max().unwrap_or(0);
    let profiles = account.count("profiles");
    let line = |html: &mut Html, name: &str, customers: &Figure| {
        row(html, name, |html| {
            cell(html, customers);
            share(html, "td", customers, &profiles);
            let long = customers.value.saturating_mul(1000).checked_div(most).unwrap_or(0);
            bar(html, &format!("{} customers of {name}", customers.text()), "c-merge", (0, long));
        });
    };
    let head = ["records of one customer", "customers", "share", "<of the most"];
    table(html, "Customers by number of records", &head, |html| {
        for of in sizes.iter().take(SIZES) {
            let records = of.count("records");
            let name = if records.value == 1 { "record" } else { "records" };
            line(html, &format!("{} {name}", records.text()), &of.count("clusters"));
        }
        if sizes.len() > SIZES {
            let rest = super::facts::total(sizes[SIZES..].iter().map(|of| of.count("clusters")));
            let largest = sizes[sizes.len() - 1].count("records").text();
            line(html, &format!("more, up to {largest} records"), &rest);
        }
    });
}

fn guards(html: &mut Html, account: &Facts<'_>) {
    let guards = account.part("guards");
    let large = guards.count("large_clusters");
    if large.value > 0 {
        html.tag("p", &[("class", "note")], |html| {
            html.text("Set aside as too large to be one person: ");
            html.figure("b", &[], &large);
            html.text(" clusters.");
        });
    }
    if guards.has("suggested_max_shared") {
        html.tag("p", &[("class", "note")], |html| {
            html.text("A few values link far more records than all others; they would be cut off by max_shared: ");
            html.figure("b", &[], &guards.count("suggested_max_shared"));
            html.text(".");
        });
    }
}
