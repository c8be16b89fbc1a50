//! Fuzzing without instrumentation: pipeline files, rules, text sources and values that nobody would
//! write, made by changing those that somebody wrote.
//!
//! The corpus is what the repository holds: the pipelines, the fixtures of faults, the golden cases and
//! the known answers of normalizers. Whatever comes in, there must be no panic, no fault of the
//! engine, and no hang; what is refused must be said with a place. `OPTIN_CASES` says how many
//! cases each target has, `OPTIN_SEED` tries one alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use optin::normalize::{Chain, NORMALIZERS, Region};
use optin::{RunOptions, check_file, run_file};

use crate::cases::rng::Rng;
use crate::harness::try_seeds;
use crate::support::{files, root};

/// No case may take so long. It is no measure of speed: all take milliseconds.
const HANG: Duration = Duration::from_secs(20);

/// Texts that are likely to mean something where they land.
const TOKENS: [&str; 64] = [
    "version: 1",
    "sources:",
    "- {",
    "}",
    "[",
    "]",
    ": ",
    "\n  - ",
    "\n",
    "\t",
    "&a ",
    "*a",
    "!!str ",
    "!!python/object ",
    "<<: *a",
    "|",
    ">-",
    "---\n",
    "...\n",
    "#",
    "'",
    "\"",
    "\\",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\u{200b}",
    "é",
    "🦀",
    "null",
    "~",
    "true",
    "no",
    "-1",
    "1e999",
    "0x1F",
    "9223372036854775808",
    "NaN",
    "2026-02-30",
    "1900-01-01",
    "../..",
    "/dev/null",
    "http://x",
    "s3://x",
    "{{",
    "consent",
    "email",
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    "((((((((",
    "= NULL",
    "IS NULL",
    "LIKE '%'",
    "IN ()",
    "BETWEEN",
    "1/0",
    "today()",
    "days(1)",
    "--",
    ";",
    ",",
];

/// One text changed in some places; `others` lend parts.
fn changed(rng: &mut Rng, text: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..rng.between(1, 6) {
        let at = rng.below(text.len() + 1);
        let end = (at + rng.between(1, 40)).min(text.len());
        match rng.below(7) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, rng.pick(&TOKENS).bytes())),
            2 => drop(text.splice(at..end, rng.pick(&TOKENS).bytes())),
            3 => {
                let part = text[at..end].to_vec();
                let many = if rng.chance(5) { 400 } else { 1 };
                text.splice(at..at, part.repeat(many));
            }
            4 => {
                let other = rng.one_of(others);
                let from = rng.below(other.len() + 1);
                let upto = (from + rng.between(1, 200)).min(other.len());
                text.splice(at..at, other[from..upto].iter().copied());
            }
            5 => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = u8::try_from(rng.below(256)).expect("a byte");
                }
            }
            _ => text.truncate(at.max(1)),
        }
    }
    text
}

/// The folders of pipelines: each with its data, so that a changed pipeline gets far.
static FOLDERS: LazyLock<Vec<(tempfile::TempDir, Vec<u8>)>> = LazyLock::new(|| {
    let golden = fs::read_dir(root().join("tests/golden")).expect("the golden cases");
    let mut cases: Vec<PathBuf> =
        golden.map(|entry| entry.expect("a case").path()).filter(|path| path.is_dir()).collect();
    cases.sort_unstable();
    let copy = |case: &PathBuf| {
        let folder = tempfile::tempdir().expect("a folder");
        for name in files(case).into_iter().filter(|name| !name.starts_with("expected/")) {
            let to = folder.path().join(&name);
            fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            fs::copy(case.join(&name), to).expect("copied");
        }
        (folder, fs::read(case.join("pipeline.yaml")).expect("a pipeline"))
    };
    cases.iter().map(copy).collect()
});

/// All pipelines and fixtures of faults.
static TEXTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for folder in ["pipelines", "tests/diagnostics"] {
        let folder = root().join(folder);
        let yaml = files(&folder)
            .into_iter()
            .filter(|name| Path::new(name).extension().is_some_and(|e| e == "yaml"));
        texts.extend(yaml.map(|name| fs::read(folder.join(name)).expect("a file")));
    }
    texts.extend(FOLDERS.iter().map(|(_, text)| text.clone()));
    texts
});

/// Fails if a case takes too long; says what it was.
fn in_time<T>(what: &str, text: &[u8], body: impl FnOnce() -> T) -> Result<T, String> {
    let since = Instant::now();
    let made = body();
    if since.elapsed() > HANG {
        return Err(format!(
            "{what} took {:?}: {}",
            since.elapsed(),
            String::from_utf8_lossy(text)
        ));
    }
    Ok(made)
}

fn told(found: Result<(), String>) -> Result<(), (Vec<String>, Vec<tempfile::TempDir>)> {
    found.map_err(|fault| (vec![fault], Vec::new()))
}

/// A failure must say what is wrong without a word of the engine's own.
fn is_plain(failure: &optin::Failure, text: &[u8]) -> Result<(), String> {
    let said = failure.to_string();
    let broken = ["engine-fault", "account-fault", "verify-failed", "proof-failed"];
    match broken.iter().find(|code| said.contains(&format!("[{code}]"))) {
        Some(_) => Err(format!("{said}\nfor {}", String::from_utf8_lossy(text))),
        None if failure.faults.is_empty() => Err("it fails without a fault".to_owned()),
        None => Ok(()),
    }
}

#[test]
fn pipeline_files() {
    try_seeds(3000, |seed| {
        let mut rng = Rng::new(seed);
        let (folder, own) = rng.one_of(&FOLDERS);
        let base = if rng.chance(60) { own.clone() } else { rng.one_of(&TEXTS).clone() };
        let text = changed(&mut rng, &base, &TEXTS);
        let file = folder.path().join(format!("fuzz-{seed}.yaml"));
        fs::write(&file, &text).expect("written");
        let checked = in_time("check", &text, || check_file(&file, &RunOptions::default()));
        fs::remove_file(&file).expect("removed");
        told(checked.and_then(|checked| match checked {
            Ok(loaded) => {
                // Whatever passes can be told.
                let _ = optin::plan::explain(&loaded.plan);
                Ok(())
            }
            Err(failure) => is_plain(&failure, &text),
        }))
    });
}

const RULES: [&str; 12] = [
    "country = 'US' AND points >= 1000",
    "NOT (name LIKE 'A%' OR name IS NULL)",
    "points BETWEEN 1 AND 2 * 3 - 4 / 2",
    "name IN ('a', 'b', NULL) OR consent.news",
    "born <= today() - years(18)",
    "lower(name) = 'ann' AND length(name) > 2",
    "CASE WHEN points > 1 THEN TRUE ELSE FALSE END",
    "coalesce(points, 0) <> 0",
    "(((points = 1)))",
    "name = 'it''s' AND name != \"x\"",
    "points % 2 = 0 AND -points < +1",
    "born > DATE '2000-02-29' AND name NOT LIKE '%\\_%'",
];

#[test]
fn rules() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("c.csv"),
        "id,name,country,points,born,mail\n1,Ann,US,5,2000-02-29,a@x.com\n2,,,,,\n",
    )
    .expect("written");
    fs::write(folder.path().join("k.csv"), "mail,news\na@x.com,yes\n").expect("written");
    let others: Vec<Vec<u8>> = RULES.iter().map(|rule| rule.as_bytes().to_vec()).collect();
    try_seeds(4000, |seed| {
        let mut rng = Rng::new(seed);
        let rule = rng.pick(&RULES);
        let bytes = changed(&mut rng, rule.as_bytes(), &others);
        let rule = serde_json::to_string(&String::from_utf8_lossy(&bytes)).expect("a text");
        let pipeline = format!(
            "version: 1\nname: fuzz\nas_of: 2026-01-01T00:00:00Z\nout: out\n\
             sources: [{{ name: c, path: c.csv, types: {{ points: int, born: date }} }}, {{ name: k, path: k.csv }}]\n\
             customers: [{{ source: c, id: id, fields: {{ name: name, country: country, points: points, born: born, mail: mail }} }}]\n\
             consent: {{ purposes: [{{ name: news, via: mail, model: opt_in }}], tables: [{{ source: k, match: {{ mail: mail }}, values: {{ news: news }} }}] }}\n\
             segments: [{{ name: s, consent: news, where: {rule} }}]\n\
             exports: [{{ segment: s, path: out/s.csv, columns: [customer_id] }}]\n"
        );
        let file = folder.path().join("p.yaml");
        fs::write(&file, &pipeline).expect("written");
        let done = in_time("a rule", &bytes, || {
            if seed % 10 == 0 {
                run_file(&file, &RunOptions::default()).map(drop)
            } else {
                check_file(&file, &RunOptions::default()).map(drop)
            }
        });
        told(done.and_then(|done| done.or_else(|failure| is_plain(&failure, &bytes))))
    });
}

const SOURCES: [(&str, &str); 4] = [
    ("c.csv", "id,mail,points\n1,ann@x.com,5\n2,\"bob, \"\"b\"\"@x.com\",\n3,é@ü.de,-7\r\n"),
    ("c.tsv", "id\tmail\tpoints\n1\tann@x.com\t5\n2\tbob@x.com\t\n"),
    (
        "c.ndjson",
        "{\"id\": 1, \"mail\": \"ann@x.com\", \"points\": 5}\n{\"id\": \"2\", \"mail\": null}\n",
    ),
    ("c.csv", "\u{feff}id;mail;points\n1;ann@x.com;5\n"),
];

#[test]
fn text_sources() {
    let others: Vec<Vec<u8>> = SOURCES.iter().map(|(_, text)| text.as_bytes().to_vec()).collect();
    try_seeds(400, |seed| {
        let mut rng = Rng::new(seed);
        let (name, text) = rng.pick(&SOURCES);
        let bytes = changed(&mut rng, text.as_bytes(), &others);
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(name), &bytes).expect("written");
        let pipeline = format!(
            "version: 1\nname: fuzz\nout: out\n\
             sources: [{{ name: c, path: {name}, types: {{ points: int }} }}]\n\
             keys: [{{ field: mail, normalize: email }}]\n\
             customers: [{{ source: c, id: id, fields: {{ mail: mail, points: points }} }}]\n\
             identity: {{ link_on: [[mail]] }}\n\
             outputs: {{ profiles: out/p.csv, identity: out/i.csv, quarantine: out/q.csv }}\n"
        );
        let file = folder.path().join("p.yaml");
        fs::write(&file, pipeline).expect("written");
        let done = in_time("a source", &bytes, || run_file(&file, &RunOptions::default()));
        told(done.and_then(|done| match done {
            Ok(record) => {
                // Every record that was read is kept, merged or set aside: the account says so, and closes.
                let account = &record.account.customers[0];
                let aside = account.quarantined_no_id
                    + account.quarantined_duplicate_id
                    + account.quarantined_large_cluster;
                let sum = account.kept + account.merged + aside + account.dropped;
                (sum == account.read).then_some(()).ok_or_else(|| "rows are lost".to_owned())
            }
            Err(failure) => is_plain(&failure, &bytes),
        }))
    });
}

#[test]
fn normalizers() {
    let known: Vec<Vec<u8>> = NORMALIZERS
        .iter()
        .flat_map(|documented| documented.examples)
        .map(|example| example.input.as_bytes().to_vec())
        .collect();
    let regions = ["DE", "US", "GB", "CH"].map(Region::parse);
    try_seeds(20_000, |seed| {
        let mut rng = Rng::new(seed);
        let base = rng.one_of(&known).clone();
        let bytes = changed(&mut rng, &base, &known);
        let text = String::from_utf8_lossy(&bytes);
        let region = if rng.chance(50) { rng.pick(&regions) } else { None };
        let first = rng.one_of(NORMALIZERS).step.clone();
        let mut steps = vec![first];
        if rng.chance(30) {
            steps.push(rng.one_of(NORMALIZERS).step.clone());
        }
        let names = format!("{steps:?}");
        let chain = Chain::new(steps);
        let made = in_time(&names, &bytes, || {
            let key = chain.apply(&text, region).map(std::borrow::Cow::into_owned);
            let loose = chain.apply_loose(&text, region);
            (key, loose)
        });
        told(made.and_then(|(key, loose)| {
            let fault = |what: &str| Err(format!("{names}: {what}: {text:?}"));
            if key.as_deref() != loose.as_ref().map(|loose| loose.key.as_ref()) {
                return fault("the looser way gives another key");
            }
            if loose.is_some_and(|loose| !loose.reaches(&loose)) {
                return fault("a denial does not reach its own contact point");
            }
            match key {
                Some(key) if key.is_empty() => fault("an empty key"),
                Some(key)
                    if chain.steps().len() == 1
                        && chain.apply(&key, region).as_deref() != Some(&key) =>
                {
                    fault("a key is not its own key")
                }
                _ => Ok(()),
            }
        }))
    });
}
