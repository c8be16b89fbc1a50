//! `optin run --engine spark`: what it says where it cannot, and that it publishes what the engine does or
//! nothing, on each server that `OPTIN_SPARK_REMOTE` names. The program must be built with the feature
//! `spark`; else there is one test, of what it says then.

use crate::support::Folder;

const PEOPLE: &str =
    "id,email\n1,ann@example.com\n2,bob@example.com\n3,cid@example.com\n4,Åsa@example.com\n";
const CONSENTS: &str = "email,newsletter,at\nann@example.com,yes,2026-01-02\nbob@example.com,yes,2026-01-02\nbob@example.com,no,2026-02-03\ncid@example.com,no,2026-01-02\ncid@example.com,yes,2026-02-03\nåsa@example.com,yes,2026-02-03\n";
const PIPELINE: &str = "version: 1
name: shop
as_of: 2026-11-24
sources:
  - { name: people, path: people.csv }
  - { name: consents, path: consents.csv, types: { at: datetime } }
keys: [{ field: email, normalize: email }]
customers:
  - { source: people, id: id, fields: { email: email } }
consent:
  purposes: [{ name: newsletter, via: email, model: opt_in }]
  tables:
    - { source: consents, match: { email: email }, values: { newsletter: newsletter }, at: at }
segments: [{ name: news, consent: newsletter }]
exports: [{ segment: news, path: out/news.csv, columns: [email] }]
outputs: { segments: out/segments.csv }
";

pub fn shop() -> Folder {
    Folder::with(&[("people.csv", PEOPLE), ("consents.csv", CONSENTS), ("p.yaml", PIPELINE)])
}

#[cfg(not(feature = "spark"))]
#[test]
fn a_program_without_the_client_says_so() {
    let folder = shop();
    let run = folder.optin(&["run", "p.yaml", "--engine", "spark", "--remote", "sc://nowhere:1"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.starts_with("error[not-built-in]"), "{}", run.stderr);
    assert!(run.stderr.contains("--features spark"), "{}", run.stderr);
    assert!(run.stderr.contains("compile --dialect spark"), "{}", run.stderr);
    assert!(!folder.at("out").exists());
}

#[test]
fn options_of_the_other_engine_are_refused() {
    let folder = shop();
    let remote = ["--engine", "spark", "--remote", "sc://nowhere:1"];
    for (given, wanted) in [
        (&["--engine", "spark"][..], "--remote"),
        (&["--remote", "sc://nowhere:1"], "'--remote' is an option of"),
        (&["--work", "w"], "'--work' is an option of"),
        (&["--max-keys", "1"], "'--max-keys' is an option of"),
        (&[&remote[..], &["--no-report"]].concat(), "'--no-report' means nothing"),
        (&[&remote[..], &["--limit-memory", "2GB"]].concat(), "'--limit-memory' means nothing"),
    ] {
        let run = folder.optin(&[&["run", "p.yaml"], given].concat());
        assert_eq!(run.code, 2, "{given:?}: {}", run.stderr);
        assert!(run.stderr.contains(wanted), "{given:?}: {}", run.stderr);
        assert!(!folder.at("out").exists(), "{given:?}");
    }
}

#[cfg(feature = "spark")]
mod with_a_client {
    use std::fs;
    use std::path::Path;

    use optin::diagnostics::Code;
    use optin::sql::spark::Step;
    use optin::sql::{Places, spark as job_of};
    use serde_json::Value as Json;

    use super::{CONSENTS, PEOPLE, PIPELINE, shop};
    use crate::cases::generate_plain;
    use crate::harness::{in_folder, load_plan, run_engine};
    use crate::spark::{differences, texts};
    use crate::sql::example;
    use crate::support::{Folder, Run, optin};

    /// How many random cases a server gets.
    const CASES: u64 = 10;

    fn servers(test: &str) -> Vec<String> {
        let all = std::env::var("OPTIN_SPARK_REMOTE").unwrap_or_default();
        let all: Vec<String> = all.split_whitespace().map(str::to_owned).collect();
        if all.is_empty() {
            eprintln!("skipped {test}: no server of Spark Connect (OPTIN_SPARK_REMOTE names some)");
        }
        all
    }

    fn run(remote: &str, folder: &Path, file: &str) -> Run {
        optin(folder, &["run", file, "--engine", "spark", "--remote", remote, "--json"])
    }

    /// Nothing of a run is left but what it published.
    fn assert_clean(folder: &Folder) {
        let left = folder.files();
        let odd: Vec<_> = left.iter().filter(|name| name.contains("optin-")).collect();
        assert!(odd.is_empty() && !folder.at(".optin-spark").exists(), "{left:?}");
    }

    /// The sum of a segment's verdicts, for each segment.
    fn sums(run: &Json) -> Vec<u64> {
        let segments = run["segments"].as_array().expect("segments");
        let sum = |segment: &Json| {
            let verdicts = segment["verdicts"].as_object().expect("verdicts");
            verdicts.values().map(|count| count.as_u64().expect("a number")).sum()
        };
        segments.iter().map(sum).collect()
    }

    #[test]
    fn a_server_that_is_not_there_is_told_without_its_token() {
        let folder = shop();
        let remote = "sc://127.0.0.1:1/;token=secret";
        let run = folder.optin(&["run", "p.yaml", "--engine", "spark", "--remote", remote]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.starts_with("error[server-failed]"), "{}", run.stderr);
        assert!(run.stderr.contains("sc://127.0.0.1:1"), "{}", run.stderr);
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
        assert_clean(&folder);
    }

    #[test]
    fn too_many_keys_are_refused_before_a_server_is_asked() {
        let people = format!("{PEOPLE}5,Øle@example.com\n");
        let files =
            [("people.csv", people.as_str()), ("consents.csv", CONSENTS), ("p.yaml", PIPELINE)];
        let folder = Folder::with(&files);
        let args = ["--engine", "spark", "--remote", "sc://127.0.0.1:1", "--max-keys", "1"];
        let run = folder.optin(&[&["run", "p.yaml"], &args[..]].concat());
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.starts_with("error[key-limit]"), "{}", run.stderr);
        assert!(
            run.stderr.contains("`email`") && !run.stderr.contains("example.com"),
            "{}",
            run.stderr
        );
        assert_clean(&folder);
    }

    #[test]
    fn example_pipelines_run_on_spark_as_they_do_here() {
        for remote in servers("example pipelines run on Spark") {
            for name in ["quickstart", "contoso"] {
                let (folder, file) = example(name);
                let file = file.to_str().expect("a path");
                folder.optin(&["run", "--quiet", file]).done();
                let wanted = texts(&folder.at("out"));
                fs::remove_dir_all(folder.at("out")).expect("the engine wrote it");
                let run = run(&remote, folder.path(), file).done().json();
                let given = texts(&folder.at("out"));
                assert!(!given.is_empty(), "{name}");
                for (file, rows) in &given {
                    assert_eq!(Some(rows), wanted.get(file), "{name}, {remote}: {file}");
                }
                let profiles = run["profiles"].as_u64().expect("a number");
                assert!(sums(&run).iter().all(|sum| *sum == profiles), "{run}");
                assert_clean(&folder);
            }
        }
    }

    #[test]
    fn random_plain_cases_run_on_spark_as_they_do_here() {
        for remote in servers("random plain cases run on Spark") {
            let mut compared = 0;
            for seed in 0..CASES {
                let case = generate_plain(seed);
                let (found, folder) = in_folder(&case, |dir, file| {
                    let plan = load_plan(file);
                    let engine = run_engine(dir, file, case.exports, None);
                    fs::remove_dir_all(dir.join("out")).expect("the engine wrote it");
                    let run = run(&remote, dir, file.to_str().expect("a path"));
                    match run.code {
                        0 => Some(differences(&dir.join("out"), &plan, &engine)),
                        // What cannot be said, or ends by a guard, is no difference.
                        _ if run.stdout.contains("\"sql-unsupported\"")
                            || run.stdout.contains("\"job-guard\"") =>
                        {
                            assert!(!dir.join("out").exists(), "{}", run.stdout);
                            None
                        }
                        _ => Some(vec![run.stdout]),
                    }
                });
                if let Some(found) = found {
                    assert!(
                        found.is_empty(),
                        "seed {seed}, {remote}: {found:#?} {:?}",
                        folder.keep()
                    );
                    compared += 1;
                }
            }
            eprintln!("{remote}: {compared} of {CASES} random cases");
            assert!(compared * 2 >= CASES, "{compared} of {CASES}");
        }
    }

    #[test]
    fn a_guard_leaves_the_old_outputs() {
        for remote in servers("a guard of a run on Spark") {
            let folder = shop();
            let first = run(&remote, folder.path(), "p.yaml").done().json();
            assert_eq!(first["segments"][0]["verdicts"]["in_segment"], 3, "{first}");
            let before = texts(&folder.at("out"));
            // A denial that stands on nobody's contact point ends a run.
            folder.write("consents.csv", format!("{CONSENTS}nobody,no,2026-01-02\n"));
            let second = run(&remote, folder.path(), "p.yaml");
            assert_eq!(second.code, 1, "{}", second.stdout);
            assert!(second.stdout.contains("\"job-guard\""), "{}", second.stdout);
            // A value whose key SQL cannot make may stand in what a server says.
            assert!(!second.stdout.contains("nobody,"), "{}", second.stdout);
            assert!(!second.stdout.contains("example.com"), "{}", second.stdout);
            assert_eq!(texts(&folder.at("out")), before);
            folder.write("consents.csv", CONSENTS);
            run(&remote, folder.path(), "p.yaml").done();
            assert_eq!(texts(&folder.at("out")), before);
            assert_clean(&folder);
        }
    }

    /// The job of `shop`, with one query of it changed, played in its folder.
    fn tampered(remote: &str, folder: &Folder, table: &str, from: &str, to: &str) -> Option<Code> {
        let mut plan = load_plan(&folder.at("p.yaml"));
        let keys = folder.at("keys");
        fs::create_dir(&keys).expect("a folder");
        // No key of these must be looked up.
        for field in 0..plan.fields.len() {
            let name = optin::sql::file_name(optin::plan::FieldId(field));
            fs::write(keys.join(name), "").expect("a file");
        }
        plan.outputs = optin::plan::Outputs::default();
        let mut job = job_of(&plan, &Places::default(), Some(&keys)).expect("it can be said");
        let mut changed = 0;
        for step in &mut job.steps {
            if let Step::Table { table: of, query } = step
                && of == table
            {
                changed += query.matches(from).count();
                *query = query.replace(from, to);
            }
        }
        assert!(changed > 0, "{table} does not say {from}");
        let work = folder.at("work");
        let setting = optin::spark::Setting { remote, work: &work, run: "test" };
        let outcome = optin::spark::run(&job, "2026-11-24", &setting);
        fs::remove_dir_all(&keys).expect("it is there");
        fs::remove_dir_all(&work).expect("the server wrote it");
        outcome.err().map(|faults| faults.0[0].code)
    }

    #[test]
    fn a_job_that_lets_somebody_out_who_may_not_is_stopped_by_the_proof() {
        let plain = "id,email\n1,ann@example.com\n2,bob@example.com\n3,cid@example.com\n4,dan@example.com\n";
        let said = CONSENTS.replace("åsa@example.com,yes,2026-02-03\n", "");
        let list = "email\ncid@example.com\n";
        let pipeline =
            PIPELINE.replace("keys:", "  - { name: never, path: never.csv }\nkeys:").replace(
                "segments: [",
                "  suppress:\n    - { source: never, match: { email: email } }\nsegments: [",
            );
        for remote in servers("the proof of a run on Spark") {
            let files = [
                ("people.csv", plain),
                ("consents.csv", said.as_str()),
                ("never.csv", list),
                ("p.yaml", pipeline.as_str()),
            ];
            let folder = Folder::with(&files);
            // Each of these is a mistake that somebody could make in a query.
            for (table, from, to) in [
                ("folds", "THEN 'denied'", "THEN 'granted'"),
                ("sets", "newest_denial >= newest_grant", "newest_denial <= newest_grant"),
                ("states", "'unknown' END", "'granted' END"),
                ("hits", "ON c.point = e.point", "ON c.point = e.point WHERE false"),
            ] {
                let code = tampered(&remote, &folder, table, from, to);
                assert_eq!(code, Some(Code::ProofFailed), "{remote}: {table}");
                assert!(!folder.at("out/news.csv").exists(), "{table}");
            }
            // The job as it is passes.
            assert_eq!(tampered(&remote, &folder, "folds", "THEN 'denied'", "THEN 'denied'"), None);
            assert!(folder.at("out/news.csv").exists());
        }
    }
}
