//! Pipelines as SQL: the text of jobs, what is refused and where, and, where there is a DuckDB, that
//! it gives what the engine gives.
//!
//! `tests/sql/NAME.sql` is the job of an example pipeline, and `tests/sql/refused.txt` what users see
//! of each refusal; `OPTIN_BLESS=1` writes them anew. `OPTIN_DUCKDB_PYTHON` names a Python that has
//! the module `duckdb`; without it `python3` is asked, and where that has none the jobs are not run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::cases::generate_plain;
use crate::duck::{Duck, Outcome, by_count, check};
use crate::harness::{in_folder, load_plan, run_engine};
use crate::support::{Folder, NEWS, files, root};

/// A DuckDB, or one line that says that there is none.
fn duck(test: &str) -> Option<Duck> {
    let duck = Duck::start();
    match &duck {
        Some(duck) => eprintln!("{test}: DuckDB {}", duck.version),
        None => eprintln!("skipped {test}: no Python with DuckDB (OPTIN_DUCKDB_PYTHON names one)"),
    }
    duck
}

/// The job of a folder's `p.yaml`.
fn job_of(folder: &Folder) -> String {
    let (file, options) = (folder.at("p.yaml"), optin::RunOptions::default());
    optin::compile_file(&file, &options, optin::sql::Dialect::Duckdb, None, None)
        .expect("it compiles")
}

/// A folder with the example pipelines and their data.
fn examples() -> Folder {
    let folder = Folder::new();
    for name in ["data", "pipelines"] {
        symlink(root().join(name), folder.at(name)).expect("a link");
    }
    folder
}

fn is_blessing() -> bool {
    std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1")
}

/// Holds a text against the file that should have it.
fn expect_text(name: &str, text: &str) {
    let path = root().join("tests/sql").join(name);
    if is_blessing() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file is written");
        return;
    }
    let due = fs::read_to_string(&path).unwrap_or_default();
    let lines = due.lines().zip(text.lines()).enumerate();
    let first = lines.clone().find(|(_, (due, is))| due != is);
    assert!(due == text, "{name} differs, first at {first:?}\nOPTIN_BLESS=1 writes it anew");
}

#[test]
fn the_jobs_of_examples_are_as_they_were() {
    let folder = examples();
    for (name, keys) in
        [("consent-single-table", false), ("consent-separate-tables", false), ("contoso", true)]
    {
        let file = format!("pipelines/{name}.yaml");
        let mut args = vec!["compile", &file, "--dialect", "duckdb"];
        if keys {
            args.extend(["--keys", "keys"]);
        }
        let run = folder.optin(&args).done();
        expect_text(&format!("{name}.sql"), &run.stdout);
    }
}

/// The pipeline that is refused in parts, and what stands in it otherwise.
const BASE: &str = "version: 1
name: refused
as_of: 2026-11-24T00:00:00Z
sources:
  - { name: people, path: people.csv, types: { seen: SEEN }SOURCE }
  - { name: said, path: said.csv }
keys:
  - { field: email, normalize: email }
  - { field: name, normalize: NORMALIZE }
customers:
  - { source: people, id: id, fields: { email: email, name: name, seen: seen } }
IDENTITYconsent:
  purposes: [{ name: news, via: email, model: opt_in }]
  tables: [{ source: said, match: { email: email }, values: { news: news } }]
segments:
  - { name: news, consent: news }
OUTPUTSexports:
  - { segment: news, path: news.csv, columns: [customer_id, emailCOLUMNS] }
";

/// What is put into [`BASE`], by the word it stands for.
const REFUSED: [&[(&str, &str)]; 12] = [
    &[("NORMALIZE", "name")],
    &[("SOURCE", ", stale_after: 7 days")],
    &[("SOURCE", ", expect: { max_drop: 10% }")],
    &[("SEEN", "{ datetime: \"%d.%m.%Y %H:%M\" }")],
    &[("IDENTITY", "identity: { previous: before.csv }\n")],
    &[("IDENTITY", "groupings:\n  - { name: firm, link_on: [[name]] }\n"), ("COLUMNS", ", firm")],
    &[("news.csv", "news.ipc")],
    &[("news.csv", "news.xlsx")],
    &[(
        "emailCOLUMNS]",
        "email], guard_formulas: false, copy_to: { database: env:CRM, table: news }",
    )],
    &[("seen: seen }", "seen: seen, EMAIL: name }"), ("COLUMNS", ", EMAIL")],
    &[(
        "columns: [customer_id, emailCOLUMNS]",
        "audience: meta_custom_audience, columns: { email: email }",
    )],
    &[("OUTPUTS", "measures: [{ name: totals, compute: { customers: count } }]\n")],
];

#[test]
fn what_sql_cannot_say_is_refused_with_its_place() {
    let folder = Folder::with(&[
        ("people.csv", "id,email,name,seen\n1,a@x.org,A,\n"),
        ("said.csv", "email,news\na@x.org,yes\n"),
        ("before.csv", "source,namespace,id,customer_id\n"),
    ]);
    let defaults = [
        ("SEEN", "datetime"),
        ("SOURCE", ""),
        ("NORMALIZE", "lower"),
        ("IDENTITY", ""),
        ("OUTPUTS", ""),
        ("COLUMNS", ""),
    ];
    let written = |with: &[(&str, &str)]| {
        let mut text = BASE.to_owned();
        for (word, by) in with.iter().chain(&defaults) {
            text = text.replacen(word, by, 1);
        }
        folder.write("p.yaml", text);
        folder.optin(&["compile", "p.yaml", "--dialect", "duckdb"])
    };
    written(&[]).done();
    let mut all = String::new();
    for with in REFUSED {
        let run = written(with);
        assert_eq!(run.code, 2, "{with:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{with:?}");
        assert!(run.stderr.contains("error[sql-unsupported]"), "{}", run.stderr);
        assert!(run.stderr.contains("--> p.yaml:"), "{}", run.stderr);
        let _ = writeln!(all, "{with:?}\n{}", run.stderr);
    }
    expect_text("refused.txt", &all);
}

/// What ends a job is said by DuckDB, and nothing is written then.
#[test]
fn a_value_that_sql_cannot_say_ends_the_job_before_anything_is_written() {
    let Some(mut duck) = duck("values that SQL cannot say") else { return };
    let text = BASE
        .replacen("SEEN", "datetime", 1)
        .replacen("NORMALIZE", "lower", 1)
        .replace("IDENTITY", "")
        .replace("OUTPUTS", "")
        .replace("COLUMNS", "")
        .replace("SOURCE", "");
    for (people, said, why) in [
        ("1,a@x.org,A,\n", "a@x.org,yes\n", None),
        ("1,a@x.org,Ä,\n", "a@x.org,yes\n", Some("field name: a value whose key SQL cannot make")),
        ("1,a@bücher.de,A,\n", "a@x.org,yes\n", Some("field email: a value whose key")),
        ("1,a@xn--bcher-kva.de,A,\n", "a@x.org,yes\n", Some("field email: a value whose key")),
        ("1,a@x.org,A,yesterday\n", "a@x.org,yes\n", Some("column seen: a value does not read")),
        ("1,a@x.org,A,\n", "", Some("source said holds no records")),
        ("1,a@x.org,A,\n", "nobody,no\n", Some("a denial can be matched to nobody")),
    ] {
        let folder = Folder::with(&[
            ("people.csv", &format!("id,email,name,seen\n{people}")),
            ("said.csv", &format!("email,news\n{said}")),
            ("p.yaml", &text),
        ]);
        let job = job_of(&folder);
        match (duck.run(&job, 1), why) {
            (Ok(()), None) => assert!(folder.read("news.csv").contains("a@x.org")),
            (Err(fault), Some(why)) => {
                assert!(fault.contains("Error: optin: ") && fault.contains(why), "{fault}");
                assert!(!fault.contains("x.org"), "{fault}");
                assert!(!folder.at("news.csv").exists(), "{why}");
            }
            (given, why) => panic!("{given:?} instead of {why:?}"),
        }
    }
}

/// A job can hold values that the page hides, so it is its owner's; and it takes no other file's place.
#[test]
fn a_job_is_its_owners_and_never_an_input() {
    let folder = Folder::with(&[("p.yaml", NEWS), ("said.csv", "email,news\na@x.org,yes\n")]);
    let people = "id,email\n1,a@x.org\n";
    fs::write(folder.at("people.csv"), people).expect("a file");
    symlink("people.csv", folder.at("link.sql")).expect("a link");
    fs::create_dir(folder.at("folder.sql")).expect("a folder");
    let to = |file: &str| {
        folder.optin(&["compile", "p.yaml", "--dialect", "duckdb", "--output", file, "--json"])
    };
    let printed = folder.optin(&["compile", "p.yaml", "--dialect", "duckdb"]).done().stdout;
    fs::write(folder.at("job.sql"), "old").expect("a file");
    assert_eq!(to("job.sql").done().stdout, "");
    assert_eq!(folder.read("job.sql"), printed);
    let mode = fs::metadata(folder.at("job.sql")).expect("the job").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (file, code) in [
        ("p.yaml", "output-path"),
        ("people.csv", "output-path"),
        ("link.sql", "output-path"),
        ("folder.sql", "write-failed"),
        ("people.csv/job.sql", "write-failed"),
    ] {
        let refused = to(file);
        let given = refused.json()["faults"][0]["code"].clone();
        assert_eq!((refused.code, given.as_str()), (1, Some(code)), "{file}");
    }
    assert_eq!(folder.read("p.yaml"), NEWS);
    assert_eq!(folder.read("people.csv"), people);
    assert!(fs::symlink_metadata(folder.at("link.sql")).expect("the link").is_symlink());
}

/// Names that would end a string, an identifier, a comment or a statement.
const HOSTILE: &str = r#"version: 1
name: "x\n; DROP TABLE values; --"
as_of: 2026-11-24T00:00:00Z
sources:
  - { name: "it's", path: "da'ta \"1\".csv" }
  - { name: "b\"; DROP TABLE records; --", path: said.csv }
keys:
  - { field: "e\"mail'", normalize: email, never: ["'; SELECT error('x'); --@x.org"] }
customers:
  - { source: "it's", id: "i\"d'", namespace: "n'; --", fields: { "e\"mail'": "e-mail\"", "Case": "case", "case": "CASE" } }
consent:
  purposes: [{ name: "ne'ws\"", via: "e\"mail'", model: opt_in }]
  tables:
    - { source: "b\"; DROP TABLE records; --", match: { "e\"mail'": "m'" }, values: { "ne'ws\"": "v\";" }, words: { granted: ["j'a;--"], denied: ["n\"ein"] } }
segments:
  - { name: "S'1\"; --", consent: ["ne'ws\""] }
  - { name: "s'1\"; --", consent: ["ne'ws\""], where: "\"Case\" = 'it''s; --' OR \"case\" LIKE '%''%'" }
exports:
  - { segment: "s'1\"; --", path: "out'put.csv", columns: [customer_id, "e\"mail'", "Case"] }
"#;

#[test]
fn hostile_names_stay_names() {
    let folder = Folder::with(&[
        ("p.yaml", HOSTILE),
        (
            "da'ta \"1\".csv",
            "\"i\"\"d'\",\"e-mail\"\"\",case,CASE\n1,a@x.org,it's; --,x\n2,b@x.org,y,o'z\n3,c@x.org,q,q\n4,d@x.org,,'\n",
        ),
        (
            "said.csv",
            "m',\"v\"\";\"\na@x.org,J'A;--\nb@x.org,yes\nc@x.org,yes\nd@x.org,\"n\"\"ein\"\n",
        ),
    ]);
    let run = folder.optin(&["compile", "p.yaml", "--dialect", "duckdb"]).done();
    // Outside of quotes nothing of the names is left.
    let mut bare = String::new();
    for line in run.stdout.lines().filter(|line| !line.trim_start().starts_with("--")) {
        let mut within = None;
        for c in line.chars() {
            match within {
                None if c == '\'' || c == '"' => within = Some(c),
                None => bare.push(c),
                Some(quote) if c == quote => within = None,
                Some(_) => {}
            }
        }
        assert_eq!(within, None, "a quote is open at the end of {line}");
    }
    assert!(!bare.contains("DROP") && !bare.contains("--") && !bare.contains("SELECT error"));
    let Some(mut duck) = duck("hostile names") else { return };
    folder.optin(&["run", "--quiet", "p.yaml"]).done();
    let wanted = folder.read("out'put.csv");
    assert_eq!(wanted.lines().count(), 3, "{wanted}");
    fs::remove_file(folder.at("out'put.csv")).expect("it was written");
    let job = job_of(&folder);
    duck.run(&job, 1).expect("the job runs");
    assert_eq!(folder.read("out'put.csv"), wanted);
}

/// Runs a pipeline by the engine and by DuckDB, and compares the text files that the job wrote. Says
/// why there is none, if there is none.
fn both(duck: &mut Duck, folder: &Folder, file: &Path, args: &[&str]) -> Result<usize, String> {
    let name = file.to_str().expect("a path");
    let mut run = vec!["run", "--quiet", name];
    run.extend(args);
    folder.optin(&run).done();
    let wanted = texts(folder);
    let job = folder.at("job.sql");
    let keys = folder.at("keys");
    let (job_name, keys) = (job.to_str().expect("a path"), keys.to_str().expect("a path"));
    let mut compile =
        vec!["compile", name, "--dialect", "duckdb", "--output", job_name, "--keys", keys];
    compile.extend(args);
    let compiled = folder.optin(&compile);
    if compiled.code == 2 {
        let first = compiled.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("error[sql-unsupported]"), "{name}: {}", compiled.stderr);
        return Err(first.to_owned());
    }
    compiled.done();
    for name in wanted.keys() {
        fs::remove_file(folder.at(name)).expect("the engine wrote it");
    }
    match duck.run(&fs::read_to_string(&job).expect("a job"), 1) {
        Ok(()) => {}
        Err(fault) if fault.contains("Error: optin: ") => return Err(fault),
        Err(fault) => panic!("{name}: {fault}"),
    }
    let given = texts(folder);
    for (file, text) in &given {
        assert_eq!(Some(text), wanted.get(file), "{name}: {file}");
    }
    // Internal tables that a job leaves out are named in it.
    let left_out = ["identity", "quarantine", "provenance", "shared_keys", "conflicts", "profiles"];
    for file in wanted.keys().filter(|file| !given.contains_key(*file)) {
        assert!(left_out.iter().any(|table| file.contains(table)), "{name} did not write {file}");
    }
    Ok(given.len())
}

/// The text files of a folder's outputs.
fn texts(folder: &Folder) -> BTreeMap<String, String> {
    let is_text = |name: &&String| {
        let ends = |end: &str| Path::new(name.as_str()).extension().is_some_and(|e| e == end);
        name.starts_with("out/") && (ends("csv") || ends("tsv") || ends("ndjson"))
    };
    let all = files(folder.path());
    all.iter().filter(is_text).map(|name| (name.clone(), folder.read(name))).collect()
}

/// A golden case of one run.
pub struct Golden {
    pub name: String,
    /// Its files, but for what is expected.
    pub folder: Folder,
    /// Options of the run.
    pub args: String,
}

/// All golden cases of one run, by name.
pub fn golden_cases() -> impl Iterator<Item = Golden> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root().join("tests/golden"))
        .expect("the golden cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir() && !path.join("then.yaml").exists())
        .collect();
    cases.sort_unstable();
    cases.into_iter().map(|case| {
        let folder = Folder::new();
        for name in files(&case) {
            if !name.starts_with("expected/") {
                folder.write(&name, fs::read(case.join(&name)).expect("a file"));
            }
        }
        let args = fs::read_to_string(case.join("args")).unwrap_or_default();
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        Golden { name, folder, args }
    })
}

#[test]
fn golden_cases_give_the_same_in_duckdb() {
    let Some(mut duck) = duck("golden cases in DuckDB") else { return };
    let (mut same, mut skipped) = (Vec::new(), BTreeMap::new());
    for Golden { name, folder, args } in golden_cases() {
        let args: Vec<&str> = args.split_whitespace().collect();
        match both(&mut duck, &folder, &folder.at("pipeline.yaml"), &args) {
            // Some write none of the tables that jobs write.
            Ok(0) => {
                skipped.insert(name, "nothing to compare".to_owned());
            }
            Ok(files) => same.push((name, files)),
            Err(why) => {
                skipped.insert(name, why);
            }
        }
    }
    // So many could be said when this was written: fewer would be a loss.
    assert!(same.len() >= LEAST_GOLDEN, "{same:?}\nskipped {skipped:#?}");
}

/// Golden cases that are at least compared.
const LEAST_GOLDEN: usize = 28;

/// An example pipeline in a folder of its own, with the data beside it.
pub fn example(name: &str) -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder.link_data();
    let text = fs::read_to_string(root().join(format!("pipelines/{name}.yaml")));
    folder.write(&format!("pipelines/{name}.yaml"), text.expect("a pipeline"));
    let file = folder.at(&format!("pipelines/{name}.yaml"));
    (folder, file)
}

#[test]
fn example_pipelines_give_the_same_in_duckdb() {
    let Some(mut duck) = duck("example pipelines in DuckDB") else { return };
    for name in ["quickstart", "consent-single-table", "consent-separate-tables", "contoso"] {
        let (folder, file) = example(name);
        let files = both(&mut duck, &folder, &file, &[]).expect(name);
        assert!(files >= 1, "{name}");
    }
}

#[test]
fn random_plain_cases_give_the_same_in_duckdb() {
    const CASES: u64 = 30;
    let Some(mut duck) = duck("random plain cases in DuckDB") else { return };
    let (mut compared, mut skipped) = (0, BTreeMap::new());
    for seed in 0..CASES {
        let case = generate_plain(seed);
        let (outcome, folder) = in_folder(&case, |dir, file| {
            let plan = load_plan(file);
            let engine = run_engine(dir, file, case.exports, None);
            check(&mut duck, dir, file, &plan, &engine, false)
        });
        match outcome {
            Outcome::Compared(found) if found.is_empty() => compared += 1,
            Outcome::Compared(found) => {
                panic!("seed {seed}, kept in {}: {found:#?}", folder.keep().display())
            }
            Outcome::Skipped(why) => *skipped.entry(why).or_default() += 1,
        }
    }
    assert!(compared * 10 >= CASES * 9, "{compared} of {CASES}; {:?}", by_count(&skipped));
}

/// A pipeline of many records, of which each is linked to the next one by one rule, and to the one before
/// by the other.
pub fn chain() -> Folder {
    const RECORDS: usize = 100_000;
    let mut rows = String::from("id,a,b\n");
    for at in 0..RECORDS {
        // Ids do not ascend along the chain, so the smallest lies anywhere.
        let id = at * 48_271 % 1_000_003;
        let _ = writeln!(rows, "{id},a{},b{}", at / 2, at.div_ceil(2));
    }
    let pipeline = "version: 1\nname: chain\nas_of: 2026-11-24\nsources: [{ name: people, path: people.csv }]\ncustomers: [{ source: people, id: id, fields: { a: a, b: b } }]\nidentity: { link_on: [[a], [b]] }\nsegments: [{ name: all, consent: none, because: a test }]\noutputs: { segments: out/segments.csv }\n";
    Folder::with(&[("people.csv", &rows), ("p.yaml", pipeline)])
}

#[test]
fn a_chain_of_100_000_records_is_one_cluster() {
    let Some(mut duck) = duck("a chain in DuckDB") else { return };
    let folder = chain();
    both(&mut duck, &folder, &folder.at("p.yaml"), &[]).expect("it is said");
    assert_eq!(folder.read("out/segments.csv").lines().count(), 2);
}
