//! Exports that are folders of Parquet files, one per value of some columns.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use optin::normalize::Kind;
use optin::plan::{OutColumn, Plan, Type};
use polars::prelude::*;

use crate::cases::generate;
use crate::duck::Duck;
use crate::harness::{in_folder, load_plan, try_seeds};
use crate::support::{Folder, digest_of_folder, files};

/// Values that are hard to name a file by; none for null.
const TOWNS: [Option<&str>; 14] = [
    Some("Bonn"),
    Some("Sankt Pölten"),
    Some("50%"),
    Some("50%25"),
    Some("a/b"),
    Some("../up"),
    Some(".."),
    Some("k=v"),
    Some("L'Aquila"),
    Some("[x]{y}^*?#:"),
    Some("a\\b"),
    Some("東京"),
    Some("+1"),
    None,
];

/// A pipeline on `people.csv` with a grant for all but each seventh.
fn pipeline(by: &str, columns: &str) -> String {
    format!(
        "version: 1
name: parts
as_of: 2026-06-01T00:00:00Z
out: out
sources:
  - {{ name: people, path: people.csv, types: {{ points: int, vip: bool, born: date, score: float }} }}
  - {{ name: consent, path: consent.csv }}
keys: [{{ field: mail, normalize: email }}]
customers:
  - {{ source: people, id: id, fields: {{ mail: mail, town: town, points: points, vip: vip, born: born, score: score }} }}
consent:
  purposes: [{{ name: news, via: mail, model: opt_in }}]
  tables: [{{ source: consent, match: {{ mail: mail }}, values: {{ news: news }} }}]
segments: [{{ name: all, consent: news }}]
exports:
  - {{ segment: all, path: out/by, format: parquet, partition_by: {by}, columns: {columns} }}
  - {{ segment: all, path: out/one.parquet, columns: {columns} }}
"
    )
}

const COLUMNS: &str = "[customer_id, town, mail, points, vip, born, score]";

/// Writes the data of so many people; those in `gone` have withdrawn.
fn write_people(folder: &Folder, people: usize, gone: &dyn Fn(usize) -> bool) {
    let (mut rows, mut consent) =
        ("id,mail,town,points,vip,born,score\n".to_owned(), "mail,news\n".to_owned());
    for number in 0..people {
        let town = TOWNS[number % TOWNS.len()].unwrap_or_default();
        let vip = ["true", "false", ""][number % 3];
        let (points, day) = (number % 5, number % 4 + 1);
        let _ = writeln!(
            rows,
            "p{number},m{number}@fabrikam.com,\"{town}\",{points},{vip},2001-02-0{day},1.5"
        );
        let word = if gone(number) { "no" } else { "yes" };
        let _ = writeln!(consent, "m{number}@fabrikam.com,{word}");
    }
    folder.write("people.csv", rows);
    folder.write("consent.csv", consent);
}

/// A row as texts; none for null.
type Row = Vec<Option<String>>;

fn rows_of(path: &Path) -> (Vec<String>, Vec<Row>) {
    let file = fs::File::open(path).expect("a file");
    let frame = ParquetReader::new(file).finish().expect("a Parquet file");
    let names = frame.columns().iter().map(|column| column.name().to_string()).collect();
    let cell = |column: &Column, row: usize| match column.get(row).expect("a row") {
        AnyValue::Null => None,
        value => Some(value.str_value().into_owned()),
    };
    let rows = (0..frame.height())
        .map(|row| frame.columns().iter().map(|column| cell(column, row)).collect());
    (names, rows.collect())
}

/// As Hive names values, written for these tests.
fn value_of(name: &str) -> Option<String> {
    if name == "__HIVE_DEFAULT_PARTITION__" {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
            let digits = std::str::from_utf8(&digits).expect("digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("digits"));
        } else {
            bytes.push(byte);
        }
    }
    Some(String::from_utf8(bytes).expect("UTF-8"))
}

/// The rows of a folder by the values in their paths, in the order of `columns`.
fn rows_in(folder: &Path, by: &[&str], columns: &[String]) -> BTreeMap<Row, Vec<Row>> {
    let mut found = BTreeMap::new();
    for file in files(folder) {
        let parts: Vec<&str> = file.split('/').collect();
        assert_eq!(parts.len(), by.len() + 1, "{file}");
        assert_eq!(parts[by.len()], "part-0.parquet");
        let values: Row = parts[..by.len()]
            .iter()
            .zip(by)
            .map(|(part, due)| {
                let (name, value) = part.split_once('=').expect("name=value");
                assert_eq!(value_of(name).as_deref(), Some(*due));
                value_of(value)
            })
            .collect();
        let (names, rows) = rows_of(&folder.join(&file));
        assert!(!rows.is_empty(), "{file} has no rows");
        assert!(by.iter().all(|of| !names.contains(&(*of).to_owned())), "{names:?}");
        let whole = |row: &Row| -> Row {
            let cell = |column: &String| match by.iter().position(|of| of == column) {
                Some(at) => values[at].clone(),
                None => row[names.iter().position(|name| name == column).expect("it")].clone(),
            };
            columns.iter().map(cell).collect()
        };
        assert!(found.insert(values.clone(), rows.iter().map(whole).collect()).is_none());
    }
    found
}

/// Puts the rows of one file into groups, in their order.
fn grouped(file: &Path, by: &[&str]) -> (Vec<String>, BTreeMap<Row, Vec<Row>>) {
    let (names, rows) = rows_of(file);
    let places: Vec<usize> =
        by.iter().map(|of| names.iter().position(|name| name == of).expect("it")).collect();
    let mut groups: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
    for mut row in rows {
        for at in &places {
            row[*at] = row[*at].take().filter(|text| !text.is_empty());
        }
        groups.entry(places.iter().map(|at| row[*at].clone()).collect()).or_default().push(row);
    }
    (names, groups)
}

#[test]
fn a_folder_holds_the_rows_of_the_file_in_their_order() {
    for by in [
        vec!["town"],
        vec!["points"],
        vec!["vip"],
        vec!["born"],
        vec!["vip", "town", "points"],
        vec!["born", "vip"],
    ] {
        let folder = Folder::new();
        folder.write("pipeline.yaml", pipeline(&format!("[{}]", by.join(", ")), COLUMNS));
        write_people(&folder, 300, &|number| number % 7 == 3);
        folder.optin(&["run", "pipeline.yaml"]).done();
        let (columns, due) = grouped(&folder.at("out/one.parquet"), &by);
        assert_eq!(rows_in(&folder.at("out/by"), &by, &columns), due, "{by:?}");
        let record = folder.json("out/run.json");
        let (parts, one) = (&record["exports"][0], &record["exports"][1]);
        assert_eq!(parts["rows"], one["rows"]);
        assert_eq!(parts["files"], due.len());
        assert_eq!(parts["columns"], one["columns"]);
        assert_eq!(parts["sha256"], digest_of_folder(&folder.at("out/by")));
        let names = files(&folder.at("out/by"));
        let metadata = |name: &String| fs::metadata(folder.at("out/by").join(name)).expect("it");
        let bytes: u64 = names.iter().map(|name| metadata(name).len()).sum();
        assert_eq!(parts["bytes"], bytes);
        assert!(
            names.iter().all(|name| metadata(name).mode() & 0o777 == 0o600),
            "for the owner only"
        );
        assert_eq!(record["proof"]["exports"][0]["rows"], parts["rows"]);
        assert_eq!(record["account"]["exports"][0]["written"], parts["rows"]);
        folder.optin(&["verify", "out/run.json"]).done();
    }
}

#[test]
fn a_second_run_replaces_the_folder_and_leaves_no_old_partition() {
    let folder = Folder::new();
    folder.write("pipeline.yaml", pipeline("[town]", COLUMNS));
    write_people(&folder, 140, &|_| false);
    folder.optin(&["run", "pipeline.yaml"]).done();
    assert!(folder.at("out/by/town=Bonn/part-0.parquet").exists());
    let before = files(&folder.at("out/by"));
    assert_eq!(before.len(), TOWNS.len());
    // Everybody in Bonn withdraws.
    write_people(&folder, 140, &|number| number % TOWNS.len() == 0);
    folder.optin(&["run", "pipeline.yaml"]).done();
    let after = files(&folder.at("out/by"));
    assert_eq!(after.len(), TOWNS.len() - 1);
    assert!(!folder.at("out/by/town=Bonn").exists());
    assert!(files(folder.path()).iter().all(|name| !name.contains(".optin-")), "nothing is left");
    folder.optin(&["verify", "out/run.json"]).done();
    // And all the others: an empty folder.
    write_people(&folder, 140, &|_| true);
    folder.optin(&["run", "pipeline.yaml"]).done();
    assert_eq!(fs::read_dir(folder.at("out/by")).expect("a folder").count(), 0);
    let record = folder.json("out/run.json");
    assert_eq!(
        (&record["exports"][0]["files"], &record["exports"][0]["rows"]),
        (&0.into(), &0.into())
    );
    folder.optin(&["verify", "out/run.json"]).done();
    write_people(&folder, 140, &|_| false);
    folder.optin(&["run", "pipeline.yaml"]).done();
    assert_eq!(files(&folder.at("out/by")), before);
}

/// Whatever stands there that no run published is not deleted, and the run says so before it publishes.
#[test]
fn a_folder_that_holds_something_else_is_refused() {
    type Spoil = fn(&Folder);
    let spoils: [(&str, Spoil); 9] = [
        ("a file beside", |f| f.write("out/by/notes.txt", "mine")),
        ("a file in a partition", |f| f.write("out/by/town=Bonn/part-1.parquet", "mine")),
        ("another partition", |f| f.write("out/by/town=X/part-0.parquet", "mine")),
        ("other bytes", |f| f.write("out/by/town=Bonn/part-0.parquet", "mine")),
        ("a partition gone", |f| {
            fs::remove_file(f.at("out/by/town=Bonn/part-0.parquet")).expect("removed");
            fs::remove_dir(f.at("out/by/town=Bonn")).expect("removed");
        }),
        ("an empty folder", |f| fs::create_dir(f.at("out/by/mine")).expect("made")),
        ("a link", |f| symlink("nowhere", f.at("out/by/link")).expect("a link")),
        ("no record", |f| fs::remove_file(f.at("out/run.json")).expect("removed")),
        ("a link instead", |f| {
            fs::rename(f.at("out/by"), f.at("mine")).expect("moved");
            symlink("../mine", f.at("out/by")).expect("a link");
        }),
    ];
    for (what, spoil) in spoils {
        let folder = Folder::new();
        folder.write("pipeline.yaml", pipeline("[town]", COLUMNS));
        write_people(&folder, 60, &|_| false);
        folder.optin(&["run", "pipeline.yaml"]).done();
        spoil(&folder);
        let all = |folder: &Folder| -> BTreeMap<String, Vec<u8>> {
            let names = folder.files().into_iter().filter(|name| !name.ends_with("/link"));
            names.map(|name| (name.clone(), folder.bytes(&name))).collect()
        };
        let before = all(&folder);
        let run = folder.optin(&["run", "pipeline.yaml"]);
        assert_eq!(run.code, 1, "{what}: {}", run.stderr);
        let code = if what == "a link instead" { "write-failed" } else { "output-path" };
        assert!(run.stderr.contains(code), "{what}: {}", run.stderr);
        assert!(all(&folder) == before, "{what}: everything is as it was");
        if what != "no record" {
            let verified = folder.optin(&["verify", "out/run.json"]);
            assert_eq!(verified.code, i32::from(what != "a link instead"), "{what}");
        }
    }
    // A file, as an earlier pipeline may have written it there.
    let folder = Folder::new();
    folder.write("pipeline.yaml", pipeline("[town]", COLUMNS));
    write_people(&folder, 60, &|_| false);
    folder.write("out/by", "mine");
    let run = folder.optin(&["run", "pipeline.yaml"]);
    assert!(run.code == 1 && run.stderr.contains("it is to be a folder"), "{}", run.stderr);
    assert_eq!(folder.read("out/by"), "mine");
    // A folder that somebody made for it.
    fs::remove_file(folder.at("out/by")).expect("removed");
    fs::create_dir(folder.at("out/by")).expect("made");
    folder.optin(&["run", "pipeline.yaml"]).done();
}

#[test]
fn a_folder_that_the_run_reads_is_not_replaced() {
    let folder = Folder::new();
    folder.write("pipeline.yaml", pipeline("[points]", COLUMNS));
    write_people(&folder, 60, &|_| false);
    folder.optin(&["run", "pipeline.yaml"]).done();
    let text = folder.read("pipeline.yaml").replace(
        "  - { name: consent, path: consent.csv }",
        "  - { name: consent, path: consent.csv }\n  - { name: old, path: \"out/by/points=1/*.parquet\" }",
    );
    let text = text.replace(
        "consent:\n  purposes",
        "  - { source: old, id: customer_id, fields: { mail: mail } }\nconsent:\n  purposes",
    );
    folder.write("pipeline.yaml", text);
    let run = folder.optin(&["run", "pipeline.yaml"]);
    assert!(
        run.code == 1 && run.stderr.contains("would overwrite a file that the run reads"),
        "{}",
        run.stderr
    );
}

/// A column of too many values says so and names none of them.
#[test]
fn too_many_partitions_stop_the_run() {
    let folder = Folder::new();
    folder.write("pipeline.yaml", pipeline("[town]", COLUMNS));
    for (towns, works) in [(1000, true), (1001, false)] {
        let mut rows = "id,mail,town,points,vip,born,score\n".to_owned();
        let mut consent = "mail,news\n".to_owned();
        for number in 0..1500 {
            let town = number % towns;
            let _ = writeln!(rows, "p{number},m{number}@fabrikam.com,canary{town},1,,,");
            let _ = writeln!(consent, "m{number}@fabrikam.com,yes");
        }
        folder.write("people.csv", rows);
        folder.write("consent.csv", consent);
        let run = folder.optin(&["run", "pipeline.yaml"]);
        if works {
            run.done();
            assert_eq!(files(&folder.at("out/by")).len(), 1000);
        } else {
            assert_eq!(run.code, 1);
            assert!(run.stderr.contains("partition-limit"), "{}", run.stderr);
            assert!(run.stderr.contains("coarser"), "{}", run.stderr);
            assert!(!run.stderr.contains("canary"), "{}", run.stderr);
            assert_eq!(files(&folder.at("out/by")).len(), 1000, "the old one stands");
        }
    }
    for town in ["x".repeat(251), "__HIVE_DEFAULT_PARTITION__".to_owned()] {
        folder.write(
            "people.csv",
            format!("id,mail,town,points,vip,born,score\n1,m1@fabrikam.com,{town},1,,,\n"),
        );
        let run = folder.optin(&["run", "pipeline.yaml", "--out", "other"]);
        assert!(run.code == 1 && run.stderr.contains("partition-limit"), "{}", run.stderr);
        assert!(!run.stderr.contains(&town));
    }
}

#[test]
fn forget_names_the_rows_in_each_file() {
    let folder = Folder::new();
    folder.write("pipeline.yaml", pipeline("[points, vip]", COLUMNS));
    write_people(&folder, 60, &|_| false);
    folder.optin(&["run", "pipeline.yaml"]).done();
    let told =
        folder.optin(&["forget", "pipeline.yaml", "--customer", "mail=m7@fabrikam.com", "--json"]);
    let told = told.done().json();
    let written = told["written"].as_array().expect("files");
    let paths: Vec<&str> =
        written.iter().map(|file| file["path"].as_str().expect("a path")).collect();
    assert!(
        paths.iter().any(|path| path.ends_with("out/by/points=2/vip=false/part-0.parquet")),
        "{told}"
    );
    assert_eq!(paths.iter().filter(|path| path.contains("out/by/")).count(), 1, "{told}");
    // No file for one person goes into a folder that is replaced.
    let receipt = folder.optin(&[
        "receipt",
        "pipeline.yaml",
        "--customer",
        "mail=m7@fabrikam.com",
        "--output",
        "out/by/points=2/r.md",
    ]);
    assert!(receipt.code != 0, "{receipt:?}");
    assert!(!folder.at("out/by/points=2/r.md").exists());
}

#[test]
fn what_is_said_of_a_folder() {
    let folder = Folder::new();
    folder.write("pipeline.yaml", pipeline("[town, vip]", COLUMNS));
    write_people(&folder, 60, &|_| false);
    let explained = folder.optin(&["explain", "pipeline.yaml"]).done().stdout;
    assert!(explained.contains("a Parquet file per value of town, vip"), "{explained}");
    let run = folder.optin(&["run", "pipeline.yaml"]).done();
    let count = files(&folder.at("out/by")).len();
    assert!(run.stdout.contains(&format!("a folder with {count} files")), "{}", run.stdout);
    let page = folder.read("out/report.html");
    assert!(page.contains("by/, files: "), "the page tells of it");
    for dialect in ["duckdb", "spark"] {
        let compiled = folder.optin(&["compile", "pipeline.yaml", "--dialect", dialect]);
        assert_eq!(compiled.code, 2);
        assert!(compiled.stderr.contains("sql-unsupported"), "{}", compiled.stderr);
        assert!(compiled.stderr.contains("partition_by"), "{}", compiled.stderr);
    }
    let why =
        folder.optin(&["why", "pipeline.yaml", "--customer", "mail=m7@fabrikam.com"]).done().stdout;
    assert!(why.contains("in segment") || why.contains("all"), "{why}");
}

/// `optin.schema.json` and the decoder know the keys; the page of the reference names them. Here: two exports
/// that are folders, and one within the other.
#[test]
fn folders_hold_nothing_else() {
    for (path, works) in [
        ("out/by/all.csv", false),
        ("out/by/town=Bonn/x.csv", false),
        ("out/by", false),
        ("out/./by/../by/x.csv", false),
        ("out/by2/x.csv", true),
        ("out/b", true),
    ] {
        let folder = Folder::new();
        let format = if path.contains(".csv") { "" } else { ", partition_by: points" };
        folder.write(
            "pipeline.yaml",
            pipeline("town", COLUMNS)
                + &format!("  - {{ segment: all, path: {path}{format}, columns: {COLUMNS} }}\n"),
        );
        write_people(&folder, 60, &|_| false);
        let run = folder.optin(&["run", "pipeline.yaml"]);
        assert_eq!(run.code == 0, works, "{path}: {}", run.stderr);
        assert!(works || run.stderr.contains("output-path"), "{path}: {}", run.stderr);
    }
    let folder = Folder::new();
    folder.write("pipeline.yaml", pipeline("town", COLUMNS).replace("out: out", "out: out/by/run"));
    write_people(&folder, 60, &|_| false);
    let run = folder.optin(&["run", "pipeline.yaml"]);
    assert!(
        run.code == 2 && run.stderr.contains("the run record would stand in it"),
        "{}",
        run.stderr
    );
    // Where links lead nobody knows before the run.
    let folder = Folder::new();
    folder.write(
        "pipeline.yaml",
        pipeline("town", COLUMNS).replace("out/one.parquet", "linked/one.parquet"),
    );
    write_people(&folder, 60, &|_| false);
    fs::create_dir_all(folder.at("out/by")).expect("made");
    symlink("out/by", folder.at("linked")).expect("a link");
    let run = folder.optin(&["run", "pipeline.yaml"]);
    assert!(
        run.code == 1 && run.stderr.contains("an output would stand in another"),
        "{}",
        run.stderr
    );
}

/// The text of a pipeline with one more segment and export: everybody, with all fields that are no contact points.
fn with_everybody(text: &str, plan: &Plan) -> String {
    let fields = plan.fields.iter().filter(|field| field.key.kind() == Kind::Text);
    let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
    let export = format!(
        "exports:\n  - {{ segment: everybody, path: ../out/everybody.csv, columns: [customer_id, {}] }}\n",
        fields.join(", ")
    );
    let segment = "segments:\n  - { name: everybody, consent: none, because: a test }\n";
    let text = text.replacen("segments:\n", segment, 1);
    if text.contains("exports:\n") {
        text.replacen("exports:\n", &export, 1)
    } else {
        text + &export
    }
}

/// Random pipelines: each export is written as one file, and divided by columns of its own.
#[test]
fn random_exports_divided_are_the_same_rows() {
    let seen = std::cell::Cell::new((0, 0));
    try_seeds(60, |seed| {
        let case = generate(seed);
        let (found, kept) = in_folder(&case, |dir, file| {
            let write = |text: &str| fs::write(file, text).expect("written");
            let text = fs::read_to_string(file).expect("a pipeline");
            let text = with_everybody(&text, &load_plan(file));
            write(&text);
            let plan = load_plan(file);
            let mut divided: Vec<(String, Vec<String>)> = Vec::new();
            let (mut one, mut parts) = (text.clone(), text);
            for export in &plan.exports {
                let name = export.target.path.file_stem().expect("a name").to_string_lossy();
                let usable = |ty| matches!(ty, Type::Text | Type::Bool | Type::Int | Type::Date);
                let fields = export.columns.iter().filter_map(|column| match column {
                    OutColumn::Field(field) if usable(plan.fields[field.0].ty) => {
                        Some(plan.fields[field.0].name.clone())
                    }
                    _ => None,
                });
                let path = format!("path: ../out/{name}.csv");
                let by_all = |by: &[String]| {
                    let by = by.join(", ");
                    parts.replace(&path, &format!("path: ../out/by_{name}, partition_by: [{by}]"))
                };
                let mut by: Vec<String> = Vec::new();
                for field in fields {
                    let tried = [by.clone(), vec![field]].concat();
                    write(&by_all(&tried));
                    let checked = optin::check_file(file, &optin::RunOptions::default());
                    if by.len() < 2 && checked.is_ok() {
                        by = tried;
                    }
                }
                if !by.is_empty() {
                    parts = by_all(&by);
                    one = one.replace(&path, &format!("path: ../out/{name}.parquet"));
                    divided.push((name.into_owned(), by));
                }
            }
            let run = |text: &str| {
                write(text);
                let record = optin::run_file(file, &optin::RunOptions::default());
                serde_json::to_value(record.expect("a run").account).expect("JSON")
            };
            let mut found = Vec::new();
            if run(&one) != run(&parts) {
                found.push("the account is another one".to_owned());
            }
            for (name, by) in divided {
                let by: Vec<&str> = by.iter().map(String::as_str).collect();
                let one = dir.join(format!("out/{name}.parquet"));
                let (columns, due) = grouped(&one, &by);
                let is = rows_in(&dir.join(format!("out/by_{name}")), &by, &columns);
                if is != due {
                    found.push(format!("{name} by {by:?}:\n    {is:?}\n    {due:?}"));
                }
                seen.set((seen.get().0 + 1, seen.get().1 + due.len()));
            }
            found
        });
        if found.is_empty() { Ok(()) } else { Err((found, vec![kept])) }
    });
    let (exports, partitions) = seen.get();
    eprintln!("{exports} exports with {partitions} partitions");
    assert!(partitions > exports, "{exports} exports with {partitions} partitions");
}

#[test]
fn duckdb_reads_the_folder_with_its_columns() {
    let Some(mut duck) = Duck::start() else {
        eprintln!("skipped: no Python with DuckDB");
        return;
    };
    for by in ["town", "points, born", "vip, town"] {
        let folder = Folder::new();
        folder.write("pipeline.yaml", pipeline(&format!("[{by}]"), COLUMNS));
        write_people(&folder, 300, &|number| number % 7 == 3);
        folder.optin(&["run", "pipeline.yaml"]).done();
        let all = "customer_id, CAST(town AS VARCHAR) AS town, mail, CAST(points AS BIGINT) AS points, \
                   CAST(vip AS BOOLEAN) AS vip, CAST(born AS DATE) AS born, score";
        let read = |from: &str, to: &str| {
            format!(
                "COPY (SELECT {all} FROM {from} ORDER BY customer_id) TO '{}' (FORMAT csv);",
                folder.at(to).display()
            )
        };
        let at = |path: &str| folder.at(path).display().to_string();
        let parts = format!(
            "read_parquet('{}', hive_partitioning = true, hive_types_autocast = false)",
            at("out/by/**/*.parquet")
        );
        let one = format!("read_parquet('{}')", at("out/one.parquet"));
        let sql = read(&parts, "parts.csv") + &read(&one, "one.csv");
        assert_eq!(duck.run(&sql, 2), Ok(()));
        assert!(folder.read("parts.csv").lines().count() > 200);
        let lines =
            |name: &str| folder.read(name).lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(lines("parts.csv"), lines("one.csv"), "by {by}");
    }
}
