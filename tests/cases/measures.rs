//! Measures.

use super::draft::{Ground, list, quoted};
use super::rng::Rng;
use super::segments::rule;

/// The section `measures`; `segments` is the section of segments.
pub fn yaml(rng: &mut Rng, ground: &Ground, segments: &str) -> String {
    let count = rng.below(4);
    if count == 0 {
        return String::new();
    }
    let declared = |at: &usize| segments.contains(&format!("name: segment_{at},"));
    let declared = (0..9).take_while(declared).count();
    let measures: Vec<String> = (0..count).map(|at| measure(rng, ground, declared, at)).collect();
    format!("measures:\n{}", measures.concat())
}

fn measure(rng: &mut Rng, ground: &Ground, segments: usize, at: usize) -> String {
    let mut keys = vec![format!("name: measure_{at}"), format!("path: ../out/measure_{at}.csv")];
    match rng.below(4) {
        0 => keys.push("of: profiles".to_owned()),
        1 => keys.push(format!("of: segment_{}", rng.below(segments))),
        _ => {}
    }
    if rng.chance(35) {
        keys.push(format!("where: {}", quoted(&rule(rng, ground, 1))));
    }
    let states = ground.purposes.iter().map(|purpose| format!("consent_{}", purpose.name));
    let fields =
        ground.fields.iter().filter(|field| field.ty != "float" && is_open(ground, field.name));
    let mut columns: Vec<String> =
        states.chain(fields.map(|field| field.name.to_owned())).collect();
    // Few values, so that groups have several customers.
    columns.extend(
        ["country", "vip"]
            .iter()
            .filter(|name| ground.has_field(name))
            .map(|name| (*name).to_owned()),
    );
    rng.shuffle(&mut columns);
    columns.truncate(rng.pick(&[0, 1, 1, 1, 2, 3]));
    columns.sort();
    columns.dedup();
    rng.shuffle(&mut columns);
    match columns.as_slice() {
        [] => {}
        [one] if rng.chance(50) => keys.push(format!("by: {}", quoted(one))),
        _ => keys.push(format!("by: {}", list(&columns))),
    }
    let figures: Vec<String> = (0..rng.between(1, 6))
        .map(|at| format!("f{at}: {}", quoted(&figure(rng, ground))))
        .collect();
    keys.push(format!("compute: {{ {} }}", figures.join(", ")));
    if rng.chance(85) {
        keys.push(format!("smallest_group: {}", rng.pick(&[1, 1, 2, 2, 3, 4, 7])));
    }
    format!("  - {{ {} }}\n", keys.join(", "))
}

/// True if a field's values are those of no contact point.
fn is_open(ground: &Ground, name: &str) -> bool {
    let contacts = ground.contacts();
    !contacts.contains(&name)
        && ground.tables.iter().all(|table| {
            let column =
                |(field, column): &(&str, String)| (*field == name).then(|| column.clone());
            let Some(column) = table.mapping.iter().find_map(column) else { return true };
            !table.mapping.iter().any(|(field, of)| *of == column && contacts.contains(field))
        })
}

fn figure(rng: &mut Rng, ground: &Ground) -> String {
    let purpose = rng.one_of(&ground.purposes).name;
    let any = rng.one_of(&ground.fields).name;
    let numbers = ["points", "score", "score", "customer_no"];
    let numbers =
        numbers.into_iter().filter(|name| ground.has_field(name) && is_open(ground, name));
    let numbers: Vec<&str> = numbers.collect();
    let amount = if numbers.is_empty() { None } else { Some(rng.pick(&numbers)) };
    let state = rng.word(&["granted", "denied", "expired", "unknown", "no_contact_point"]);
    match (rng.below(10), amount) {
        (0, Some(field)) => format!("avg({field})"),
        (1, Some(field)) => format!("median({field})"),
        (2 | 3, Some(field)) => {
            let share = rng.word(&["0", "0.1", "0.25", "0.333333", "0.9", "1"]);
            format!("quantile({field}, {share})")
        }
        (4 | 5, Some(field)) => format!("sum( {} )", field.to_uppercase()),
        (6, _) => format!("count({any})"),
        (7, _) => format!("consent_rate({purpose}, {state})"),
        (8, _) if state != "no_contact_point" => {
            format!("consent_rate_of_contactable(\"{purpose}\", {state})")
        }
        (8 | 9, _) => format!("consent_count({purpose}, {state})"),
        _ => "count".to_owned(),
    }
}
