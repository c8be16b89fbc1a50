//! Pipelines as jobs for Spark: that they give what the engine gives, on each server that
//! `OPTIN_SPARK_REMOTE` names. Without one the tests say that they skip it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cases::generate_plain;
use crate::duck::{Outcome, by_count};
use crate::harness::{in_folder, load_plan, run_engine};
use crate::spark::{Spark, check, guard_of, texts};
use crate::support::{Folder, files, root};

/// The servers, or one line that says that there are none.
fn servers(test: &str) -> Vec<Spark> {
    let all = Spark::all();
    for spark in &all {
        eprintln!("{test}: {}", spark.name);
    }
    if all.is_empty() {
        eprintln!("skipped {test}: no server of Spark Connect (OPTIN_SPARK_REMOTE names some)");
    }
    all
}

/// How many random cases each server gets.
fn cases() -> u64 {
    let wanted = std::env::var("OPTIN_SPARK_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(30)
}

/// Runs a pipeline by the engine and by Spark, and compares the text files that the job wrote. Says
/// why there is none, if there is none.
fn both(spark: &mut Spark, folder: &Folder, file: &Path, args: &[&str]) -> Result<usize, String> {
    let name = file.to_str().expect("a path");
    let mut run = vec!["run", "--quiet", name];
    run.extend(args);
    folder.optin(&run).done();
    let out = folder.at("out");
    let wanted = texts(&out);
    let _ = fs::remove_dir_all(&out);
    let job = folder.at("job.py");
    let keys = folder.at("keys");
    let (job_name, keys) = (job.to_str().expect("a path"), keys.to_str().expect("a path"));
    let mut compile =
        vec!["compile", name, "--dialect", "spark", "--output", job_name, "--keys", keys];
    compile.extend(args);
    let compiled = folder.optin(&compile);
    if compiled.code == 2 {
        let first = compiled.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("error[sql-unsupported]"), "{name}: {}", compiled.stderr);
        return Err(first.to_owned());
    }
    compiled.done();
    if let Err(fault) = spark.run(&job, folder.path()) {
        return match guard_of(&fault) {
            Some(guard) => Err(guard.to_owned()),
            None => panic!("{name}, {}: {fault}", spark.name),
        };
    }
    let given = texts(&out);
    for (file, rows) in &given {
        let due = wanted.get(file).unwrap_or_else(|| panic!("{name}: the engine has no {file}"));
        assert_eq!(rows.len(), due.len(), "{name}, {}: {file}", spark.name);
        let first = rows.iter().zip(due).find(|(a, b)| a != b);
        assert_eq!(first, None, "{name}, {}: {file}", spark.name);
    }
    Ok(given.len())
}

#[test]
fn golden_cases_give_the_same_in_spark() {
    for mut spark in servers("golden cases in Spark") {
        let mut cases: Vec<PathBuf> = fs::read_dir(root().join("tests/golden"))
            .expect("the golden cases")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_dir() && !path.join("then.yaml").exists())
            .collect();
        cases.sort_unstable();
        let (mut same, mut skipped) = (Vec::new(), BTreeMap::new());
        for case in cases {
            let folder = Folder::new();
            for name in files(&case) {
                if !name.starts_with("expected/") {
                    folder.write(&name, fs::read(case.join(&name)).expect("a file"));
                }
            }
            let args = fs::read_to_string(case.join("args")).unwrap_or_default();
            let args: Vec<&str> = args.split_whitespace().collect();
            let name = case.file_name().expect("a name").to_string_lossy().into_owned();
            match both(&mut spark, &folder, &folder.at("pipeline.yaml"), &args) {
                Ok(0) => {
                    skipped.insert(name, "nothing to compare".to_owned());
                }
                Ok(files) => same.push((name, files)),
                Err(why) => {
                    skipped.insert(name, why);
                }
            }
        }
        eprintln!("{}: {} golden cases, skipped {skipped:#?}", spark.name, same.len());
        // So many could be said when this was written: fewer would be a loss.
        assert!(same.len() >= LEAST_GOLDEN, "{same:?}\nskipped {skipped:#?}");
    }
}

/// Golden cases that are at least compared.
const LEAST_GOLDEN: usize = 20;

#[test]
fn example_pipelines_give_the_same_in_spark() {
    for mut spark in servers("example pipelines in Spark") {
        for name in ["consent-single-table", "consent-separate-tables", "contoso"] {
            example(&mut spark, name);
        }
    }
}

#[test]
fn quickstart_gives_the_same_in_spark() {
    for mut spark in servers("quickstart in Spark") {
        example(&mut spark, "quickstart");
    }
}

fn example(spark: &mut Spark, name: &str) {
    let folder = Folder::new();
    symlink(root().join("data"), folder.at("data")).expect("a link");
    let text = fs::read_to_string(root().join(format!("pipelines/{name}.yaml")));
    folder.write(&format!("pipelines/{name}.yaml"), text.expect("a pipeline"));
    let file = folder.at(&format!("pipelines/{name}.yaml"));
    let files = both(spark, &folder, &file, &[]).expect(name);
    assert!(files >= 1, "{name}");
}

#[test]
fn random_plain_cases_give_the_same_in_spark() {
    for mut spark in servers("random plain cases in Spark") {
        let cases = cases();
        let (mut compared, mut skipped) = (0, BTreeMap::new());
        let mut different = Vec::new();
        for seed in 0..cases {
            let case = generate_plain(seed);
            let (outcome, folder) = in_folder(&case, |dir, file| {
                let plan = load_plan(file);
                let engine = run_engine(dir, file, case.exports, None);
                check(&mut spark, dir, file, &plan, &engine, true)
            });
            match outcome {
                Outcome::Compared(found) if found.is_empty() => compared += 1,
                Outcome::Compared(found) => {
                    different.push((seed, folder.keep(), found));
                }
                Outcome::Skipped(why) => *skipped.entry(why).or_default() += 1,
            }
        }
        eprintln!("{}: {compared} of {cases}; {:?}", spark.name, by_count(&skipped));
        assert!(different.is_empty(), "{}: {different:#?}", spark.name);
        assert!(compared * 2 >= cases, "{compared} of {cases}; {:?}", by_count(&skipped));
    }
}

/// Each record is linked to the next one by one rule, and to the one before by the other.
#[test]
fn a_chain_of_100_000_records_is_one_cluster_in_spark() {
    const RECORDS: usize = 100_000;
    for mut spark in servers("a chain in Spark") {
        let mut rows = String::from("id,a,b\n");
        for at in 0..RECORDS {
            // Ids do not ascend along the chain, so the smallest lies anywhere.
            let id = at * 48_271 % 1_000_003;
            let _ = writeln!(rows, "{id},a{},b{}", at / 2, at.div_ceil(2));
        }
        let pipeline = "version: 1\nname: chain\nas_of: 2026-11-24\nsources: [{ name: people, path: people.csv }]\ncustomers: [{ source: people, id: id, fields: { a: a, b: b } }]\nidentity: { link_on: [[a], [b]] }\nsegments: [{ name: all, consent: none, because: a test }]\noutputs: { segments: out/segments.csv }\n";
        let folder = Folder::with(&[("people.csv", &rows), ("p.yaml", pipeline)]);
        both(&mut spark, &folder, &folder.at("p.yaml"), &[]).expect("it is said");
    }
}
