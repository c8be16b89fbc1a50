//! Customer tables and keys.

use super::draft::{Field, Ground, PhoneRegion, Source, Table, list, quoted};
use super::pools::{
    NEVER_MAIL, NEVER_PHONE, Person, birth_date, id_cell, mail_cell, misspelt, phone_cell,
};
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
        Field { name: "street", ty: "text" },
        Field { name: "postal_code", ty: "text" },
        Field { name: "city", ty: "text" },
        Field { name: "customer_no", ty: "int" },
        Field { name: "updated_at", ty: updated_at },
    ];
    let chance = |name: &str| match name {
        "customer_no" if ground.is_rich => 35,
        "alt_email" | "customer_no" => 25,
        "street" | "city" | "postal_code" if ground.is_rich => 80,
        "street" | "city" | "postal_code" => 10,
        _ => 100,
    };
    let wanted: Vec<&Field> = all.iter().filter(|field| rng.chance(chance(field.name))).collect();

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
            let often = matches!(field.name, "email" | "phone" | "last_name" | "postal_code");
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
        let drops = ground.is_rich && at > 0 && rng.chance(30);
        let namespace = None;
        ground.tables.push(Table { source: ground.sources.len(), id, mapping, namespace, drops });
        ground.sources.push(source);
    }
    namespaces(rng, ground);
}

/// Gives some tables a namespace of their own.
fn namespaces(rng: &mut Rng, ground: &mut Ground) {
    let names: Vec<String> = ground.names_of_tables().into_iter().map(str::to_owned).collect();
    if ground.is_rich && names.len() > 1 && rng.chance(8) {
        // Each has the name of another one's source, which tells whether names or namespaces count.
        let count = names.len();
        for (at, table) in ground.tables.iter_mut().enumerate() {
            table.namespace = Some(names[(at + 1) % count].clone());
        }
        return;
    }
    for (table, name) in ground.tables.iter_mut().zip(&names) {
        table.namespace = rng.chance(12).then(|| format!("{name} before"));
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
        "last_name" if rng.chance(10) => Some(rng.word(&["", "  ", "!", "N/A", "50% Off_"])),
        "last_name" | "first_name" if ground.is_rich && rng.chance(30) => {
            let name = if field == "last_name" { person.last_name } else { person.first_name };
            Some(misspelt(rng, name))
        }
        "last_name" => Some(match rng.below(4) {
            0 => person.last_name.to_lowercase(),
            1 => format!(" {}", person.last_name),
            _ => person.last_name.to_owned(),
        }),
        "first_name" => Some(person.first_name.to_owned()),
        // What differs where all else is equal.
        "birth_date" if ground.is_rich && rng.chance(20) => Some(birth_date(rng)),
        "birth_date" => Some(person.birth_date.to_owned()),
        "street" if ground.is_rich && rng.chance(15) => Some(misspelt(rng, person.address.0)),
        "street" => Some(person.address.0.to_owned()),
        "postal_code" => Some(person.address.1.to_owned()),
        "city" => Some(person.address.2.to_owned()),
        "points" if ty == "float" => Some(rng.word(&["0.5", "100", "100.25", "-7.0"])),
        "points" => Some(rng.word(&["0", "99", "100", "101", "1000", "-7", "9223372036854775807"])),
        "score" if !ground.is_plain && rng.chance(30) => Some(rng.word(&["0.1", "0.7", "-0.3"])),
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

/// The sections `keys` and `customers`.
pub fn yaml(rng: &mut Rng, ground: &Ground) -> String {
    let mut yaml = vec![keys(rng, ground), "customers:\n".to_owned()];
    for table in &ground.tables {
        let source = &ground.sources[table.source];
        let fields: Vec<String> = table
            .mapping
            .iter()
            .map(|(field, column)| format!("{field}: {}", quoted(column)))
            .collect();
        let namespace = match &table.namespace {
            Some(namespace) => format!(", namespace: {}", quoted(namespace)),
            None => String::new(),
        };
        let unmatched = match (table.drops, rng.below(6)) {
            (true, _) => ", unmatched: drop",
            (false, 0) => ", unmatched: keep",
            (false, _) => "",
        };
        yaml.push(format!(
            "  - {{ source: {}, id: {}, fields: {{ {} }}{namespace}{unmatched} }}\n",
            source.name,
            quoted(&table.id),
            fields.join(", ")
        ));
    }
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
        _ if ground.is_plain => "email".to_owned(),
        PhoneRegion::None => "phone".to_owned(),
        PhoneRegion::Fixed(region) => format!("{{ phone: {{ region: {region} }} }}"),
        PhoneRegion::Country => "{ phone: { region_field: country } }".to_owned(),
    };
    let never_phone = if ground.is_plain { NEVER_MAIL } else { NEVER_PHONE };
    let never: &[&str] = if rng.chance(75) { &[never_phone] } else { &[] };
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
