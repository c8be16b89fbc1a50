//! Sources of pairs of records that are, or are not, one customer.

use super::draft::{Ground, Source, quoted};
use super::rng::Rng;

/// A record that a pair may name: its table, its id, and what links it to others.
#[derive(Clone)]
struct Known {
    table: usize,
    id: String,
    mail: Option<String>,
}

/// Four cells: table and id of the one, table and id of the other.
type Row = [Option<String>; 4];

/// The keys `always` and `never`, each in some cases; adds their sources.
pub fn yaml(rng: &mut Rng, ground: &mut Ground) -> String {
    let known = known(ground);
    let mut yaml = Vec::new();
    // What was to be one customer is what `never` then speaks of, to pull at the same chains.
    let mut before: Vec<Row> = Vec::new();
    for (kind, sources, chance) in
        [("always", ["same_0", "same_1"], 50), ("never", ["apart_0", "apart_1"], 50)]
    {
        if !rng.chance(chance) {
            continue;
        }
        let mut entries = Vec::new();
        for name in &sources[..if rng.chance(20) { 2 } else { 1 }] {
            let rows = rows(rng, ground, &known, &before);
            entries.push(source(rng, ground, name, &rows));
            if kind == "always" {
                before.extend(rows);
            }
        }
        yaml.push(format!("  {kind}:\n{}", entries.concat()));
    }
    yaml.concat()
}

fn known(ground: &Ground) -> Vec<Known> {
    let mut known = Vec::new();
    for (at, table) in ground.tables.iter().enumerate() {
        let source = &ground.sources[table.source];
        let ids = source.cells(&table.id);
        let column = table.mapping.iter().find(|(field, _)| *field == "email");
        let mails = column.map_or_else(|| vec![None; ids.len()], |(_, name)| source.cells(name));
        for (id, mail) in ids.into_iter().zip(mails) {
            if let Some(id) = id.filter(|id| !id.trim().is_empty()) {
                known.push(Known { table: at, id, mail });
            }
        }
    }
    known
}

fn rows(rng: &mut Rng, ground: &Ground, known: &[Known], before: &[Row]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..rng.below(9) {
        let row = match rng.below(20) {
            _ if known.is_empty() => [(); 4].map(|()| Some("nobody".to_owned())),
            0 if !rows.is_empty() => rows[rng.below(rows.len())].clone(),
            1 if !rows.is_empty() => {
                let [one, two, three, four] = rows[rng.below(rows.len())].clone();
                [three, four, one, two]
            }
            2..9 if !before.is_empty() => {
                // The ends of two other pairs: with luck those of a chain.
                let [one, two, ..] = before[rng.below(before.len())].clone();
                let [.., three, four] = before[rng.below(before.len())].clone();
                [one, two, three, four]
            }
            9 => {
                let one = rng.one_of(known);
                let first = [table_cell(rng, ground, one), id_cell(rng, one)];
                let [table, id] = first;
                [table, id, table_cell(rng, ground, one), Some(one.id.clone())]
            }
            _ => {
                let one = rng.one_of(known).clone();
                // Half of them with somebody of the same mail, as rules will have linked them.
                let same =
                    known.iter().filter(|other| one.mail.is_some() && other.mail == one.mail);
                let same: Vec<&Known> = same.filter(|other| other.id != one.id).collect();
                let other = if same.is_empty() || rng.chance(50) {
                    rng.one_of(known)
                } else {
                    rng.pick(&same)
                };
                let (one_table, one_id) = (table_cell(rng, ground, &one), id_cell(rng, &one));
                [one_table, one_id, table_cell(rng, ground, other), id_cell(rng, other)]
            }
        };
        rows.push(row);
    }
    rows
}

/// How a row names a table: by its source, by its namespace, or by nothing that is known.
fn table_cell(rng: &mut Rng, ground: &Ground, of: &Known) -> Option<String> {
    let table = &ground.tables[of.table];
    let source = &ground.sources[table.source].name;
    match rng.below(40) {
        0 => None,
        1 => Some(rng.word(&["", " "])),
        2 | 39 => Some(rng.word(&["nowhere", "Contacts", "same_0"])),
        3..6 => Some(format!(" {source} ")),
        6..18 => Some(table.namespace.clone().unwrap_or_else(|| source.clone())),
        _ => Some(source.clone()),
    }
}

fn id_cell(rng: &mut Rng, of: &Known) -> Option<String> {
    match rng.below(40) {
        0 => None,
        1 => Some(rng.word(&["", "\t"])),
        2 => Some("Z99".to_owned()),
        // Ids are compared as they stand, so this is another one.
        3 => Some(format!("{} ", of.id)),
        _ => Some(of.id.clone()),
    }
}

/// Adds a source of pairs and gives its entry.
fn source(rng: &mut Rng, ground: &mut Ground, name: &str, rows: &[Row]) -> String {
    let mut source = Source::new(rng, name.to_owned(), rows.len());
    let plain = rng.chance(60);
    let mut keys = vec![format!("source: {name}")];
    let mut columns: Vec<(usize, &str)> =
        ["table1", "key1", "table2", "key2"].into_iter().enumerate().collect();
    rng.shuffle(&mut columns);
    for (at, key) in columns {
        let column = if plain { key.to_owned() } else { format!("{key} of pair") };
        source.add(&column, None, |row| rows[row][at].clone());
        if !plain {
            keys.push(format!("{key}: {}", quoted(&column)));
        }
    }
    ground.sources.push(source);
    format!("    - {{ {} }}\n", keys.join(", "))
}
