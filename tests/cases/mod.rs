//! Random pipelines with their data, one for each seed.
//!
//! A case exercises what `docs/semantics.md` speaks of: shared and almost equal contact points,
//! missing and duplicate ids, all shapes of consent, times at which rules turn. It is small, so
//! that one can read it when the engine and the oracle differ. The same seed gives the same case
//! until the generator itself is changed.

mod consent;
pub mod csv;
mod customers;
mod draft;
mod pools;
pub mod rng;
mod segments;
mod times;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use draft::{Ground, PhoneRegion, Source};
use optin::plan::Instant;
use rng::Rng;

use crate::oracle::RawTable;

/// Where the pipeline file lies in a case's folder.
const PIPELINE: &str = "pipeline/case.yaml";

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
    /// Index of the first customer table's source, and its column of ids.
    first_table: (usize, String),
}

/// The case of a seed.
pub fn generate(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let date = times::run_date(&mut rng);
    let expiries: Vec<_> = (0..rng.between(1, 3)).map(|_| times::expiry(&mut rng)).collect();
    let known: Vec<_> = expiries.iter().copied().flatten().collect();
    let count = rng.between(3, 16);
    let mut ground = Ground {
        people: pools::people(&mut rng, count),
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
        denials: rng.pick(&[3, 8, 20, 45]),
    };
    customers::tables(&mut rng, &mut ground);
    let customers = customers::yaml(&mut rng, &ground);
    let consent = consent::yaml(&mut rng, &mut ground, &expiries);
    let (segments, exports) = segments::yaml(&mut rng, &ground);
    let sources: String = ground.sources.iter().map(Source::yaml).collect();
    let yaml = format!(
        "version: 1\nname: case_{seed}\nas_of: {}\nsources:\n{sources}{customers}{consent}{segments}",
        date.text
    );
    let first = &ground.tables[0];
    let first_table = (first.source, first.id.clone());
    Case::new(yaml, Instant(date.micros), exports, ground.sources, first_table)
}

impl Case {
    fn new(
        yaml: String,
        as_of: Instant,
        exports: usize,
        sources: Vec<Source>,
        first_table: (usize, String),
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
        Self { yaml, files, tables, as_of, exports, sources, first_table }
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

    /// The same pipeline with one more customer, who has nothing in common with anybody. Tells
    /// the id of the new record.
    pub fn with_a_stranger(&self) -> (Self, String) {
        let mut sources = self.sources.clone();
        let (source, id_column) = &self.first_table;
        let source = &mut sources[*source];
        let id = "a stranger".to_owned();
        let row =
            source.columns.iter().map(|column| (column.name == *id_column).then(|| id.clone()));
        let row: Vec<Option<String>> = row.collect();
        source.rows.insert(source.rows.len() / 2, row);
        (self.with(sources), id)
    }

    fn with(&self, sources: Vec<Source>) -> Self {
        let (yaml, first_table) = (self.yaml.clone(), self.first_table.clone());
        Self::new(yaml, self.as_of, self.exports, sources, first_table)
    }

    /// The name of the first customer table's source.
    pub fn first_source(&self) -> &str {
        &self.sources[self.first_table.0].name
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
