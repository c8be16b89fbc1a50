//! Related tables: rows of orders, and what rules ask of them.

use super::consent::matches;
use super::draft::{Field, Ground, Source};
use super::rng::Rng;
use super::segments::condition;
use super::times::{date_cell, datetime_cell};

/// How the names of their sources begin.
pub const SOURCE: &str = "orders_";

/// The section `related`; adds the sources it needs. Empty where there is none.
pub fn yaml(rng: &mut Rng, ground: &mut Ground) -> String {
    if ground.is_plain || !rng.chance(30) {
        return String::new();
    }
    let mut yaml = vec!["related:\n".to_owned()];
    for at in 0..rng.pick(&[1, 1, 1, 2]) {
        let rows = rng.below(30);
        let mut source = Source::new(rng, format!("{SOURCE}{at}"), rows);
        source.add("number", None, |row| Some(format!("o{row}")));
        let tied = matches(rng, ground, &mut source, "");
        source.add("status", None, |_| match rng.below(8) {
            0 => None,
            1 => Some(String::new()),
            2 => Some("Müller".to_owned()),
            _ => Some(rng.word(&["paid", "open", "M 5", "50% a_"])),
        });
        source.add("amount", Some("decimal"), |_| match rng.below(8) {
            0 => None,
            _ => Some(rng.word(&["0.10", "19.99", "-5", "20.5", "12345678901234567.89", "0"])),
        });
        source.add("pieces", Some("int"), |_| match rng.below(8) {
            0 => None,
            1 => Some(rng.word(&["9223372036854775807", "-9223372036854775808"])),
            _ => Some(rng.word(&["1", "2", "3", "50", "100", "-7"])),
        });
        source.add("weight", Some("float"), |_| match rng.below(8) {
            0 => None,
            1 => Some(rng.word(&["1e16", "-1e16", "1e300", "-1e300", "5e-324"])),
            _ => Some(rng.word(&["0.1", "0.2", "1.5", "3", "-2.5", "0.7", "1e-7"])),
        });
        let zone = source.zone();
        source.add("ordered_at", Some("datetime"), |_| datetime_cell(rng, &ground.times, zone));
        source.add("sent_on", Some("date"), |_| date_cell(rng, &ground.times));
        source.add("gift", Some("bool"), |_| match rng.below(6) {
            0 => None,
            1 | 2 => Some("true".to_owned()),
            _ => Some("false".to_owned()),
        });
        let name = format!("buys_{at}");
        yaml.push(format!(
            "  - {{ name: {name}, source: {}, match: {{ {tied} }} }}\n",
            source.name
        ));
        ground.related.push(name);
        ground.sources.push(source);
    }
    yaml.concat()
}

const TYPED: [Field; 6] = [
    Field { name: "status", ty: "text" },
    Field { name: "pieces", ty: "int" },
    Field { name: "weight", ty: "float" },
    Field { name: "ordered_at", ty: "datetime" },
    Field { name: "sent_on", ty: "date" },
    Field { name: "gift", ty: "bool" },
];

/// Which rows count.
fn filter(rng: &mut Rng) -> String {
    let one = |rng: &mut Rng| match rng.below(5) {
        0 => "ordered_at >= as_of - INTERVAL '90' DAY".to_owned(),
        1 => "sent_on > as_of".to_owned(),
        2 => "amount * pieces > 30".to_owned(),
        _ => {
            let field = rng.one_of(&TYPED).clone();
            condition(rng, &field)
        }
    };
    match rng.below(8) {
        0..3 => String::new(),
        3 => format!(" where {} AND {}", one(rng), one(rng)),
        4 => format!(" where NOT ({} OR {})", one(rng), one(rng)),
        _ => format!(" where {}", one(rng)),
    }
}

/// A condition on what the rows of a profile come to.
pub fn rule(rng: &mut Rng, name: &str) -> String {
    let filter = filter(rng);
    let operator = rng.word(&["=", "<>", "<", "<=", ">", ">="]);
    let number = rng.word(&["0", "1", "2", "20.5", "-5", "100", "3.5", "0.3"]);
    let by = rng.word(&["ordered_at", "sent_on", "pieces", "coalesce(sent_on, ordered_at)"]);
    match rng.below(16) {
        0..4 => format!("{name}.count({}) {operator} {}", filter.trim_start(), rng.below(4)),
        4 => format!("{name}.sum(amount{filter}) {operator} {number}"),
        5 => format!("{name}.sum(pieces{filter}) {operator} {number}"),
        6 => format!(
            "{name}.sum({}{filter}) {operator} {number}",
            rng.word(&["weight", "weight * 2", "amount + 1"])
        ),
        7 => {
            let value = rng.word(&["amount", "pieces", "weight", "abs(pieces)"]);
            format!("{name}.avg({value}{filter}) {operator} {number}")
        }
        8 => {
            let value = rng.word(&["amount", "pieces", "weight"]);
            let function = rng.word(&["min", "max"]);
            format!("{name}.{function}({value}{filter}) {operator} {number}")
        }
        9 => format!("days_since({name}.max(ordered_at{filter})) {operator} 90"),
        10 => format!("{name}.min(sent_on{filter}) {operator} as_of"),
        11 => {
            let function = rng.word(&["min", "max"]);
            format!("{name}.{function}(lower(status){filter}) {operator} 'open'")
        }
        12 => format!("{name}.last(status by {by}{filter}) {operator} 'open'"),
        13 => format!("{name}.last(amount by {by}{filter}) {operator} {number}"),
        14 => format!(
            "{name}.last(gift by {by}{filter}) {}",
            rng.word(&["", "IS NOT TRUE", "IS NULL"])
        ),
        _ => format!("{name}.sum(pieces) {operator} {name}.count({})", filter.trim_start()),
    }
}
