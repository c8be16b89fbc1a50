//! The membership history: against what the segments tables of all runs say, and what stops it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use optin::plan::{AsOf, DAY, Instant};

use crate::cases::rng::Rng;
use crate::cases::{Case, generate};
use crate::harness::{Differences, EngineResult, in_folder, run_engine, try_seeds};
use crate::oracle::RawTable;
use crate::support::Folder;

/// Seeds that are tried unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 60;

/// A row of the history: segment, customer, since when, until when, and why.
type Row = (String, String, String, Option<String>, Option<String>);

/// What a run says: by segment and customer the verdict, and the ids that others hold now.
struct Said {
    at: Instant,
    verdicts: BTreeMap<(String, String), String>,
    merged: BTreeSet<String>,
    /// Segment and customer of those who were merged when this date was judged before.
    were_merged: BTreeSet<(String, String)>,
}

impl Said {
    fn of(run: &EngineResult, at: Instant) -> Self {
        let mut verdicts = BTreeMap::new();
        for row in &run.segments.rows {
            let customer = row[0].clone().expect("an id");
            for (segment, verdict) in run.segments.columns.iter().zip(row).skip(1) {
                let verdict = verdict.clone().expect("a verdict");
                verdicts.insert((segment.clone(), customer.clone()), verdict);
            }
        }
        let before = run.profiles.columns.iter().position(|of| of == "previous_customer_ids");
        let before =
            before.into_iter().flat_map(|at| run.profiles.rows.iter().map(move |r| &r[at]));
        let merged = before.flatten().flat_map(|ids| ids.split(' ')).map(str::to_owned).collect();
        Self { at, verdicts, merged, were_merged: BTreeSet::new() }
    }
}

/// The history that runs come to, each of another date, the earliest first.
fn history(runs: &[Said]) -> Vec<Row> {
    let all: BTreeSet<_> = runs.iter().flat_map(|run| run.verdicts.keys()).collect();
    let mut rows = Vec::new();
    for of in all {
        let (segment, customer) = of;
        let mut since = None;
        for run in runs {
            let verdict = run.verdicts.get(of).map(String::as_str);
            if verdict == Some("in_segment") {
                since = since.or(Some(run.at));
                continue;
            }
            let Some(since) = since.take() else { continue };
            let is_merged = run.merged.contains(customer) || run.were_merged.contains(of);
            let gone = if is_merged { "merged" } else { "gone_customer" };
            rows.push((
                segment.clone(),
                customer.clone(),
                since.to_string(),
                Some(run.at.to_string()),
                Some(verdict.unwrap_or(gone).to_owned()),
            ));
        }
        if let Some(since) = since {
            rows.push((segment.clone(), customer.clone(), since.to_string(), None, None));
        }
    }
    rows
}

/// The history as a file has it.
fn rows_of(text: &str) -> Vec<Row> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("customer_id,segment,entered_at,left_at,left_as"));
    let cell = |cell: &str| (!cell.is_empty()).then(|| cell.to_owned());
    lines
        .map(|line| {
            let [customer, segment, entered, left, why] =
                <[&str; 5]>::try_from(line.split(',').collect::<Vec<_>>()).expect("five cells");
            (segment.to_owned(), customer.to_owned(), entered.to_owned(), cell(left), cell(why))
        })
        .collect()
}

/// A case that writes a history, on customers who keep their ids.
fn with_history(seed: u64) -> Case {
    let mut case = generate(seed);
    let mut yaml = String::new();
    for line in case.yaml.lines().filter(|line| !line.starts_with("  previous: ")) {
        yaml += line;
        yaml += "\n";
        match line {
            "identity:" => {
                yaml += "  previous: { path: ../out/identity.csv, allow_missing: true }\n";
            }
            "outputs:" => yaml += "  memberships: ../out/memberships.csv\n",
            _ => {}
        }
    }
    case.yaml = yaml;
    case
}

/// The same case with some of its rows taken out.
fn without_some(case: &Case, rng: &mut Rng) -> Case {
    let some = |table: &RawTable, rng: &mut Rng| {
        table.rows.iter().filter(|_| !rng.chance(15)).cloned().collect::<Vec<_>>()
    };
    let rows = case.tables.iter().map(|(name, table)| (name.clone(), some(table, rng))).collect();
    case.with_rows(&rows)
}

#[test]
fn the_history_is_what_the_segments_tables_say_one_after_the_other() {
    try_seeds(CASES, |seed| {
        let case = with_history(seed);
        let mut rng = Rng::new(seed);
        let (found, folder) = in_folder(&case, |dir, file| {
            let mut found = Differences::default();
            let mut said: Vec<Said> = Vec::new();
            let path = dir.join("out/memberships.csv");
            let dates = [0, 10, 10, 400].map(|days| Instant(case.as_of.0 + days * DAY));
            for (number, at) in dates.into_iter().enumerate() {
                let as_of = |replay| Some(AsOf { at, replay });
                let now = if number == 0 { case.clone() } else { without_some(&case, &mut rng) };
                now.write(dir);
                let run = run_engine(dir, file, case.exports, as_of(false));
                // A date that is judged again is said anew.
                let before = history(&said).into_iter().filter(|(_, _, _, left, why)| {
                    (left, why.as_deref()) == (&Some(at.to_string()), Some("merged"))
                });
                let mut now = Said::of(&run, at);
                now.were_merged = before.map(|(segment, id, ..)| (segment, id)).collect();
                said.retain(|run| run.at != at);
                said.push(now);
                let text = fs::read_to_string(&path).expect("the history");
                found.equal(format!("run {number}"), &rows_of(&text), &history(&said));
                // Once more, by its own ids now: nothing changes.
                run_engine(dir, file, case.exports, as_of(false));
                let again = fs::read_to_string(&path).expect("the history");
                found.equal(format!("run {number} again"), &again, &text);
            }
            let text = fs::read_to_string(&path).expect("the history");
            let options = optin::RunOptions {
                as_of: Some(AsOf { at: case.as_of, replay: true }),
                ..optin::RunOptions::default()
            };
            let record = optin::run_file(file, &options).expect("a replay");
            found.equal("replay", &fs::read_to_string(&path).expect("the history"), &text);
            let written = record.outputs.iter().any(|output| output.name == "memberships");
            found.equal("written by a replay", &written, &false);
            found.0
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![folder])) }
    });
}

const PIPELINE: &str = "version: 1
name: history
out: out
sources:
  - { name: people, path: people.csv }
customers: [{ source: people, id: id, fields: { mail: mail, town: town } }]
keys: [{ field: mail, normalize: email }]
consent: { purposes: [{ name: news, via: mail, model: opt_out }] }
segments:
  - { name: \"all, of them\", consent: news }
  - { name: towns, consent: news, where: \"town = 'Ulm'\" }
outputs: { memberships: out/history.END }
";

/// A folder with a pipeline that writes its history in a format.
fn folder(end: &str) -> Folder {
    let folder = Folder::with(&[(
        "people.csv",
        "id,mail,town\n1,a@example.com,Ulm\n2,b@example.com,Bonn\n3,c@example.com,Ulm\n",
    )]);
    folder.write("p.yaml", PIPELINE.replace("END", end));
    folder
}

fn run(folder: &Folder, as_of: &str) {
    folder.optin(&["run", "p.yaml", "--quiet", "--as-of", as_of]).done();
}

#[test]
fn every_format_is_read_as_it_was_written() {
    let rows = |end: &str| {
        let folder = folder(end);
        run(&folder, "2026-01-01T00:00:00Z");
        let path = format!("out/history.{end}");
        let first = folder.bytes(&path);
        run(&folder, "2026-01-01T00:00:00Z");
        assert!(folder.bytes(&path) == first, "{end}: the same date again changes no byte");
        folder.write("people.csv", "id,mail,town\n1,a@example.com,Bonn\n3,c@example.com,Ulm\n");
        run(&folder, "2026-02-01T00:00:00.5Z");
        folder.write("people.csv", "id,mail,town\n");
        run(&folder, "2026-03-01");
        let record = folder.json("out/run.json");
        let earlier = &record["outputs"][0]["earlier"];
        assert_eq!(earlier["rows"], 5, "{end}");
        assert!(folder.optin(&["verify", "out/run.json"]).code == 0, "{end}");
        (record["account"]["memberships"].clone(), folder)
    };
    let (due, csv) = rows("csv");
    assert_eq!(
        csv.read("out/history.csv"),
        "customer_id,segment,entered_at,left_at,left_as
ID2,\"all, of them\",2026-01-01T00:00:00Z,2026-02-01T00:00:00.5Z,gone_customer
ID3,\"all, of them\",2026-01-01T00:00:00Z,2026-03-01T23:59:59.999999Z,gone_customer
ID1,\"all, of them\",2026-01-01T00:00:00Z,2026-03-01T23:59:59.999999Z,gone_customer
ID3,towns,2026-01-01T00:00:00Z,2026-03-01T23:59:59.999999Z,gone_customer
ID1,towns,2026-01-01T00:00:00Z,2026-02-01T00:00:00.5Z,rule_false
"
        .replace("ID1", ID1)
        .replace("ID2", ID2)
        .replace("ID3", ID3)
    );
    for end in ["tsv", "ndjson", "parquet", "ipc"] {
        assert_eq!(rows(end).0, due, "{end}");
    }
}

const ID1: &str = "e000c64f2fd947ff581cf2aec0f7d565";
const ID2: &str = "242ad891b31b9f7b3585445125766a67";
const ID3: &str = "d0e1a96e6bfc7c611c53d7185ad8ba8a";

#[test]
fn a_segment_that_is_no_more_has_no_members() {
    let folder = folder("csv");
    run(&folder, "2026-01-01");
    let text = PIPELINE.replace("END", "csv");
    folder.write("p.yaml", text.replace("name: towns", "name: cities"));
    run(&folder, "2026-02-01");
    let history = folder.csv("out/history.csv");
    let of = |segment: &str| {
        let rows = history.column("segment").into_iter().zip(history.column("left_as"));
        rows.filter(|(of, _)| *of == segment).map(|(_, why)| why.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("towns"), ["gone_segment", "gone_segment"]);
    assert_eq!(of("cities"), ["", ""]);
    let accounts = &folder.json("out/run.json")["account"]["memberships"];
    assert_eq!(accounts[2]["segment"], "towns");
    assert_eq!((&accounts[2]["before"], &accounts[2]["left"]), (&2.into(), &2.into()));
}

#[test]
fn what_is_no_history_and_what_is_later_stops_the_run() {
    let folder = folder("csv");
    run(&folder, "2026-02-01");
    let good = folder.read("out/history.csv");
    let refused = |why: &str| {
        let run = folder.optin(&["run", "p.yaml", "--quiet", "--as-of", "2026-02-01"]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let code = "error[earlier-history]";
        assert!(run.stderr.contains(code) && run.stderr.contains(why), "{why}: {}", run.stderr);
        assert!(!run.stderr.contains("example.com"));
    };
    for (bad, why) in [
        ("name,mail\nAnn,ann@example.com\n".to_owned(), "its columns are not"),
        (good.replace(",2026-02", ",in 2026-02"), "`entered_at` is not a time"),
        (good.replacen(ID1, "ann@example.com", 1), "`customer_id` is not an id"),
        (good.replace("Z,,", "Z,2025-01-01T00:00:00Z,denied"), "a time after `entered_at`"),
        (good.replace("Z,,", "Z,,denied"), "there if and only if"),
        (good.replace("Z,,", "Z,2026-02-03T00:00:00Z,"), "there if and only if"),
        (format!("{good}{}\n", good.lines().last().expect("a row")), "twice at one time"),
        (good.replace("2026-02", "2026-03"), "goes on after 2026-02-01"),
    ] {
        folder.write("out/history.csv", bad);
        refused(why);
    }
    folder.write("out/history.csv", &good);
    run(&folder, "2026-02-01");
    assert_eq!(folder.read("out/history.csv"), good);
    // An earlier date is looked at without touching the history, or in another folder.
    folder.optin(&["run", "p.yaml", "--quiet", "--replay", "2026-01-01"]).done();
    assert_eq!(folder.read("out/history.csv"), good);
    let trial = ["run", "p.yaml", "--quiet", "--as-of", "2026-01-01", "--out", "trial"];
    folder.optin(&trial).done();
    assert!(folder.read("trial/out/history.csv").contains("2026-01-01"));
}
