//! Segments: who is in, who is out and why, what left, and what segments have in common.

use super::facts::{Facts, Figure};
use super::parts::{bar, cell, figures, note, row, section, share, table};
use super::veil::veiled;
use super::write::Html;

/// Why customers are out, in the order of reasons: class, name, member of the account.
const OUT: [(&str, &str, &str); 10] = [
    ("c-deny", "suppressed", "suppressed"),
    ("c-deny", "denied", "denied"),
    ("c-warn", "expired", "expired"),
    ("c-none", "unknown", "unknown"),
    ("c-void", "no contact point", "no_contact_point"),
    ("c-merge", "rule false", "rule_false"),
    ("c-merge", "rule unknown", "rule_unknown"),
    ("c-warn2", "set operation", "set_operation"),
    ("c-none", "control group", "control_group"),
    ("c-none", "over the limit", "over_limit"),
];

/// More segments than this are not shown as a matrix.
const MATRIX: usize = 16;
/// So many pairs are shown in place of a matrix.
const PAIRS: usize = 60;

/// A waterfall for each segment: from all customers, reason by reason, to those who are in.
pub fn segments(html: &mut Html, record: &Facts<'_>) {
    let account = record.part("account");
    if !account.has_entries("segments") {
        return;
    }
    section(html, "segments", "Segments", |html| {
        note(
            html,
            "From all customers, reason by reason, to those who are in. Whoever is out for several reasons is \
             counted with the first.",
        );
        html.tag("div", &[("class", "cards")], |html| {
            for of in account.list("segments") {
                html.tag("article", &[("class", "card")], |html| segment(html, record, &of));
            }
        });
        if account.has_entries("memberships") {
            history(html, &account);
        }
    });
}

/// What the membership history says of this run.
fn history(html: &mut Html, account: &Facts<'_>) {
    let head = ["segment", "before", "entered", "left", "members now"];
    let caption = "Membership history: before + entered = left + members now";
    table(html, caption, &head, |html| {
        for of in account.list("memberships") {
            let counts = ["before", "entered", "left", "in_segment"].map(|name| of.count(name));
            figures(html, of.word("segment"), &counts);
        }
    });
}

fn segment(html: &mut Html, record: &Facts<'_>, of: &Facts<'_>) {
    let name = of.word("segment");
    html.leaf("h3", &[], name);
    html.tag("p", &[("class", "gate")], |html| match of.words("consent").as_slice() {
        [] => {
            html.leaf("span", &[("class", "tag warn")], "no consent asked");
            html.text(" because: ");
            html.leaf("q", &[], &veiled(of.word("because"), &[]));
        }
        purposes => {
            html.leaf("span", &[("class", "tag")], "consent");
            html.text(" ");
            html.text(&purposes.join(" and "));
        }
    });
    let all = of.count("profiles");
    let caption = format!("Who is in {name}, and why others are not");
    table(html, &caption, &["", "customers", "share", "<of all customers"], |html| {
        let mut left = 1000;
        let line = |html: &mut Html,
                    name: &str,
                    figure: &Figure,
                    class: &str,
                    place: (u64, u64)| {
            row(html, name, |html| {
                cell(html, figure);
                share(html, "td", figure, &all);
                let title =
                    format!("{name}: {} of {}, {}", figure.text(), all.text(), figure.share(&all));
                bar(html, &title, class, place);
            });
        };
        line(html, "all customers", &all, "c-none", (0, if all.value > 0 { 1000 } else { 0 }));
        let mut rest = all.value;
        for (class, reason, key) in OUT {
            let figure = of.count(key);
            if figure.value == 0 {
                continue;
            }
            rest = rest.saturating_sub(figure.value);
            let after = rest.saturating_mul(1000).checked_div(all.value).unwrap_or(0);
            line(html, reason, &figure, class, (after, left - after));
            left = after;
        }
        let inside = of.count("in_segment");
        html.tag("tr", &[("class", "sum")], |html| {
            html.leaf("th", &[("scope", "row")], "in the segment");
            cell(html, &inside);
            share(html, "td", &inside, &all);
            let title = format!(
                "in the segment: {} of {}, {}",
                inside.text(),
                all.text(),
                inside.share(&all)
            );
            bar(html, &title, "c-keep", (0, inside.per_mille(&all)));
        });
    });
    let account = record.part("account");
    let exports: Vec<_> = account
        .list("exports")
        .zip(record.list("exports"))
        .zip(record.list("proof/exports"))
        .filter(|((account, _), _)| account.word("segment") == name)
        .collect();
    for ((counted, written), proof) in exports {
        html.tag("p", &[("class", "note")], |html| {
            html.text("Exported: ");
            html.figure("b", &[], &counted.count("written"));
            html.text(" rows");
            let shared = counted.count("shared_contact_point");
            if shared.value > 0 {
                html.text(", ");
                html.figure("b", &[], &shared);
                html.text(" not written because their contact point had left already");
            }
            html.text("; proved: ");
            html.figure("b", &[], &proof.count("rows"));
            html.text(" rows with ");
            html.figure("b", &[], &proof.count("contact_points"));
            html.text(" contact points. Columns: ");
            html.text(&written.words("columns").join(", "));
            html.text(".");
            if written.has("because") {
                html.text(" Without a gate of their own leave ");
                html.text(&written.words("allowed_columns").join(", "));
                html.text(", because: ");
                html.leaf("q", &[], &veiled(written.word("because"), &[]));
            }
        });
    }
}

/// What each two segments have in common.
pub fn overlaps(html: &mut Html, account: &Facts<'_>) {
    let segments: Vec<Facts<'_>> = account.list("segments").collect();
    if segments.len() < 2 {
        return;
    }
    section(html, "overlaps", "Overlaps", |html| {
        let pairs: Vec<Facts<'_>> = account.list("overlaps").collect();
        if pairs.is_empty() {
            note(html, "Overlaps are counted of up to 100 segments.");
            return;
        }
        if segments.len() > MATRIX {
            largest(html, pairs);
            return;
        }
        note(
            html,
            "Customers who are in both segments; on the diagonal those who are in the one. The darker, the \
             larger the share of the smaller of the two.",
        );
        // The pairs stand in the order of a triangle.
        let pair = |one: usize, two: usize| {
            let (low, high) = (one.min(two), one.max(two));
            let before = low * segments.len() - low * (low + 1) / 2;
            pairs.get(before + high - low - 1)
        };
        let mut head = vec!["segment".to_owned()];
        head.extend((1..=segments.len()).map(|number| number.to_string()));
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        table(html, "Customers in both segments", &head, |html| {
            for (one, of) in segments.iter().enumerate() {
                row(html, &format!("{}  {}", one + 1, of.word("segment")), |html| {
                    for (two, other) in segments.iter().enumerate() {
                        let mine = of.count("in_segment");
                        if one == two {
                            html.figure("td", &[("class", "n own")], &mine);
                        } else if let Some(pair) = pair(one, two) {
                            let both = pair.count("profiles");
                            let theirs = other.count("in_segment");
                            let smaller = if mine.value < theirs.value { mine } else { theirs };
                            html.figure("td", &[("class", shade(&both, &smaller))], &both);
                        }
                    }
                });
            }
        });
    });
}

fn shade(both: &Figure, smaller: &Figure) -> &'static str {
    match both.per_mille(smaller) {
        0 => "n h0",
        1..=199 => "n h1",
        200..=399 => "n h2",
        400..=599 => "n h3",
        600..=799 => "n h4",
        _ => "n h5",
    }
}

/// Of many segments the pairs that have most in common.
fn largest(html: &mut Html, mut pairs: Vec<Facts<'_>>) {
    note(html, "The pairs that have most customers in common; all stand in run.json.");
    pairs.retain(|pair| pair.count("profiles").value > 0);
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.count("profiles").value));
    table(html, "Customers in both segments", &["segments", "customers"], |html| {
        for pair in pairs.iter().take(PAIRS) {
            figures(html, &pair.words("segments").join(" and "), &[pair.count("profiles")]);
        }
    });
}
