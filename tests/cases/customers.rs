//! Customer tables, keys, link rules and survivorship.

use super::draft::{Field, Ground, PhoneRegion, Source, Table, list, quoted};
use super::pools::{NEVER_MAIL, NEVER_PHONE, Person, id_cell, mail_cell, phone_cell};
use super::rng::Rng;
use super::times::{date_cell, datetime_cell};

/// Adds the customer tables and the fields they map.
pub fn tables(rng: &mut Rng, ground: &mut Ground) {
    let updated_at = if rng.chance(85) { "datetime" } else { "date" };
    let all = [
        Field { name: "email", ty: "text" },
        Field { name: "phone", ty: "text" },
        Field { name: "alt_email", ty: "text" },
        Field { name: "first_name", ty: "text" },
        Field { name: "last_name", ty: "text" },
        Field { name: "birth_date", ty: "date" },
        Field { name: "points", ty: "int" },
        Field { name: "score", ty: "float" },
        Field { name: "vip", ty: "bool" },
        Field { name: "country", ty: "text" },
        Field { name: "customer_no", ty: "int" },
        Field { name: "updated_at", ty: updated_at },
    ];
    let rare = |name: &str| matches!(name, "alt_email" | "customer_no");
    let wanted: Vec<&Field> =
        all.iter().filter(|field| rng.chance(if rare(field.name) { 25 } else { 100 })).collect();

    let count = rng.between(1, 3);
    // Between one table of all and several small ones.
    let most = 60 / count;
    for at in 0..count {
        let rows = if at > 0 && rng.chance(8) { 0 } else { rng.between(2, most.min(24)) };
        let name = ["contacts", "loyalty", "shop"][at].to_owned();
        let mut source = Source::new(rng, name, rows);
        let plain_names = rng.chance(50);
        let id = if plain_names { "id" } else { "Row Id" }.to_owned();
        let mut mapping = Vec::new();
        // Which person each row is about.
        let persons: Vec<Person> = (0..rows).map(|_| rng.one_of(&ground.people).clone()).collect();

        let mut ids: Vec<Option<String>> = Vec::new();
        let missing = rng.pick(&[0, 0, 10, 30]);
        for row in 0..rows {
            let id = id_cell(rng, &ids, row, missing);
            ids.push(id);
        }
        source.add(&id, None, |row| ids[row].clone());
        let points_as_float = at > 0 && rng.chance(10);
        for field in &wanted {
            // Purposes go via mail and phone, so the first table has them; each table has a field.
            let always = match field.name {
                "email" | "phone" | "country" => at == 0,
                "updated_at" => mapping.is_empty(),
                _ => false,
            };
            let often = matches!(field.name, "email" | "phone" | "last_name");
            if !always && !rng.chance(if often { 88 } else { 65 }) {
                continue;
            }
            let column = if plain_names {
                field.name.to_owned()
            } else {
                format!("{} of {}", field.name, source.name)
            };
            let ty = if field.name == "points" && points_as_float { "float" } else { field.ty };
            let declared = (ty != "text").then_some(ty);
            let zone = source.zone();
            source.add(&column, declared, |row| {
                field_cell(rng, ground, field.name, ty, zone, &persons[row])
            });
            mapping.push((field.name, column));
        }
        if rng.chance(30) {
            source.add("note", None, |_| Some(rng.word(&["a, b", "two\nlines", "\"x\"", "; |"])));
        }
        rng.shuffle(&mut mapping);
        for (name, _) in &mapping {
            let field = all.iter().find(|field| field.name == *name).expect("one of the fields");
            if !ground.has_field(name) {
                ground.fields.push(field.clone());
            }
        }
        if points_as_float && mapping.iter().any(|(name, _)| *name == "points") {
            let points = ground.fields.iter_mut().find(|field| field.name == "points");
            points.expect("points is mapped").ty = "float";
        }
        ground.tables.push(Table { source: ground.sources.len(), id, mapping });
        ground.sources.push(source);
    }
}

fn field_cell(
    rng: &mut Rng,
    ground: &Ground,
    field: &str,
    ty: &str,
    zone: &str,
    person: &Person,
) -> Option<String> {
    match field {
        "email" => mail_cell(rng, &ground.people, person),
        "phone" => phone_cell(rng, &ground.people, person),
        "alt_email" => {
            let other =
                Person { mails: person.mails.iter().rev().cloned().collect(), ..person.clone() };
            if rng.chance(30) { None } else { mail_cell(rng, &ground.people, &other) }
        }
        "updated_at" if ty == "date" => date_cell(rng, &ground.times),
        "updated_at" => datetime_cell(rng, &ground.times, zone),
        _ if rng.chance(15) => None,
        "first_name" if rng.chance(10) => Some(rng.word(&["", " ", "\"Q\"", "-1"])),
        "first_name" => Some(person.first_name.to_owned()),
        "last_name" if rng.chance(10) => Some(rng.word(&["", "  ", "!", "N/A", "50% Off_"])),
        "last_name" => Some(match rng.below(4) {
            0 => person.last_name.to_lowercase(),
            1 => format!(" {}", person.last_name),
            _ => person.last_name.to_owned(),
        }),
        "birth_date" => Some(person.birth_date.to_owned()),
        "points" if ty == "float" => Some(rng.word(&["0.5", "100", "100.25", "-7.0"])),
        "points" => Some(rng.word(&["0", "99", "100", "101", "1000", "-7", "9223372036854775807"])),
        "score" => Some(rng.word(&["0", "0.25", "1.5", "-2.75", "2.5", "3.125", "1e3"])),
        "vip" => Some(rng.word(&["true", "false"])),
        "country" => Some(if rng.chance(10) {
            rng.word(&["", " ", "XX", "AT"])
        } else {
            person.country.into()
        }),
        "customer_no" => Some(if rng.chance(20) {
            format!("0{}", person.customer_no)
        } else {
            person.customer_no.to_string()
        }),
        other => panic!("no values for {other}"),
    }
}

/// The sections `keys`, `customers`, `identity` and `profile`.
pub fn yaml(rng: &mut Rng, ground: &Ground) -> String {
    let mut yaml = vec![keys(rng, ground), "customers:\n".to_owned()];
    for table in &ground.tables {
        let source = &ground.sources[table.source];
        let fields: Vec<String> = table
            .mapping
            .iter()
            .map(|(field, column)| format!("{field}: {}", quoted(column)))
            .collect();
        let namespace = match rng.below(8) {
            0 => format!(", namespace: {}", quoted(&format!("{} before", source.name))),
            _ => String::new(),
        };
        yaml.push(format!(
            "  - {{ source: {}, id: {}, fields: {{ {} }}{namespace} }}\n",
            source.name,
            quoted(&table.id),
            fields.join(", ")
        ));
    }
    yaml.push(identity(rng, ground));
    let keep = match rng.below(4) {
        1 if ground.has_field("updated_at") => "{ most_recent: updated_at }",
        2 if ground.has_field("updated_at") => "{ least_recent: updated_at }",
        3 => "most_filled",
        _ => return yaml.concat(),
    };
    yaml.push(format!("profile:\n  keep: {keep}\n"));
    yaml.concat()
}

fn keys(rng: &mut Rng, ground: &Ground) -> String {
    let mut entries = Vec::new();
    let mut entry = |field: &str, normalize: &str, never: &[&str]| {
        let never = match never {
            [] => String::new(),
            some => format!(", never: {}", list(some)),
        };
        entries.push(format!("  - {{ field: {field}, normalize: {normalize}{never} }}\n"));
    };
    let email = [
        "email",
        "email",
        "email",
        "{ email: { plus_tag: drop } }",
        "{ email: { plus_tag: drop, gmail_dots: drop } }",
    ];
    let never: &[&str] = if rng.chance(75) { &[NEVER_MAIL] } else { &[] };
    entry("email", rng.pick(&email), never);
    if ground.has_field("alt_email") {
        entry("alt_email", "email", &[]);
    }
    let phone = match ground.phone_region {
        PhoneRegion::None => "phone".to_owned(),
        PhoneRegion::Fixed(region) => format!("{{ phone: {{ region: {region} }} }}"),
        PhoneRegion::Country => "{ phone: { region_field: country } }".to_owned(),
    };
    let never: &[&str] = if rng.chance(75) { &[NEVER_PHONE] } else { &[] };
    entry("phone", &phone, never);
    for (field, chain) in [
        ("last_name", "[lower, unaccent, strip_symbols]"),
        ("first_name", "[trim, lower]"),
        ("country", "[trim, lower]"),
    ] {
        if ground.has_field(field) && rng.chance(60) {
            let never: &[&str] =
                if field == "last_name" && rng.chance(20) { &["Straße", "Nguyen"] } else { &[] };
            entry(field, chain, never);
        }
    }
    format!("keys:\n{}", entries.concat())
}

/// Link rules: none to three, of one field or two.
fn identity(rng: &mut Rng, ground: &Ground) -> String {
    let mut rules: Vec<Vec<&str>> = vec![
        vec!["email"],
        vec!["phone"],
        vec!["phone", "last_name"],
        vec!["email", "first_name"],
        vec!["birth_date", "last_name"],
        vec!["customer_no"],
        vec!["alt_email"],
        vec!["last_name", "first_name", "birth_date"],
        vec!["vip", "last_name", "country"],
    ];
    rules.retain(|rule| rule.iter().all(|field| ground.has_field(field)));
    rng.shuffle(&mut rules);
    let count = rng.below(4);
    rules.truncate(count);
    if rules.is_empty() {
        return String::new();
    }
    let lines: Vec<String> =
        rules.iter().map(|rule| format!("    - [{}]\n", rule.join(", "))).collect();
    format!("identity:\n  link_on:\n{}", lines.concat())
}
