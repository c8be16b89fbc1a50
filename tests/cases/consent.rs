//! Purposes, consent tables and suppression lists.

use super::draft::{Ground, PhoneRegion, Purpose, Source, list, quoted};
use super::pools::{Person, Vocabulary, mail_cell, phone_cell, value_cell, vocabulary};
use super::rng::Rng;
use super::times::{Expiry, date_cell, datetime_cell};

use optin::normalize::{Chain, EmailOptions, Region, Step};

const PURPOSES: [&str; 3] = ["newsletter", "Product_Update", "sms"];

/// The section `consent`; adds the sources it needs. `expiries` are the purposes' `expires_after`.
pub fn yaml(rng: &mut Rng, ground: &mut Ground, expiries: &[Option<Expiry>]) -> String {
    let mut yaml = vec!["consent:\n".to_owned()];
    // Written out or left to its default.
    for (key, words) in
        [("conflict", ["strictest", "latest"]), ("denial", ["person", "contact_point"])]
    {
        match rng.below(6) {
            0 | 1 => {}
            2 => yaml.push(format!("  {key}: {}\n", words[0])),
            _ => yaml.push(format!("  {key}: {}\n", words[1])),
        }
    }
    yaml.push("  purposes:\n".to_owned());
    for (at, expiry) in expiries.iter().enumerate() {
        let via = match rng.below(10) {
            0..6 => "email",
            6 if ground.has_field("alt_email") => "alt_email",
            _ => "phone",
        };
        let model = if rng.chance(35) { "opt_out" } else { "opt_in" };
        ground.purposes.push(Purpose { name: PURPOSES[at], via });
        let ends = expiry.map(|expiry| format!(", expires_after: {}", expiry.text));
        yaml.push(format!(
            "    - {{ name: {}, via: {via}, model: {model}{} }}\n",
            PURPOSES[at],
            ends.unwrap_or_default()
        ));
    }
    let tables = tables(rng, ground);
    if !tables.is_empty() {
        yaml.push(format!("  tables:\n{}", tables.concat()));
    }
    let lists = suppressions(rng, ground);
    if !lists.is_empty() {
        yaml.push(format!("  suppress:\n{}", lists.concat()));
    }
    yaml.concat()
}

fn tables(rng: &mut Rng, ground: &mut Ground) -> Vec<String> {
    let mut entries = Vec::new();
    let mut left = 80;
    for at in 0..rng.between(1, 4) {
        if rng.chance(25) {
            let table = rng.below(ground.tables.len());
            entries.push(in_customer_table(rng, ground, table, at));
            continue;
        }
        let rows = rng.below(25).min(left);
        left -= rows;
        let mut source = Source::new(rng, format!("consent_{at}"), rows);
        source.add("row", None, |row| Some(format!("r{row}")));
        entries.push(own_table(rng, ground, &mut source, ""));
        if rng.chance(25) {
            entries.push(own_table(rng, ground, &mut source, " again"));
        }
        ground.sources.push(source);
    }
    entries
}

/// A consent table on a source of its own. `mark` keeps the columns of two tables on one source
/// apart.
fn own_table(rng: &mut Rng, ground: &Ground, source: &mut Source, mark: &str) -> String {
    let mut keys = vec![format!("source: {}", source.name)];
    keys.push(format!("match: {{ {} }}", matches(rng, ground, source, mark)));
    decided(rng, ground, source, mark, &mut keys);
    format!("    - {{ {} }}\n", keys.join(", "))
}

/// A consent table in a customer table, with or without a `match`.
fn in_customer_table(rng: &mut Rng, ground: &mut Ground, table: usize, at: usize) -> String {
    let index = ground.tables[table].source;
    let mut source = ground.sources[index].clone();
    let mut keys = vec![format!("source: {}", source.name)];
    let column_of = |field: &str| {
        let mapping = &ground.tables[table].mapping;
        mapping.iter().find(|(name, _)| *name == field).map(|(_, column)| column.clone())
    };
    let mut matches = Vec::new();
    if let Some(column) = column_of("email").filter(|_| rng.chance(75)) {
        matches.push(format!("email: {}", quoted(&column)));
    }
    if let Some(column) = column_of("phone").filter(|_| rng.chance(45)) {
        let region = match (ground.phone_region, column_of("country")) {
            (PhoneRegion::Country, Some(country)) => Some(("region_column", country)),
            (PhoneRegion::Country, None) => Some(("region", "US".to_owned())),
            _ => None,
        };
        matches.push(phone_match(&column, region.as_ref().map(|(key, text)| (*key, text))));
    }
    if !matches.is_empty() {
        keys.push(format!("match: {{ {} }}", matches.join(", ")));
    }
    decided(rng, ground, &mut source, &format!(" here {at}"), &mut keys);
    ground.sources[index] = source;
    format!("    - {{ {} }}\n", keys.join(", "))
}

/// Adds the columns that say what was decided and when, and the keys that name them.
fn decided(
    rng: &mut Rng,
    ground: &Ground,
    source: &mut Source,
    mark: &str,
    keys: &mut Vec<String>,
) {
    let own = vocabulary(rng);
    if rng.chance(60) {
        wide(rng, ground, source, mark, &own, keys);
    } else {
        long(rng, ground, source, mark, &own, keys);
    }
    if !own.denied.is_empty() {
        let granted = match own.granted.as_slice() {
            [] => String::new(),
            words => format!("granted: {}, ", list(words)),
        };
        keys.push(format!("words: {{ {granted}denied: {} }}", list(&own.denied)));
    }
    let column = format!("decided at{mark}");
    let zone = source.zone();
    match rng.below(10) {
        0..2 => {}
        2..5 => {
            source.add(&column, Some("date"), |_| date_cell(rng, &ground.times));
            keys.push(format!("at: {}", quoted(&column)));
        }
        _ => {
            source.add(&column, Some("datetime"), |_| datetime_cell(rng, &ground.times, zone));
            keys.push(format!("at: {}", quoted(&column)));
        }
    }
    keys.push("unmatchable: report".to_owned());
}

fn wide(
    rng: &mut Rng,
    ground: &Ground,
    source: &mut Source,
    mark: &str,
    own: &Vocabulary,
    keys: &mut Vec<String>,
) {
    let mut purposes: Vec<&Purpose> = ground.purposes.iter().collect();
    rng.shuffle(&mut purposes);
    let count = rng.between(1, purposes.len());
    let mut values = Vec::new();
    for purpose in &purposes[..count] {
        let column = format!("{}, consent{mark}", purpose.name);
        // A table with own words may turn `true` around, so it has no columns of bools.
        if own.denied.is_empty() && rng.chance(20) {
            source.add(&column, Some("bool"), |_| match rng.below(10) {
                0 => None,
                1..4 => Some("false".to_owned()),
                _ => Some("true".to_owned()),
            });
        } else {
            source.add(&column, None, |_| value_cell(rng, own, ground.denials));
        }
        values.push(format!("{}: {}", purpose.name, quoted(&column)));
    }
    keys.push(format!("values: {{ {} }}", values.join(", ")));
}

fn long(
    rng: &mut Rng,
    ground: &Ground,
    source: &mut Source,
    mark: &str,
    own: &Vocabulary,
    keys: &mut Vec<String>,
) {
    let (purpose, value) = (format!("purpose{mark}"), format!("status{mark}"));
    source.add(&purpose, None, |_| {
        let name = rng.one_of(&ground.purposes).name;
        match rng.below(20) {
            0 => None,
            1 => Some(rng.word(&["", " "])),
            2 | 3 => Some(rng.word(&["post", "news letter", "newsletters"])),
            4 => Some(name.to_uppercase()),
            5 => Some(format!(" {} ", name.to_lowercase())),
            _ => Some(name.to_owned()),
        }
    });
    source.add(&value, None, |_| value_cell(rng, own, ground.denials));
    keys.push(format!("purpose: {}, value: {}", quoted(&purpose), quoted(&value)));
}

/// Adds the columns that a `match` reads and gives what stands in it.
pub(super) fn matches(rng: &mut Rng, ground: &Ground, source: &mut Source, mark: &str) -> String {
    let persons: Vec<Person> =
        (0..source.rows.len()).map(|_| rng.one_of(&ground.people).clone()).collect();
    let mut matches = Vec::new();
    // Which of the four ways; more than one in a row is common, each of them alone too.
    let ways = rng.pick(&[0b0001, 0b0001, 0b0010, 0b0011, 0b0011, 0b0100, 0b0101, 0b0110, 0b1001]);
    if ways & 0b0001 != 0 {
        let column = format!("mail{mark}");
        source.add(&column, None, |row| mail_cell(rng, &ground.people, &persons[row]));
        matches.push(format!("email: {}", quoted(&column)));
    }
    if ways & 0b1000 != 0 && ground.has_field("alt_email") {
        let column = format!("other mail{mark}");
        source.add(&column, None, |row| mail_cell(rng, &ground.people, &persons[row]));
        matches.push(format!("alt_email: {}", quoted(&column)));
    }
    if ways & 0b0010 != 0 {
        let column = format!("tel{mark}");
        source.add(&column, None, |row| phone_cell(rng, &ground.people, &persons[row]));
        let needed = ground.phone_region == PhoneRegion::Country;
        let region = match rng.below(4) {
            _ if ground.is_plain => None,
            0 => Some(("region", rng.word(&["DE", "US", "GB"]))),
            1 => {
                let beside = format!("tel country{mark}");
                source.add(&beside, None, |row| match rng.below(5) {
                    0 => Some(rng.word(&["", "DE", "us", "XX"])),
                    1 => None,
                    _ => Some(persons[row].country.to_owned()),
                });
                Some(("region_column", beside))
            }
            _ if needed => Some(("region", "DE".to_owned())),
            _ => None,
        };
        matches.push(phone_match(&column, region.as_ref().map(|(key, text)| (*key, text))));
    }
    if ways & 0b0100 != 0 {
        let table = rng.one_of(&ground.tables);
        let known = ground.sources[table.source].cells(&table.id);
        let name = &ground.sources[table.source].name;
        let column = format!("of record{mark}");
        source.add(&column, None, |_| match rng.below(20) {
            0 => None,
            1 => Some(rng.word(&["", " ", "Z99"])),
            _ if known.is_empty() => Some("Z99".to_owned()),
            _ => rng.one_of(&known).clone(),
        });
        matches.push(format!("record: {{ {name}: {} }}", quoted(&column)));
    }
    matches.join(", ")
}

fn phone_match(column: &str, region: Option<(&str, &String)>) -> String {
    match region {
        None => format!("phone: {}", quoted(column)),
        Some((key, text)) => {
            format!("phone: {{ column: {}, {key}: {} }}", quoted(column), quoted(text))
        }
    }
}

/// Columns of digests, as `optin forget` and others make them, and the match that reads them.
fn digests(rng: &mut Rng, ground: &Ground, source: &mut Source) -> String {
    let mail = Chain::new(vec![Step::Email(EmailOptions::default())]);
    let phone = Chain::new(vec![Step::Phone]);
    let persons: Vec<Person> =
        (0..source.rows.len()).map(|_| rng.one_of(&ground.people).clone()).collect();
    let digest = |rng: &mut Rng, chain: &Chain, cell: Option<String>| {
        let cell = cell?;
        let region = Region::parse(&rng.word(&["DE", "US", "XX"]));
        let Some(loose) = chain.apply_loose(&cell, region) else { return Some(cell) };
        let shas = loose.entry_digests();
        let hex = optin::plan::hex(rng.one_of(&shas).as_slice());
        Some(match rng.below(12) {
            0 => hex.to_uppercase(),
            1 => format!(" {hex} "),
            2 => hex[1..].to_owned(),
            _ => hex,
        })
    };
    let mut matches = Vec::new();
    let ways = rng.pick(&[1, 1, 2, 3]);
    if ways & 1 != 0 {
        source.add("mail sha", None, |row| {
            let cell = mail_cell(rng, &ground.people, &persons[row]);
            digest(rng, &mail, cell)
        });
        matches.push("email: { column: \"mail sha\", hashed: sha256 }");
    }
    if ways & 2 != 0 {
        source.add("tel sha", None, |row| {
            let cell = phone_cell(rng, &ground.people, &persons[row]);
            digest(rng, &phone, cell)
        });
        matches.push("phone: { column: \"tel sha\", hashed: sha256 }");
    }
    matches.join(", ")
}

fn suppressions(rng: &mut Rng, ground: &mut Ground) -> Vec<String> {
    let mut entries = Vec::new();
    // Few and short: a list that hits everybody hides all other verdicts.
    for at in 0..rng.pick(&[0, 0, 1, 1, 2]) {
        let rows = rng.below(5);
        let mut source = Source::new(rng, format!("blocked_{at}"), rows);
        source.add("reason", None, |_| Some("bounced".to_owned()));
        let mut keys = vec![format!("source: {}", source.name)];
        let matches = if !ground.is_plain && rng.chance(40) {
            digests(rng, ground, &mut source)
        } else {
            matches(rng, ground, &mut source, "")
        };
        keys.push(format!("match: {{ {matches} }}"));
        match rng.below(7) {
            0 | 1 => {}
            2 => keys.push("channels: all".to_owned()),
            3 => keys.push(format!("channels: {}", list(&ground.contacts()))),
            _ => keys.push(format!("channels: [{}]", rng.pick(&ground.contacts()))),
        }
        keys.push("unmatchable: report".to_owned());
        entries.push(format!("    - {{ {} }}\n", keys.join(", ")));
        ground.sources.push(source);
    }
    entries
}
