//! Segments, their rules, and exports.

use super::draft::{Field, Ground, list, quoted};
use super::rng::Rng;

/// A segment and what an export of it needs to know.
struct Draft {
    name: String,
    yaml: String,
    /// Fields that its gate covers; none for `consent: none`.
    covered: Option<Vec<&'static str>>,
}

/// The sections `segments`, `outputs` and `exports`. Tells how many exports there are.
pub fn yaml(rng: &mut Rng, ground: &Ground) -> (String, usize) {
    let mut drafts: Vec<Draft> = Vec::new();
    for at in 0..rng.between(2, 6) {
        let draft = segment(rng, ground, &drafts, at);
        drafts.push(draft);
    }
    // A segment may stand before those it refers to.
    rng.shuffle(&mut drafts);
    let mut yaml = vec!["segments:\n".to_owned()];
    yaml.extend(drafts.iter().map(|draft| draft.yaml.clone()));
    yaml.push("outputs:\n".to_owned());
    for table in ["profiles", "identity", "quarantine", "segments", "provenance"] {
        yaml.push(format!("  {table}: ../out/{table}.csv\n"));
    }
    let count = rng.below(4);
    if count > 0 {
        yaml.push("exports:\n".to_owned());
    }
    for at in 0..count {
        let draft = rng.one_of(&drafts);
        yaml.push(export(rng, ground, draft, at));
    }
    (yaml.concat(), count)
}

fn segment(rng: &mut Rng, ground: &Ground, before: &[Draft], at: usize) -> Draft {
    let name = format!("segment_{at}");
    let mut keys = vec![format!("name: {name}")];
    let covered = if rng.chance(20) {
        keys.push("consent: none".to_owned());
        keys.push("because: \"contract notice, GDPR Art. 6(1)(b)\"".to_owned());
        None
    } else {
        let mut purposes: Vec<_> = ground.purposes.iter().collect();
        rng.shuffle(&mut purposes);
        let most = purposes.len().min(2);
        purposes.truncate(rng.between(1, most));
        let names: Vec<&str> = purposes.iter().map(|purpose| purpose.name).collect();
        keys.push(format!("consent: {}", list(&names)));
        Some(purposes.iter().map(|purpose| purpose.via).collect())
    };
    if rng.chance(60) {
        keys.push(format!("where: {}", quoted(&rule(rng, ground, 2))));
    }
    for operation in ["union", "intersect", "except"] {
        if before.is_empty() || !rng.chance(22) {
            continue;
        }
        let count = rng.between(1, 2);
        let mut members: Vec<&str> = (0..count).map(|_| rng.one_of(before).name.as_str()).collect();
        members.dedup();
        keys.push(format!("{operation}: [{}]", members.join(", ")));
    }
    Draft { name, yaml: format!("  - {{ {} }}\n", keys.join(", ")), covered }
}

fn export(rng: &mut Rng, ground: &Ground, draft: &Draft, at: usize) -> String {
    let contacts = ground.contacts();
    let mut keys =
        vec![format!("segment: {}", draft.name), format!("path: ../out/export_{at}.csv")];
    if rng.chance(15) {
        // The default: customer_id and the gate's contact fields.
        return format!("  - {{ {} }}\n", keys.join(", "));
    }
    let mut columns = Vec::new();
    let mut uncovered = Vec::new();
    for field in &ground.fields {
        let is_contact = contacts.contains(&field.name);
        let is_covered = draft.covered.as_ref().is_none_or(|via| via.contains(&field.name));
        let wanted = if is_contact && !is_covered { 15 } else { 50 };
        if rng.chance(wanted) {
            columns.push(field.name.to_owned());
            if is_contact && !is_covered {
                uncovered.push(field.name);
            }
        }
    }
    for purpose in &ground.purposes {
        if rng.chance(30) {
            columns.push(format!("consent_{}", purpose.name));
        }
    }
    columns.extend(ground.columns.iter().filter(|_| rng.chance(40)).cloned());
    rng.shuffle(&mut columns);
    columns.insert(rng.below(columns.len() + 1), "customer_id".to_owned());
    keys.push(format!("columns: {}", list(&columns)));
    if !uncovered.is_empty() {
        keys.push(format!("allow_columns: {}", list(&uncovered)));
        keys.push("because: \"the call centre has a contract\"".to_owned());
    }
    format!("  - {{ {} }}\n", keys.join(", "))
}

/// A random predicate over the profile; null comes up in every kind of it.
pub(super) fn rule(rng: &mut Rng, ground: &Ground, depth: usize) -> String {
    if depth > 0 && rng.chance(55) {
        let left = rule(rng, ground, depth - 1);
        return match rng.below(5) {
            0 => format!("NOT ({left})"),
            1 | 2 => format!("({left}) AND ({})", rule(rng, ground, depth - 1)),
            _ => format!("({left}) OR ({})", rule(rng, ground, depth - 1)),
        };
    }
    if rng.chance(22) {
        let purpose = rng.one_of(&ground.purposes).name;
        return match rng.below(5) {
            4 => format!("consent.{purpose} IS NOT TRUE"),
            0 => format!("consent.{purpose} = TRUE"),
            1 => format!("NOT consent.{purpose}"),
            2 => format!("consent.{purpose} = FALSE"),
            _ => format!("consent.{purpose}"),
        };
    }
    if rng.chance(12) {
        let mut pairs = PAIRS.to_vec();
        pairs.retain(|(fields, _)| fields.iter().all(|field| ground.has_field(field)));
        if !pairs.is_empty() {
            return rng.pick(&pairs).1.to_owned();
        }
    }
    let field = rng.one_of(&ground.fields);
    condition(rng, field)
}

/// Conditions over several fields, and the fields they need.
const PAIRS: [(&[&str], &str); 8] = [
    (&["points", "score"], "points > score"),
    (&["points", "customer_no"], "points - customer_no BETWEEN 0 AND 100"),
    (&["birth_date", "updated_at"], "birth_date + INTERVAL '36' YEAR < updated_at"),
    (&["first_name", "last_name"], "lower(first_name) <> trim(last_name)"),
    (&["country", "first_name"], "country IN (first_name, 'DE')"),
    (&["country", "last_name"], "'O''Neil' NOT IN (country, last_name)"),
    (&["first_name", "last_name", "country"], "coalesce(first_name, last_name, country) > 'K'"),
    (&["email", "phone"], "phone IS NULL OR NOT email = phone AND length(email) > 9"),
];

fn condition(rng: &mut Rng, field: &Field) -> String {
    let name = field.name;
    if rng.chance(12) {
        return format!("{name} {}", rng.word(&["IS NULL", "IS NOT NULL"]));
    }
    let operator = rng.word(&["=", "<>", "<", "<=", ">", ">="]);
    match (name, field.ty) {
        ("email" | "alt_email", _) => match rng.below(3) {
            0 => format!("{name} LIKE '%@example.com'"),
            1 => format!("{name} ILIKE '%@G%mail.com%'"),
            _ => format!("length({name}) {operator} 16"),
        },
        ("phone", _) => match rng.below(3) {
            0 => "phone LIKE '+%'".to_owned(),
            1 => "trim(phone) NOT LIKE '0%'".to_owned(),
            _ => "phone LIKE '_49%'".to_owned(),
        },
        ("country", _) => match rng.below(5) {
            0 => "country = 'DE'".to_owned(),
            1 => "country IN ('DE', 'us')".to_owned(),
            2 => "country NOT IN ('DE', 'us')".to_owned(),
            3 => "upper(trim(country)) IN ('DE', 'US')".to_owned(),
            _ => format!("country {operator} 'GB'"),
        },
        (_, "text") => match rng.below(6) {
            0 => format!("{name} LIKE 'M%'"),
            1 => format!("{name} LIKE '50\\% %\\_'"),
            2 => format!("{name} ILIKE '%mü_ler%'"),
            3 => format!("lower({name}) = 'müller'"),
            4 => format!("coalesce({name}, 'anna') {operator} 'anna'"),
            _ => format!("length(trim({name})) {operator} 5"),
        },
        (_, "int") => match rng.below(8) {
            0 => format!("{name} BETWEEN 50 AND 100"),
            1 => format!("{name} NOT BETWEEN 0 AND 100"),
            2 => format!("{name} + 1 > 100"),
            3 => format!("{name} * 2 - 1 {operator} 199"),
            4 => format!("{name} / 0 > 1"),
            5 => format!("coalesce({name}, 0) {operator} 100"),
            6 => format!("abs({name}) IN (7, 100)"),
            _ => format!("{name} {operator} 100"),
        },
        (_, "float") => match rng.below(6) {
            0 => format!("{name} / 2 {operator} 0.75"),
            1 => format!("round({name}, 1) {operator} 0.3"),
            2 => format!("round({name}) = 3"),
            3 => format!("abs({name}) > 2"),
            4 => format!("{name} / ({name} - 1.5) > 1"),
            _ => format!("{name} {operator} 1.5"),
        },
        (_, "bool") => match rng.below(6) {
            4 => format!("{name} IS NOT FALSE"),
            5 => format!("{name} IS TRUE"),
            0 => name.to_owned(),
            1 => format!("{name} = TRUE"),
            2 => format!("NOT {name}"),
            _ => format!("{name} <> TRUE"),
        },
        (_, "date") => match rng.below(6) {
            0 => format!("{name} {operator} DATE '2008-11-24'"),
            1 => format!("year({name}) = 1990"),
            2 => format!("month({name}) IN (2, 11) AND day({name}) > 24"),
            3 => format!("days_since({name}) {operator} 6574"),
            4 if rng.chance(50) => format!("{name} + INTERVAL '1' MONTH {operator} '1984-03-29'"),
            4 => format!("{name} - INTERVAL '10' DAY {operator} DATE '2008-11-14'"),
            _ => format!("{name} BETWEEN DATE '1970-01-01' AND DATE '2008-11-24'"),
        },
        (_, "datetime") => match rng.below(5) {
            0 => format!("{name} {operator} TIMESTAMP '2026-01-31 12:00:00'"),
            1 => format!("year({name}) >= 2026"),
            2 => format!("days_since({name}) {operator} {}", rng.pick(&[0, 0, -1, 365])),
            3 if rng.chance(50) => {
                format!("{name} - INTERVAL '1' YEAR {operator} TIMESTAMP '2025-02-28 00:00:00'")
            }
            3 => {
                format!("{name} + INTERVAL '90' MINUTE {operator} TIMESTAMP '2026-03-01 00:00:00'")
            }
            _ => format!("{name} {operator} DATE '2026-01-31'"),
        },
        (_, other) => panic!("no conditions for {other}"),
    }
}
