//! Random pipelines with their data, one for each seed.
//!
//! A case exercises what `docs/semantics.md` speaks of: shared and almost equal contact points,
//! missing and duplicate ids, near-equal names, pairs and exceptions that pull at the same chains,
//! customers of an earlier run, all shapes of consent, times at which rules turn. It is small, so
//! that one can read it when the engine and the oracle differ. The same seed gives the same case
//! until the generator itself is changed.

mod consent;
pub mod csv;
mod customers;
mod draft;
mod identity;
mod measures;
mod pairs;
mod plain;
mod pools;
mod previous;
pub mod rng;
mod segments;
mod times;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use draft::{Ground, PhoneRegion, Source, Table};
use optin::plan::Instant;
use rng::Rng;

use crate::oracle::RawTable;

/// Where the pipeline file lies in a case's folder.
const PIPELINE: &str = "pipeline/case.yaml";
/// How the ids of strangers begin.
pub const STRANGER: &str = "a stranger";
/// What stands before the name of a source that was renamed.
pub const RENAMED: &str = "renamed_";

/// A pipeline with its data.
#[derive(Clone, Debug)]
pub struct Case {
    /// The pipeline file.
    pub yaml: String,
    /// The data files: path relative to the case's folder, and content.
    pub files: Vec<(String, String)>,
    /// The cells of the data files, by source name.
    pub tables: BTreeMap<String, RawTable>,
    /// The date of the run, as the YAML gives it.
    pub as_of: Instant,
    /// How many exports there are.
    pub exports: usize,
    sources: Vec<Source>,
    customers: Vec<Table>,
}

/// The case of a seed.
pub fn generate(seed: u64) -> Case {
    draw(seed, false)
}

/// The plain case of a seed: one that SQL can say. All its texts are ASCII, phones are mails, and
/// nothing in it splits a customer, groups profiles or speaks of an earlier run, or seldom. It has
/// few people and few instants, so that contact points are shared, and decisions conflict and tie.
pub fn generate_plain(seed: u64) -> Case {
    draw(seed, true)
}

fn draw(seed: u64, is_plain: bool) -> Case {
    let mut rng = Rng::new(seed);
    let date = times::run_date(&mut rng);
    let expiries: Vec<_> = (0..rng.between(1, 3)).map(|_| times::expiry(&mut rng)).collect();
    let known: Vec<_> = expiries.iter().copied().flatten().collect();
    let count = if is_plain { rng.between(2, 9) } else { rng.between(3, 16) };
    let is_rich = rng.chance(65);
    let mut ground = Ground {
        people: pools::people(&mut rng, count, is_rich),
        times: times::times(&mut rng, date.micros, &known),
        sources: Vec::new(),
        fields: Vec::new(),
        phone_region: rng.pick(&[
            PhoneRegion::None,
            PhoneRegion::None,
            PhoneRegion::Fixed("DE"),
            PhoneRegion::Fixed("US"),
            PhoneRegion::Country,
            PhoneRegion::Country,
        ]),
        tables: Vec::new(),
        purposes: Vec::new(),
        columns: Vec::new(),
        is_rich,
        is_plain,
        denials: rng.pick(&[3, 8, 20, 45]),
    };
    if is_plain {
        plain::begin(&mut ground);
    }
    customers::tables(&mut rng, &mut ground);
    let customers = customers::yaml(&mut rng, &ground);
    let identity = identity::yaml(&mut rng, &mut ground);
    let consent = consent::yaml(&mut rng, &mut ground, &expiries);
    let (segments, exports) = segments::yaml(&mut rng, &ground);
    let measures = if is_plain {
        // SQL cannot say them.
        String::new()
    } else {
        measures::yaml(&mut rng, &ground, &segments)
    };
    let sources: String = ground.sources.iter().map(Source::yaml).collect();
    let mut yaml = format!(
        "version: 1\nname: case_{seed}\nas_of: {}\nsources:\n{sources}{customers}{identity}{consent}\
         {measures}{segments}",
        date.text
    );
    if is_plain {
        yaml = plain::ascii(&yaml);
        plain::end(&mut ground.sources);
    }
    Case::new(yaml, Instant(date.micros), exports, ground.sources, ground.tables)
}

impl Case {
    fn new(
        yaml: String,
        as_of: Instant,
        exports: usize,
        sources: Vec<Source>,
        customers: Vec<Table>,
    ) -> Self {
        let tables: BTreeMap<String, RawTable> = sources
            .iter()
            .map(|source| {
                let columns = source.columns.iter().map(|column| column.name.clone()).collect();
                (source.name.clone(), RawTable { columns, rows: source.rows.clone() })
            })
            .collect();
        let files = sources
            .iter()
            .map(|source| {
                let text = csv::write(&tables[&source.name], &source.look);
                (format!("data/{}.csv", source.name), text)
            })
            .collect();
        Self { yaml, files, tables, as_of, exports, sources, customers }
    }

    /// The same pipeline on the same rows in another order.
    pub fn shuffle(&self, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut sources = self.sources.clone();
        for source in &mut sources {
            rng.shuffle(&mut source.rows);
        }
        self.with(sources)
    }

    /// The same pipeline with two more records in each customer table, which have nothing in
    /// common with anybody. Their ids begin with [`STRANGER`].
    pub fn with_strangers(&self) -> Self {
        let mut sources = self.sources.clone();
        let mut number = 1000;
        for table in &self.customers {
            let source = &mut sources[table.source];
            for _ in 0..2 {
                number += 1;
                let row = source.columns.iter().map(|column| {
                    if column.name == table.id {
                        return Some(format!("{STRANGER} {number}"));
                    }
                    let mut mapping = table.mapping.iter();
                    let field = mapping.find(|(_, mapped)| *mapped == column.name)?.0;
                    stranger_cell(field, number)
                });
                let row: Vec<Option<String>> = row.collect();
                source.rows.insert(source.rows.len() / 2, row);
            }
        }
        self.with(sources)
    }

    /// The same pipeline with some of its rows twice. What an earlier run wrote stays: there each
    /// record has one row.
    pub fn with_rows_twice(&self, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut sources = self.sources.clone();
        for source in sources.iter_mut().filter(|source| source.is_declared) {
            let again: Vec<_> = source.rows.iter().filter(|_| rng.chance(50)).cloned().collect();
            source.rows.extend(again);
            rng.shuffle(&mut source.rows);
        }
        self.with(sources)
    }

    /// The same pipeline on sources of other names. Customer tables keep their old name as their
    /// namespace; those that have another one stay as they are, for pairs may speak of their name.
    pub fn renamed(&self) -> Self {
        let mut sources = self.sources.clone();
        let mut yaml = self.yaml.clone();
        for (at, source) in sources.iter_mut().enumerate().filter(|(_, source)| source.is_declared)
        {
            let mut of_source = self.customers.iter().filter(|table| table.source == at);
            if of_source.any(|table| table.namespace.is_some()) {
                continue;
            }
            let old = std::mem::take(&mut source.name);
            let new = format!("{RENAMED}{old}");
            let places = [
                (
                    format!("- {{ source: {old}, id:"),
                    format!("- {{ source: {new}, namespace: {old}, id:"),
                ),
                (format!("name: {old},"), format!("name: {new},")),
                (format!("source: {old},"), format!("source: {new},")),
                (format!("source: {old} }}"), format!("source: {new} }}")),
                (format!("record: {{ {old}: "), format!("record: {{ {new}: ")),
                (format!("\"../data/{old}.csv\""), format!("\"../data/{new}.csv\"")),
                // In the list of a rule's `only`.
                (format!("\"{old}\""), format!("\"{new}\"")),
            ];
            for (before, after) in places {
                yaml = yaml.replace(&before, &after);
            }
            source.name = new;
        }
        Self::new(yaml, self.as_of, self.exports, sources, self.customers.clone())
    }

    /// The same pipeline with the rows of each source in several files.
    pub fn in_several_files(&self, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut case = self.clone();
        case.files.clear();
        for (source, (path, text)) in self.sources.iter().zip(&self.files) {
            let name = &source.name;
            let (before, after) =
                (format!("\"../data/{name}.csv\""), format!("\"../data/{name}/*.csv\""));
            if !source.is_declared || !self.yaml.contains(&before) {
                case.files.push((path.clone(), text.clone()));
                continue;
            }
            case.yaml = case.yaml.replace(&before, &after);
            let mut rows = source.rows.as_slice();
            for part in 0..3 {
                let end = if part == 2 { rows.len() } else { rng.below(rows.len() + 1) };
                let (here, rest) = rows.split_at(end);
                rows = rest;
                let table =
                    RawTable { columns: self.tables[name].columns.clone(), rows: here.to_vec() };
                case.files
                    .push((format!("data/{name}/{part}.csv"), csv::write(&table, &source.look)));
            }
        }
        case
    }

    /// The same pipeline with other rows in some sources.
    pub fn with_rows(&self, rows: &BTreeMap<String, Vec<Vec<Option<String>>>>) -> Self {
        let mut sources = self.sources.clone();
        for source in &mut sources {
            if let Some(rows) = rows.get(&source.name) {
                source.rows.clone_from(rows);
            }
        }
        self.with(sources)
    }

    fn with(&self, sources: Vec<Source>) -> Self {
        let (yaml, customers) = (self.yaml.clone(), self.customers.clone());
        Self::new(yaml, self.as_of, self.exports, sources, customers)
    }

    /// Writes the case into a folder and tells where the pipeline file is.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let pipeline = folder.join(PIPELINE);
        let files = self.files.iter().map(|(path, text)| (folder.join(path), text));
        for (path, text) in files.chain([(pipeline.clone(), &self.yaml)]) {
            let parent = path.parent().expect("a file stands in a folder");
            std::fs::create_dir_all(parent).expect("the folder can be made");
            std::fs::write(&path, text).expect("the file can be written");
        }
        pipeline
    }
}

/// A value that nobody else has; null in fields of which all values are shared.
fn stranger_cell(field: &str, number: usize) -> Option<String> {
    match field {
        "email" => Some(format!("stranger.{number}@nowhere.example")),
        "alt_email" => Some(format!("other.{number}@elsewhere.example")),
        "phone" => Some(format!("+81 3 5555 {number}")),
        "first_name" => Some(format!("Xq{number}")),
        "last_name" => Some(format!("Zyx{number}")),
        "street" => Some(format!("{number} No Street")),
        "postal_code" => Some(format!("P{number}")),
        "city" => Some(format!("C{number}")),
        "customer_no" => Some(format!("{}", 900_000 + number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_case() {
        let (one, two) = (generate(7), generate(7));
        assert_eq!((one.yaml, one.files), (two.yaml, two.files));
        assert_ne!(generate(7).yaml, generate(8).yaml);
    }

    #[test]
    fn the_files_hold_the_cells() {
        for seed in 0..200 {
            let case = generate(seed);
            for (source, (_, text)) in case.sources.iter().zip(&case.files) {
                let read = csv::read(text, &source.look);
                assert_eq!(read, case.tables[&source.name], "seed {seed}, {}", source.name);
            }
        }
    }

    #[test]
    fn shuffling_keeps_the_rows() {
        let case = generate(3);
        let shuffled = case.shuffle(1);
        assert_ne!(case.files, shuffled.files);
        for (name, table) in &case.tables {
            let (mut one, mut two) = (table.rows.clone(), shuffled.tables[name].rows.clone());
            one.sort();
            two.sort();
            assert_eq!(one, two, "{name}");
        }
    }
}
