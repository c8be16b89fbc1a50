//! Measures: a table each, as far as its rows stand in the record.

use serde_json::Value as Json;

use super::facts::Facts;
use super::parts::{note, row, section, table};
use super::write::Html;
use crate::report::layout::number;

/// So many rows of a measure are shown.
const SHOWN: usize = 50;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Values that name the group.
    Group,
    /// How many groups stand in the row together.
    Folded,
    /// A figure.
    Figure,
    /// A share of customers.
    Rate,
}

/// A table for each measure.
pub fn measures(html: &mut Html, record: &Facts<'_>) {
    if !record.has_entries("measures") {
        return;
    }
    let account = record.part("account");
    section(html, "measures", "Measures", |html| {
        note(
            html,
            "Figures of customers by group. Small groups stand in one row, and no figure is made of the values of \
             fewer customers than a measure's smallest group.",
        );
        for (counted, of) in account.list("measures").zip(record.list("measures")) {
            html.tag("article", &[("class", "card")], |html| measure(html, &counted, &of));
        }
    });
}

fn measure(html: &mut Html, counted: &Facts<'_>, of: &Facts<'_>) {
    html.leaf("h3", &[], of.word("name"));
    html.tag("p", &[("class", "note")], |html| whom(html, counted, of));
    if !of.has("rows") {
        note(
            html,
            "Its rows stand in its table alone, because groups of fewer than five customers may be among them.",
        );
        return;
    }
    let kinds: Vec<Kind> = of.list("columns").map(|column| kind(&column)).collect();
    let names: Vec<&str> = of.list("columns").map(|column| column.word("name")).collect();
    let groups = kinds.iter().filter(|kind| **kind == Kind::Group).count();
    let mut head = vec![names.first().filter(|_| groups > 0).copied().unwrap_or("").to_owned()];
    for (kind, name) in kinds.iter().zip(&names).skip(groups.min(1)) {
        match kind {
            Kind::Group => head.push(format!("<{name}")),
            Kind::Folded => {}
            Kind::Figure | Kind::Rate => head.push((*name).to_owned()),
        }
    }
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    table(html, &format!("Figures of {}", of.word("name")), &head, |html| {
        for line in of.list("rows").take(SHOWN) {
            cells(html, &line, &kinds);
        }
    });
    let more = of.list("rows").skip(SHOWN).count();
    let in_table = of.count("only_in_table");
    if more > 0 || in_table.value > 0 {
        html.tag("p", &[("class", "note")], |html| {
            html.text(&format!("{} more rows stand in run.json", number(more as u64)));
            if in_table.value > 0 {
                html.text(", and ");
                html.figure("b", &[], &in_table);
                html.text(" in its table alone");
            }
            html.text(".");
        });
    }
}

/// Whom it counts, and who is left out.
fn whom(html: &mut Html, counted: &Facts<'_>, of: &Facts<'_>) {
    html.text("Of ");
    html.text(of.word("of"));
    html.text(": ");
    html.figure("b", &[], &counted.count("customers"));
    html.text(" of ");
    html.figure("b", &[], &counted.count("profiles"));
    html.text(" customers in ");
    html.figure("b", &[], &counted.count("groups"));
    html.text(" groups; smallest group ");
    html.figure("b", &[], &of.count("smallest_group"));
    let left_out = [
        ("not in the segment", "outside"),
        ("rule false", "rule_false"),
        ("rule unknown", "rule_unknown"),
        ("small groups in one row", "folded_groups"),
        ("customers in that row", "folded_customers"),
        ("figures not shown, of too few values", "hidden"),
    ];
    for (words, name) in left_out {
        let figure = counted.count(name);
        if figure.value > 0 {
            html.text("; ");
            html.figure("b", &[], &figure);
            html.text(&format!(" {words}"));
        }
    }
    html.text(".");
}

fn kind(column: &Facts<'_>) -> Kind {
    match (column.has("figure"), column.holds("rate")) {
        (false, _) if column.word("name") == "folded_groups" => Kind::Folded,
        (false, _) => Kind::Group,
        (true, false) => Kind::Figure,
        (true, true) => Kind::Rate,
    }
}

fn cells(html: &mut Html, line: &Facts<'_>, kinds: &[Kind]) {
    let folded = kinds.iter().position(|kind| *kind == Kind::Folded);
    let folded = folded.map(|at| line.count(&at.to_string())).filter(|of| of.value > 0);
    let is_named = kinds.first() == Some(&Kind::Group);
    let name = |at: usize| match line.cell(&at.to_string()) {
        Json::Null if folded.is_some() => String::new(),
        Json::Null => "no value".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let of = |html: &mut Html| {
        for (at, kind) in kinds.iter().enumerate().skip(usize::from(is_named)) {
            match kind {
                Kind::Group => html.leaf("td", &[("class", "w")], &name(at)),
                Kind::Folded => {}
                Kind::Figure | Kind::Rate => {
                    let pointer = line.pointer_of(&at.to_string());
                    let text = written(line.cell(&at.to_string()), *kind == Kind::Rate);
                    html.leaf("td", &[("class", "n"), ("data-value", &pointer)], &text);
                }
            }
        }
    };
    match &folded {
        Some(folded) => html.tag("tr", &[("class", "sum")], |html| {
            html.tag("th", &[("scope", "row")], |html| {
                html.figure("span", &[], folded);
                html.text(" small groups");
            });
            of(html);
        }),
        None if is_named => row(html, &name(0), of),
        None => row(html, "all", of),
    }
}

/// A figure as people read it: shares in per cent, fractions with two digits or, below 1, with four;
/// nothing where there is none.
fn written(cell: &Json, is_rate: bool) -> String {
    let text = match cell {
        Json::Null => return String::new(),
        // Decimals stand as text.
        Json::String(text) => text.clone(),
        Json::Number(value) => match value.as_f64().filter(|_| value.is_f64()) {
            Some(value) if is_rate => return format!("{:.1} %", value * 100.0),
            Some(value) if value.abs() < 1.0 => format!("{value:.4}"),
            Some(value) => format!("{value:.2}"),
            None => value.to_string(),
        },
        other => other.to_string(),
    };
    let (sign, size) = text.strip_prefix('-').map_or(("", text.as_str()), |size| ("-", size));
    let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
    let Ok(whole) = whole.parse() else { return text };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", number(whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::written;

    #[test]
    fn figures_are_written_for_people() {
        for (cell, text) in [
            (json!(1_234_567), "1,234,567"),
            (json!(-1200), "-1,200"),
            (json!("-1234.50"), "-1,234.50"),
            (json!(283.452_485), "283.45"),
            (json!(0.000_123_4), "0.0001"),
            (json!(-0.5), "-0.5000"),
            (json!(1e300), format!("{:.2}", 1e300).as_str()),
            (json!(null), ""),
        ] {
            assert_eq!(written(&cell, false), text);
        }
        assert_eq!(written(&json!(0.2937), true), "29.4 %");
        assert_eq!(written(&json!(1.0), true), "100.0 %");
    }
}
