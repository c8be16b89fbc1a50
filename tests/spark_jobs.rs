//! Pipelines as jobs for Spark: that they give what the engine gives, on each server that
//! `OPTIN_SPARK_REMOTE` names. Without one the tests say that they skip it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::cases::generate_plain;
use crate::duck::{Outcome, by_count};
use crate::harness::{in_folder, load_plan, run_engine};
use crate::spark::{Spark, check, guard_of, texts};
use crate::spark_run::shop;
use crate::sql::{Golden, chain, example, golden_cases};
use crate::support::Folder;

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

/// The seeds of the random cases that each server gets: `OPTIN_SPARK_CASES` of them, from `OPTIN_SPARK_SEED`.
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let first = number("OPTIN_SPARK_SEED").unwrap_or(0);
    first..first + number("OPTIN_SPARK_CASES").unwrap_or(30)
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
        let (mut same, mut skipped) = (Vec::new(), BTreeMap::new());
        for Golden { name, folder, args } in golden_cases() {
            let args: Vec<&str> = args.split_whitespace().collect();
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
            compare_example(&mut spark, name);
        }
    }
}

#[test]
fn quickstart_gives_the_same_in_spark() {
    for mut spark in servers("quickstart in Spark") {
        compare_example(&mut spark, "quickstart");
    }
}

fn compare_example(spark: &mut Spark, name: &str) {
    let (folder, file) = example(name);
    let files = both(spark, &folder, &file, &[]).expect(name);
    assert!(files >= 1, "{name}");
}

#[test]
fn random_plain_cases_give_the_same_in_spark() {
    for mut spark in servers("random plain cases in Spark") {
        let seeds = seeds();
        let cases = seeds.end - seeds.start;
        let (mut compared, mut skipped) = (0, BTreeMap::new());
        let mut different = Vec::new();
        for seed in seeds.clone() {
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
        eprintln!(
            "{}: {compared} of {cases} from {}; {:?}",
            spark.name,
            seeds.start,
            by_count(&skipped)
        );
        assert!(different.is_empty(), "{}: {different:#?}", spark.name);
        assert!(compared * 2 >= cases, "{compared} of {cases}; {:?}", by_count(&skipped));
    }
}

#[test]
fn a_job_that_lets_somebody_out_who_may_not_publishes_nothing() {
    for mut spark in servers("the proof of a job in Spark") {
        let folder = shop();
        folder.write("out/keep", "");
        let args = ["--dialect", "spark", "--keys", "keys", "--output", "job.py"];
        folder.optin(&[&["compile", "p.yaml"], &args[..]].concat()).done();
        let job = folder.read("job.py");
        for (from, to) in [
            // Mistakes that somebody could make in a query.
            ("THEN 'denied'", "THEN 'granted'"),
            ("newest_denial >= newest_grant", "newest_denial <= newest_grant"),
        ] {
            assert!(job.contains(from), "the job does not say {from}");
            folder.write("job.py", job.replace(from, to));
            let fault = spark.run(&folder.at("job.py"), folder.path());
            let fault = fault.expect_err("somebody leaves who denied");
            assert!(fault.contains("whom the consent sources do not allow"), "{fault}");
            assert!(texts(&folder.at("out")).is_empty(), "{:?}", folder.files());
        }
        folder.write("job.py", job);
        spark.run(&folder.at("job.py"), folder.path()).expect("it is as it was made");
        assert!(!texts(&folder.at("out")).is_empty());
    }
}

#[test]
fn a_chain_of_100_000_records_is_one_cluster_in_spark() {
    for mut spark in servers("a chain in Spark") {
        let folder = chain();
        both(&mut spark, &folder, &folder.at("p.yaml"), &[]).expect("it is said");
    }
}
