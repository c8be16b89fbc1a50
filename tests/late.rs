//! What is read late, and in which parts, must change nothing: the same data as CSV, which is read
//! whole, and as Parquet of small row groups, of which only some rows are read at the end.

use std::fs::File;
use std::path::Path;

use polars::prelude::*;

use crate::cases::rng::Rng;
use crate::harness::try_seeds;

const CASES: u64 = 150;

/// Cells by column; none is null.
struct Data {
    name: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<Option<String>>>,
}

impl Data {
    fn write_csv(&self, dir: &Path) {
        let mut text = self.columns.join(",") + "\n";
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(|c| c.as_deref().unwrap_or_default()).collect();
            text += &(cells.join(",") + "\n");
        }
        std::fs::write(dir.join(format!("{}.csv", self.name)), text).expect("a file");
    }

    fn write_parquet(&self, dir: &Path) {
        let columns = self.columns.iter().enumerate().map(|(at, name)| {
            let cells = self.rows.iter().map(|row| row[at].as_deref());
            let day = |text: &str| {
                let date: jiff::civil::Date = text.parse().expect("a date");
                let since = date.since(jiff::civil::date(1970, 1, 1)).expect("not far");
                since.get_days()
            };
            let name = PlSmallStr::from_str(name);
            let series = match name.as_str() {
                "points" => {
                    let ints = cells.map(|cell| cell.map(|c| c.parse::<i64>().expect("a number")));
                    Int64Chunked::from_iter_options(name, ints).into_series()
                }
                "updated" | "at" => {
                    let days = cells.map(|cell| cell.map(day));
                    Int32Chunked::from_iter_options(name, days).into_date().into_series()
                }
                _ => StringChunked::from_iter_options(name, cells).into_series(),
            };
            series.into()
        });
        let mut frame = DataFrame::new(self.rows.len(), columns.collect()).expect("columns");
        let file = File::create(dir.join(format!("{}.parquet", self.name))).expect("a file");
        ParquetWriter::new(file).with_row_group_size(Some(7)).finish(&mut frame).expect("written");
    }
}

fn customers(rng: &mut Rng, name: &'static str, rows: usize) -> Data {
    let mut numbers: Vec<usize> = (10..10 + rows).collect();
    // Ids that ascend need not be kept; others must.
    if rng.chance(40) {
        rng.shuffle(&mut numbers);
    }
    let rows = numbers.into_iter().map(|number| {
        let some = |rng: &mut Rng, text: String| rng.chance(85).then_some(text);
        let host = rng.word(&["x.com", "gmail.com", "X.com"]);
        let local = rng.word(&["a", "b", "c", "d", "e", "f.g", "a+t", "h", "i", "jj", "kk"]);
        let mail = format!("{local}@{host}");
        let day = rng.between(10, 28);
        let (points, country) = (rng.below(30).to_string(), rng.word(&["US", "DE", "a long name"]));
        vec![
            Some(format!("id-{number}")),
            some(rng, mail),
            some(rng, country),
            some(rng, points),
            some(rng, format!("2026-01-{day}")),
        ]
    });
    let rows = rows.collect();
    Data { name, columns: &["id", "mail", "country", "points", "updated"], rows }
}

fn consents(rng: &mut Rng) -> Data {
    let rows = (0..rng.between(5, 40)).map(|_| {
        let host = rng.word(&["x.com", "gmail.com"]);
        let local = rng.word(&["a", "b", "c", "d", "e", "fg", "a", "h", "i", "jj"]);
        let value = rng.word(&["yes", "yes", "yes", "no", "maybe"]);
        let day = rng.between(10, 28);
        vec![Some(format!("{local}@{host}")), Some(value), Some(format!("2026-02-{day}"))]
    });
    Data { name: "consent", columns: &["mail", "value", "at"], rows: rows.collect() }
}

fn pipeline(rng: &mut Rng) -> String {
    let keep = rng.word(&["most_recent: updated", "least_recent: updated", "most_recent: points"]);
    // A group's own policy may rank by a field that is otherwise asked for at the end only.
    let groups = match rng.below(5) {
        // All that is asked for at the end may be read first.
        2 => ", groups: [{ fields: [mail, country, points], keep: importance }]",
        3 => ", groups: [{ fields: [mail, points], keep: importance }]",
        0 => ", groups: [{ fields: [mail, country], keep: { most_recent: points } }]",
        1 => ", groups: [{ fields: [mail, country], keep: importance }]",
        _ => "",
    };
    let model = rng.word(&["opt_in", "opt_out"]);
    let rule = rng.word(&["points >= 10", "country = 'US' OR points < 5", "mail IS NOT NULL"]);
    let other = rng.word(&["country IS NULL", "consent.news AND points > 3", "TRUE"]);
    let (rule, other) = match rng.below(4) {
        0 => (String::new(), String::new()),
        _ => (format!(", where: \"{rule}\""), format!(", where: \"{other}\"")),
    };
    let gate = rng.word(&["[news]", "none, because: a test"]);
    let columns = rng.word(&[
        "[customer_id, mail, points]",
        "[mail, country]",
        "[points, updated]",
        "[customer_id]",
    ]);
    // Measures count all customers, whoever the gate lets through.
    let of = rng.word(&["", ", of: one", ", where: points > 3"]);
    let by = rng.word(&["", ", by: country", ", by: [updated, consent_news]", ", by: points"]);
    let figure =
        rng.word(&["count", "count(mail)", "avg(points)", "median(points)", "consent_rate(news)"]);
    let shown = rng.word(&["[customer_id, country]", "[customer_id]", "[mail]", "[updated]"]);
    format!(
        "version: 1
name: late
as_of: 2026-03-01T00:00:00Z
sources:
  - {{ name: shop, path: shop.EXT, types: {{ points: int, updated: date }} }}
  - {{ name: club, path: club.EXT, types: {{ points: int, updated: date }} }}
  - {{ name: consent, path: consent.EXT, types: {{ at: date }} }}
keys: [{{ field: mail, normalize: email }}]
customers:
  - {{ source: shop, id: id, fields: {{ mail: mail, country: country, points: points, updated: updated }} }}
  - {{ source: club, id: id, fields: {{ mail: mail, points: points, updated: updated }} }}
identity: {{ link_on: [[mail]] }}
profile: {{ keep: {{ {keep} }}{groups} }}
consent:
  purposes: [{{ name: news, via: mail, model: {model} }}]
  tables: [{{ source: consent, match: {{ mail: mail }}, values: {{ news: value }}, at: at }}]
segments:
  - {{ name: one, consent: [news]{rule} }}
  - {{ name: two, consent: {gate}{other} }}
  - {{ name: both, consent: [news], intersect: [one, two] }}
exports:
  - {{ segment: one, path: one.csv, columns: {columns} }}
  - {{ segment: both, path: both.csv, columns: {shown} }}
measures:
  - {{ name: m{of}{by}, compute: {{ figure: {figure}, n: count }}, smallest_group: 2, path: m.csv }}
"
    )
}

/// The account, and the bytes of both exports and of the measure.
fn run(dir: &Path, file: &str) -> (serde_json::Value, Vec<Vec<u8>>) {
    let record = optin::run_file(&dir.join(file), &optin::RunOptions::default());
    let record = record.unwrap_or_else(|failure| panic!("the run failed: {failure}"));
    let names = ["one.csv", "both.csv", "m.csv"];
    let written = names.iter().filter_map(|name| std::fs::read(dir.join(name)).ok()).collect();
    (serde_json::to_value(&record.account).expect("plain data"), written)
}

#[test]
fn what_is_read_late_changes_nothing() {
    try_seeds(CASES, |seed| {
        let mut rng = Rng::new(seed);
        let dir = tempfile::tempdir().expect("a folder");
        let (shop, club) = (rng.between(1, 60), rng.between(1, 40));
        let all = [
            customers(&mut rng, "shop", shop),
            customers(&mut rng, "club", club),
            consents(&mut rng),
        ];
        for data in &all {
            data.write_csv(dir.path());
            data.write_parquet(dir.path());
        }
        let mut yaml = pipeline(&mut rng);
        if rng.chance(50) {
            // Where nobody measures more is late.
            let at = yaml.find("measures:").expect("the section");
            yaml.truncate(at);
        }
        let write = |name: &str, text: String| {
            std::fs::write(dir.path().join(name), text).expect("a file");
        };
        write("csv.yaml", yaml.replace("EXT", "csv"));
        write("parquet.yaml", yaml.replace("EXT", "parquet"));
        // With a table of all profiles nothing is late.
        write(
            "whole.yaml",
            yaml.replace("EXT", "parquet") + "outputs: { profiles: profiles.csv }\n",
        );
        let csv = run(dir.path(), "csv.yaml");
        let mut faults = Vec::new();
        for other in ["parquet.yaml", "whole.yaml"] {
            let found = run(dir.path(), other);
            if found.0 != csv.0 {
                faults.push(format!("{other}: the account differs"));
            }
            if found.1 != csv.1 {
                faults.push(format!("{other}: an export or the measure differs"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err((faults, vec![dir])) }
    });
}
