//! Link rules, exceptions, limits, survivorship and groupings.

use super::draft::{Ground, list};
use super::pairs;
use super::previous;
use super::rng::Rng;

/// Similarities at which a letter more or less turns a pair of short names around.
const THRESHOLDS: [&str; 10] =
    ["0.8", "0.8", "0.75", "0.75", "0.5", "0.6666666666666666", "0.667", "0.6", "0.9", "1.0"];

/// Rules of equal fields.
const EXACT: [&[&str]; 11] = [
    &["email"],
    &["phone"],
    &["phone", "last_name"],
    &["email", "first_name"],
    &["birth_date", "last_name"],
    &["customer_no"],
    &["alt_email"],
    &["last_name", "first_name", "birth_date"],
    &["vip", "last_name", "country"],
    &["postal_code", "last_name"],
    &["email", "postal_code"],
];

/// Rules that compare some fields by similarity, those behind the bar.
const FUZZY: [(&[&str], &[&str]); 8] = [
    (&["postal_code"], &["last_name"]),
    (&["postal_code"], &["last_name", "first_name"]),
    (&["birth_date"], &["last_name"]),
    (&["country", "vip"], &["last_name"]),
    (&["postal_code"], &["email"]),
    (&["last_name"], &["phone"]),
    (&["birth_date"], &["customer_no"]),
    (&["email"], &["street"]),
];

/// The sections `identity`, `profile` and `groupings`; adds the sources that `identity` needs.
pub fn yaml(rng: &mut Rng, ground: &mut Ground) -> String {
    let mut yaml = vec![identity(rng, ground)];
    yaml.push(profile(rng, ground));
    if ground.is_rich && !ground.is_plain && rng.chance(30) {
        yaml.push(groupings(rng, ground));
    }
    yaml.concat()
}

fn identity(rng: &mut Rng, ground: &mut Ground) -> String {
    let mut yaml: Vec<String> = Vec::new();
    let count = rng.below(4);
    let rules: Vec<String> = rules(rng, ground, count, true);
    if !rules.is_empty() {
        yaml.push(format!("  link_on:\n{}", rules.concat()));
    }
    if ground.is_rich {
        let fields = ["birth_date", "birth_date", "customer_no", "country", "first_name", "email"];
        let mut fields: Vec<&str> =
            fields.into_iter().filter(|field| ground.has_field(field)).collect();
        rng.shuffle(&mut fields);
        // What would split a customer ends a job of SQL.
        let chance = if ground.is_plain { 4 } else { 45 };
        if !fields.is_empty() && rng.chance(chance) {
            let mut taken = fields[..rng.between(1, fields.len().min(2))].to_vec();
            taken.dedup();
            yaml.push(format!("  unless_different: {}\n", list(&taken)));
        }
        if !ground.is_plain || rng.chance(8) {
            yaml.push(pairs::yaml(rng, ground));
        }
        if rng.chance(40) {
            yaml.push(format!("  max_cluster: {}\n", rng.between(2, 5)));
        }
        if rng.chance(25) {
            yaml.push(format!("  max_shared: {}\n", rng.between(2, 4)));
        }
        if !ground.is_plain {
            yaml.push(previous::yaml(rng, ground));
        }
    }
    let yaml = yaml.concat();
    if yaml.is_empty() { yaml } else { format!("identity:\n{yaml}") }
}

/// Lines of link rules, at most so many. Those of groupings compare profiles and know no `only`.
fn rules(rng: &mut Rng, ground: &Ground, count: usize, of_records: bool) -> Vec<String> {
    let has_all = |fields: &[&str]| fields.iter().all(|field| ground.has_field(field));
    let mut exact: Vec<&[&str]> = EXACT.into_iter().filter(|fields| has_all(fields)).collect();
    let mut fuzzy: Vec<_> =
        FUZZY.into_iter().filter(|(equal, alike)| has_all(equal) && has_all(alike)).collect();
    rng.shuffle(&mut exact);
    rng.shuffle(&mut fuzzy);
    let mut lines = Vec::new();
    for _ in 0..count {
        let similar = ground.is_rich && rng.chance(45);
        let conditions: Vec<String> = match (similar, fuzzy.pop(), exact.pop()) {
            (true, Some((equal, alike)), _) => {
                let similar = |field: &&str| {
                    format!("{{ field: {field}, similarity: {} }}", rng.pick(&THRESHOLDS))
                };
                let alike: Vec<String> = alike.iter().map(similar).collect();
                equal.iter().map(|field| (*field).to_owned()).chain(alike).collect()
            }
            (_, _, Some(fields)) => fields.iter().map(|field| (*field).to_owned()).collect(),
            _ => break,
        };
        let on = format!("[{}]", conditions.join(", "));
        let tables: Vec<&str> = ground.names_of_tables();
        lines.push(if of_records && ground.is_rich && rng.chance(20) {
            // One table links within itself; two link across, and within each.
            let mut only = tables;
            rng.shuffle(&mut only);
            only.truncate(rng.between(1, only.len().min(2)));
            format!("    - {{ on: {on}, only: {} }}\n", list(&only))
        } else if let [field] = conditions.as_slice() {
            // Several fields without lists would be read as one rule as well.
            let field = if rng.chance(50) && count == 1 { field.clone() } else { on };
            format!("    - {field}\n")
        } else {
            format!("    - {on}\n")
        });
    }
    lines
}

/// A way to keep.
fn keep(rng: &mut Rng, ground: &Ground) -> String {
    let dated = ["updated_at", "updated_at", "birth_date", "points"];
    let is_ordered = |field: &&str| {
        ground.fields.iter().any(|known| known.name == *field && known.ty != "float")
    };
    let dated: Vec<&str> = dated.into_iter().filter(is_ordered).collect();
    match rng.below(6) {
        0 => "importance".to_owned(),
        1 | 2 if !dated.is_empty() => format!("{{ most_recent: {} }}", rng.pick(&dated)),
        3 if !dated.is_empty() => format!("{{ least_recent: {} }}", rng.pick(&dated)),
        _ => "most_filled".to_owned(),
    }
}

fn profile(rng: &mut Rng, ground: &Ground) -> String {
    let mut yaml: Vec<String> = Vec::new();
    if rng.chance(75) {
        let of_all = match rng.below(3) {
            0 => "most_filled".to_owned(),
            // As it was before there were other policies.
            1 if ground.has_field("updated_at") => {
                rng.word(&["{ most_recent: updated_at }", "{ least_recent: updated_at }"])
            }
            _ if ground.is_rich => keep(rng, ground),
            _ => "most_filled".to_owned(),
        };
        yaml.push(format!("  keep: {of_all}\n"));
    }
    if ground.is_rich {
        let mut free: Vec<&str> = ground.fields.iter().map(|field| field.name).collect();
        let groups: [&[&str]; 4] = [
            &["street", "city", "postal_code"],
            &["first_name", "last_name"],
            &["phone", "country"],
            &["email", "points", "vip"],
        ];
        let mut lines = Vec::new();
        for group in groups {
            let fields: Vec<&str> =
                group.iter().copied().filter(|field| ground.has_field(field)).collect();
            if fields.is_empty() || !rng.chance(22) {
                continue;
            }
            free.retain(|field| !fields.contains(field));
            lines.push(match rng.below(3) {
                0 => format!("    - [{}]\n", fields.join(", ")),
                1 => format!("    - {{ fields: [{}] }}\n", fields.join(", ")),
                _ => {
                    let own = keep(rng, ground);
                    format!("    - {{ fields: [{}], keep: {own} }}\n", fields.join(", "))
                }
            });
        }
        if !lines.is_empty() {
            yaml.push(format!("  groups:\n{}", lines.concat()));
        }
        rng.shuffle(&mut free);
        let own: Vec<String> = free
            .into_iter()
            .take(rng.pick(&[0, 0, 1, 3]))
            .map(|field| format!("    {field}: {}\n", keep(rng, ground)))
            .collect();
        if !own.is_empty() {
            yaml.push(format!("  fields:\n{}", own.concat()));
        }
    }
    let yaml = yaml.concat();
    if yaml.is_empty() { yaml } else { format!("profile:\n{yaml}") }
}

fn groupings(rng: &mut Rng, ground: &mut Ground) -> String {
    let mut yaml = Vec::new();
    for name in &["household", "Firm of"][..rng.between(1, 2)] {
        let count = rng.between(1, 2);
        let rules = rules(rng, ground, count, false);
        if !rules.is_empty() {
            yaml.push(format!("  - name: {name}\n    link_on:\n{}", rules.concat()));
            ground.columns.push((*name).to_owned());
        }
    }
    let yaml = yaml.concat();
    if yaml.is_empty() { yaml } else { format!("groupings:\n{yaml}") }
}
