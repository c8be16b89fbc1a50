//! What must never be seen outside the outputs: every cell of every source here is a mark, so are values
//! of `never` in the pipeline file and secrets in the environment; then everything is made to fail that can
//! fail, with every command, in every voice. No mark may stand on stdout, on stderr or in a run record,
//! but in the answers of `why`, `receipt` and `forget` about whom they were asked.
//!
//! The codes of the registry that were seen on the way are counted: a fault that nobody made was not
//! looked at.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use optin::diagnostics::Code;
use serde_json::Value as Json;

use crate::faults::shop::{Seen, Texts, encode, play};
use crate::support::{Folder, command, files, root};

#[cfg(feature = "planted")]
mod planted;

/// Parts of all marks, in lower case.
const MARKS: [&str; 6] = ["zq7", "9081726", "1973-11-1", "4815162", "4815.162", "0.481516"];

/// The commands that take a pipeline file.
const COMMANDS: [&[&str]; 10] = [
    &["run", "FILE"],
    &["check", "FILE"],
    &["explain", "FILE"],
    &["why", "FILE", "--customer", "customer_id=00000000000000000000000000000000"],
    &["receipt", "FILE", "--customer", "customer_id=00000000000000000000000000000000"],
    &["forget", "FILE", "--customer", "customer_id=00000000000000000000000000000000"],
    &["bench", "FILE", "--runs", "1"],
    &["simulate", "FILE"],
    &["compile", "FILE", "--dialect", "duckdb"],
    &["check", "FILE", "--root", "nowhere-in-here"],
];

/// How a command may be asked to speak.
const VOICES: [&[&str]; 5] = [&[], &["--json"], &["-v"], &["-vv"], &["--json", "-vv"]];

/// Sees what is printed.
#[derive(Default)]
struct Watch {
    seen: Mutex<Sights>,
}

#[derive(Default)]
struct Sights {
    codes: BTreeSet<String>,
    runs: usize,
    failed: usize,
    problems: Vec<String>,
}

impl Watch {
    /// Runs the program and looks for marks, but those that are allowed.
    fn look(&self, folder: &Path, args: &[&str], allowed: &[&str]) -> Seen {
        self.look_with(folder, args, allowed, &[])
    }

    /// The same with variables in the environment, which plant faults.
    fn look_with(
        &self,
        folder: &Path,
        args: &[&str],
        allowed: &[&str],
        planted: &[(&str, String)],
    ) -> Seen {
        let mut program = command(folder);
        program.envs(planted.iter().map(|(name, value)| (name, value)));
        program.args(args).env("CANARY_SECRET", "zq7-secret-of-the-environment");
        let seen = play(&mut program).unwrap_or_else(|told| panic!("{args:?}: {told}"));
        let mut record = String::new();
        let is_record = |name: &String| name.ends_with("run.json") || name.ends_with("report.html");
        for name in files(folder).into_iter().filter(is_record) {
            record += &fs::read_to_string(folder.join(name)).unwrap_or_default();
        }
        let mut sights = self.seen.lock().expect("no panic");
        sights.runs += 1;
        sights.failed += usize::from(seen.code != Some(0));
        for (what, text) in
            [("stdout", &seen.stdout), ("stderr", &timeless(&seen.stderr)), ("run.json", &record)]
        {
            let mut text = text.to_lowercase();
            for allowed in allowed {
                text = text.replace(allowed, "");
            }
            let found = MARKS.into_iter().find(|mark| text.contains(mark));
            if let Some(mark) = found {
                let at = text.find(mark).unwrap_or_default();
                let around: String = text.chars().skip(at.saturating_sub(90)).take(180).collect();
                sights.problems.push(format!("{args:?}: {what} shows {mark}: ...{around}..."));
            }
        }
        let broke_off = planted.is_empty() && seen.stderr.contains("internal error");
        if seen.code.is_none_or(|code| code > 2) || broke_off {
            sights.problems.push(format!("{args:?}: breaks off: {}", seen.stderr));
        }
        if let Ok(json) = serde_json::from_str::<Json>(&seen.stdout) {
            for list in ["faults", "warnings"] {
                let faults = json[list].as_array().into_iter().flatten();
                sights.codes.extend(faults.filter_map(|of| of["code"].as_str().map(str::to_owned)));
            }
        }
        seen
    }

    /// A command in every voice that it has.
    fn voices(&self, folder: &Path, args: &[&str]) {
        for voice in VOICES {
            self.look(folder, &[args, voice].concat(), &[]);
        }
        if args[0] == "run" {
            self.look(folder, &[args, &["--quiet"]].concat(), &[]);
        }
    }

    /// A pipeline file with every command; `run` and `check` in every voice.
    fn everything(&self, folder: &Path, file: &str) {
        for command in COMMANDS {
            let args: Vec<&str> =
                command.iter().map(|word| if *word == "FILE" { file } else { word }).collect();
            if ["run", "check"].contains(&args[0]) {
                self.voices(folder, &args);
            } else {
                self.look(folder, &args, &[]);
                self.look(folder, &[&args, VOICES[4]].concat(), &[]);
            }
        }
    }
}

/// Log lines without the time at their start, of which a part may be a mark by chance.
fn timeless(log: &str) -> String {
    let line = |line: &str| match line.split_once("Z ") {
        Some((time, rest)) if time.parse::<jiff::civil::DateTime>().is_ok() => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    log.lines().map(line).fold(String::new(), |all, line| all + &line)
}

/// Persons `a`, `b` and `c`.
fn people() -> Texts {
    let header = vec![
        "id", "mail", "phone", "name", "born", "seen", "points", "sum", "share", "active", "token",
    ];
    let row = |(number, who): (usize, &str)| {
        vec![
            format!("Zq7-id-{who}"),
            format!("zq7{who}@marks.example"),
            format!("+49 30 9081726{number}"),
            format!("Zq7name{who}"),
            format!("1973-11-1{number}"),
            format!("1973-12-0{number}T10:20:30Z"),
            format!("4815162{number}"),
            format!("4815.162{number}"),
            format!("0.481516{number}"),
            "true".to_owned(),
            format!("token_zq7{who}"),
        ]
    };
    (header, ["a", "b", "c"].into_iter().enumerate().map(|(n, who)| row((n + 1, who))).collect())
}

fn consent() -> Texts {
    let row = |who: &str, word: &str| {
        vec![format!("zq7{who}@marks.example"), word.to_owned(), "2026-01-02T03:04:05Z".to_owned()]
    };
    (
        vec!["mail", "news", "at"],
        vec![row("a", "yes"), row("b", "no"), row("c", "zq7-no-word"), row("a", "yes")],
    )
}

fn bounces() -> Texts {
    (vec!["mail", "why"], vec![vec!["zq7c@marks.example".to_owned(), "zq7-reason".to_owned()]])
}

const PIPELINE: &str = "version: 1
name: marks
as_of: 2026-06-01T00:00:00Z
out: out
sources:
  - { name: people, path: people.EXT, TYPES }
  - { name: consent, path: consent.EXT, AT }
  - { name: bounces, path: bounces.EXT }
keys:
  - { field: mail, normalize: email, never: [zq7-never@marks.example, \"Zq7 never, too\"] }
  - field: phone
    never:
      - +49 30 90817260
      # zq7-never in a comment
      - 'zq7never'
    normalize: { phone: { region: DE } }
  - { field: name, normalize: [lower, { alias: { file: alias.csv } }], never: [Zq7nobody] }
customers:
  - source: people
    id: id
    fields: { mail: mail, phone: phone, name: name, born: born, points: points, token: token, seen: seen }
identity: { link_on: [[mail], [phone, name]] }
consent:
  purposes: [{ name: news, via: mail, model: opt_in }]
  tables: [{ source: consent, match: { mail: mail }, values: { news: news }, at: at }]
  suppress: [{ source: bounces, match: { mail: mail } }]
segments:
  - { name: all, consent: news }
  - { name: few, consent: news, where: \"name <> 'x'\" }
outputs: { profiles: out/profiles.csv, identity: out/identity.csv, quarantine: out/quarantine.csv }
exports:
  - { segment: all, path: out/all.csv, columns: [customer_id, mail, name] }
  - { segment: few, path: out/few.ndjson, columns: [mail, token] }
  - { segment: few, path: out/by, partition_by: [born], columns: [mail, born] }
";

const TYPES: &str =
    "types: { born: date, seen: datetime, points: int, sum: decimal, share: float, active: bool }";

/// A folder of which every cell is a mark, in a format; text is typed.
fn marked(format: &str) -> Folder {
    let folder = Folder::new();
    let typed = !["parquet", "ipc"].contains(&format);
    let text = PIPELINE
        .replace("EXT", format)
        .replace(", TYPES", &if typed { format!(", {TYPES}") } else { String::new() })
        .replace(", AT", if typed { ", types: { at: datetime }" } else { "" });
    // Stored columns are texts here; a time must be one.
    let text = if typed { text } else { text.replace(", at: at }", " }") };
    folder.write("pipeline.yaml", text);
    write(&folder, "people", format, &people());
    write(&folder, "consent", format, &consent());
    write(&folder, "bounces", format, &bounces());
    folder.write("alias.csv", "written,means\nZq7bill,zq7william\n");
    folder
}

fn write(folder: &Folder, name: &str, format: &str, table: &Texts) {
    folder.write(&format!("{name}.{format}"), encode(table, format));
}

fn replace(folder: &Folder, file: &str, from: &str, to: &str) {
    let text = folder.read(file);
    assert!(text.contains(from), "{file} does not hold {from:?}");
    folder.write(file, text.replacen(from, to, 1));
}

const FORMATS: [&str; 5] = ["csv", "ndjson", "parquet", "ipc", "csv.gz"];

/// Nothing is wrong: runs, plans, answers and what is verified.
fn all_is_well(watch: &Watch) {
    for format in FORMATS {
        let folder = marked(format);
        watch.everything(folder.path(), "pipeline.yaml");
        let done = watch.look(folder.path(), &["run", "pipeline.yaml"], &[]);
        assert_eq!(done.code, Some(0), "{format}: {}", done.stderr);
        let leaves = folder.read("out/all.csv").to_lowercase();
        assert!(leaves.contains("zq7a@marks.example"), "{format}: outputs hold marks: {leaves}");
        watch.voices(folder.path(), &["run", "pipeline.yaml", "--replay", "2026-06-01"]);
        watch.voices(folder.path(), &["run", "pipeline.yaml", "--out", "elsewhere"]);
        watch.look(folder.path(), &["run", "pipeline.yaml"], &[]);
        for change in [0, 1, 2] {
            match change {
                0 => {}
                1 => folder.write(&format!("consent.{format}"), "zq7"),
                _ => fs::remove_file(folder.at("out/all.csv")).expect("removed"),
            }
            for voice in VOICES {
                watch.look(folder.path(), &[&["verify", "out/run.json"], voice].concat(), &[]);
            }
        }
        for file in [format!("people.{format}"), "alias.csv".to_owned(), "pipeline.yaml".to_owned()]
        {
            for voice in VOICES {
                watch.look(folder.path(), &[&["verify", file.as_str()], voice].concat(), &[]);
            }
        }
    }
}

/// Commands that tell of one person.
const PERSONAL: [&str; 3] = ["why", "receipt", "forget"];

/// `why` and its kin tell of whom they were asked, and of nobody else; where it fails of nobody.
fn answers(watch: &Watch) {
    for format in FORMATS {
        let folder = marked(format);
        // All that is known of a; of whom to ask is said again by the answer.
        let of_a: Vec<String> = {
            let row = &people().1[0];
            let keys = ["+49309081726", "zq7namea", "zq7a", "zq7-id-a"].map(str::to_owned);
            let cells = row.iter().map(|cell| cell.to_lowercase());
            let bare = row[2].replace(' ', "");
            cells.chain([bare.clone(), format!("{bare}1")]).chain(keys).collect()
        };
        let allowed: Vec<&str> = of_a.iter().map(String::as_str).collect();
        for asked in [
            "mail=zq7a@marks.example",
            "people=Zq7-id-a",
            "name=Zq7namea",
            "points=48151621",
            "token=token_zq7a",
        ] {
            for (command, voice) in
                PERSONAL.iter().flat_map(|of| VOICES.iter().map(move |voice| (*of, *voice)))
            {
                let args = [&[command, "pipeline.yaml", "--customer", asked], voice].concat();
                let seen = watch.look(folder.path(), &args, &allowed);
                assert_eq!(seen.code, Some(0), "{asked}: {}", seen.stderr);
                // The log is no answer.
                assert!(!seen.stderr.to_lowercase().contains("zq7"), "{asked}: {}", seen.stderr);
            }
        }
        for wrong in [
            "zq7a@marks.example",
            "mail=",
            "customer_id=zq7",
            "customer_id=0123456789abcdef0123456789abcdef",
            "nobody=1",
        ] {
            for (command, voice) in
                PERSONAL.iter().flat_map(|of| VOICES.iter().map(move |voice| (*of, *voice)))
            {
                let args = [&[command, "pipeline.yaml", "--customer", wrong], voice].concat();
                watch.look(folder.path(), &args, &[]);
            }
        }
        for voice in VOICES {
            let asked = ["why", "pipeline.yaml", "--customer", "mail=x@y.org", "--segment", "none"];
            watch.look(folder.path(), &[&asked, voice].concat(), &[]);
        }
        // A source of which some cell does not read.
        folder.write(&format!("consent.{format}"), "zq7,\"zq7\n");
        for voice in VOICES {
            let asked = ["why", "pipeline.yaml", "--customer", "people=Zq7-id-a"];
            watch.look(folder.path(), &[&asked, voice].concat(), &[]);
        }
    }
}

/// Every typed column of every text format, in every source, with a mark that does not read.
fn damaged_cells(watch: &Watch) {
    let columns = ["born", "seen", "points", "sum", "share", "active"];
    for format in ["csv", "ndjson", "csv.gz", "tsv"] {
        for column in columns {
            for mark in ["zq7-bad", "9081726 0", "1973-11-19x"] {
                let folder = marked("csv");
                replace(&folder, "pipeline.yaml", "people.csv", &format!("people.{format}"));
                // All columns are in use.
                replace(
                    &folder,
                    "pipeline.yaml",
                    "seen: seen }",
                    "seen: seen, sum: sum, share: share, active: active }",
                );
                let (header, mut rows) = people();
                let at = header.iter().position(|name| *name == column).expect("a column");
                mark.clone_into(&mut rows[1][at]);
                let table = (header, rows);
                if format == "tsv" {
                    let text = String::from_utf8(encode(&table, "csv")).expect("UTF-8");
                    folder.write("people.tsv", text.replace(',', "\t"));
                } else {
                    write(&folder, "people", format, &table);
                }
                let seen = watch.look(folder.path(), &["run", "pipeline.yaml", "--json"], &[]);
                assert_eq!(seen.code, Some(1), "{format} {column} {mark}: {}", seen.stdout);
                watch.look(folder.path(), &["run", "pipeline.yaml", "-vv"], &[]);
            }
        }
    }
    for (file, from, to) in [
        ("consent.csv", "\"2026-01-02T03:04:05Z\"", "\"zq7-never\""),
        ("consent.csv", "\"zq7b@marks.example\"", "\"zq7 without a mail\""),
        ("bounces.csv", "\"zq7c@marks.example\"", "\"zq7 without a mail\""),
        ("alias.csv", "zq7william", "zq7william,zq7"),
        ("alias.csv", "zq7william", "\"zq7william"),
        ("alias.csv", "written,means", "zq7"),
    ] {
        let folder = marked("csv");
        replace(&folder, file, from, to);
        watch.everything(folder.path(), "pipeline.yaml");
    }
    // The structure of text, at each cell.
    let header = people().0;
    for (at, column) in header.iter().enumerate() {
        for (what, around) in [
            ("\"", ""),
            ("", "\""),
            (",zq7", ""),
            ("\r", ""),
            ("\0", ""),
            ("\n", ""),
            ("", "\"x\""),
        ] {
            let folder = marked("csv");
            let cell = format!("\"{}\"", people().1[1][at].replace('"', "\"\""));
            let bare = cell.trim_matches('"').to_owned();
            let to =
                if around.is_empty() { format!("{what}{bare}") } else { format!("{cell}{around}") };
            let text = folder.read("people.csv");
            assert!(text.contains(&cell) || *column == "active", "{column}");
            folder.write("people.csv", text.replacen(&cell, &to, 1));
            watch.look(folder.path(), &["run", "pipeline.yaml", "--json", "-vv"], &[]);
            watch.look(folder.path(), &["run", "pipeline.yaml"], &[]);
        }
        let folder = marked("csv");
        let mut bytes = folder.bytes("people.csv");
        let place = bytes.len() - 1 - at * 5;
        bytes[place] = 0xFF;
        folder.write("people.csv", bytes);
        watch.look(folder.path(), &["run", "pipeline.yaml", "--json", "-vv"], &[]);
    }
    for format in FORMATS {
        for source in ["people", "consent", "bounces"] {
            for cut in [1, 9, 40, 100] {
                let folder = marked(format);
                let name = format!("{source}.{format}");
                let bytes = folder.bytes(&name);
                folder.write(&name, &bytes[..bytes.len().saturating_sub(cut)]);
                watch.look(folder.path(), &["run", "pipeline.yaml", "--json", "-vv"], &[]);
                watch.look(folder.path(), &["check", "pipeline.yaml"], &[]);
                let mut bytes = bytes;
                let at = bytes.len() - bytes.len().min(cut);
                bytes[at..].fill(b'{');
                folder.write(&name, bytes);
                watch.look(folder.path(), &["run", "pipeline.yaml"], &[]);
            }
        }
    }
}

/// Pipeline files that are wrong, with values of `never` on and beside the lines that are shown.
fn wrong_pipelines(watch: &Watch) {
    for (from, to) in [
        ("normalize: email, never", "normalize: emial, never"),
        ("normalize: email, never", "normalise: email, never"),
        ("never: [zq7", "nver: zq7x, never: [zq7"),
        ("never: [zq7-never@marks.example, ", "never: [zq7-never@marks.example, { zq7: 1 }, "),
        (
            "never: [zq7-never@marks.example, ",
            "never: { zq7-never@marks.example: 1, zq7-never@marks.example: ",
        ),
        ("never: [zq7-never@marks.example, \"Zq7 never, too\"]", "never: zq7-never@marks.example"),
        ("never: [zq7-never@marks.example, \"Zq7 never, too\"]", "never: [zq7-never@marks.example"),
        (
            "never: [zq7-never@marks.example, \"Zq7 never, too\"]",
            "never: [\"zq7-never@marks.example]",
        ),
        ("never: [zq7-never@marks.example, \"Zq7 never, too\"]", "never: [@zq7]"),
        ("never: [zq7-never@marks.example, \"Zq7 never, too\"]", "never: [*zq7]"),
        ("never: [zq7-never@marks.example, \"Zq7 never, too\"]", "never: [zq7 no mail]"),
        ("      - 'zq7never'\n", "      - 'zq7never\n"),
        ("      - 'zq7never'\n", "      - zq7: never: x\n"),
        ("      - 'zq7never'\n", "     - zq7never\n"),
        ("      - 'zq7never'\n", "\t- zq7never\n"),
        ("    normalize: { phone: { region: DE } }", "    normalize: { phone: { region: XX } }"),
        ("    never:\n", "    nevr:\n    never:\n"),
        ("    never:\n", "    field: phone\n    never:\n"),
        ("keys:\n", "zq: &zq [zq7-x, zq7-y]\nkeys:\n  - { field: born, never: *zq }\n"),
        ("version: 1", "version: 2"),
        ("path: bounces.csv", "path: '${CANARY_SECRET}.csv'"),
        ("path: bounces.csv", "path: '$CANARY_SECRET.csv'"),
        ("name <> 'x'", "nmae <> 'x'"),
        ("name: marks", "name: [marks"),
    ] {
        let folder = marked("csv");
        replace(&folder, "pipeline.yaml", from, to);
        watch.everything(folder.path(), "pipeline.yaml");
    }
    // What is no pipeline at all.
    for format in ["csv", "ndjson", "parquet", "ipc", "csv.gz"] {
        let folder = marked(format);
        for name in
            [format!("people.{format}"), format!("consent.{format}"), "alias.csv".to_owned()]
        {
            watch.everything(folder.path(), &name);
        }
    }
    let folder = marked("csv");
    for (name, text) in [
        ("secret.env", "TOKEN=zq7\nPASSWORD=zq7-secret\n"),
        ("secret.yaml", "version: 3\nservices:\n  db: { password: zq7-secret }\npassword: zq7\n"),
        ("one.ndjson", "{\"mail\":\"zq7\",\"consent\":true,\"version\":1}\n"),
        ("list.yaml", "- zq7\n- [zq7\n"),
        ("text.txt", "zq7: is: zq7\n\tzq7"),
    ] {
        folder.write(name, text);
        watch.everything(folder.path(), name);
    }
}

/// Commands beside those of a run.
fn other_commands(watch: &Watch) {
    let folder = marked("csv");
    fs::create_dir(folder.at("below")).expect("a folder");
    watch.voices(folder.path(), &["run", "pipeline.yaml", "--root", "below"]);
    watch.voices(folder.path(), &["run", "pipeline.yaml"]);
    for name in ["people", "consent", "bounces", "alias"] {
        let file = format!("{name}.csv");
        watch.look(folder.path(), &["init", &file], &[]);
        watch.look(folder.path(), &["init", &file, "-vv"], &[]);
    }
    // Tables of who is in which segment: missing, there, and changed.
    let diff = ["diff", "out/run.json", "more/run.json"];
    watch.look(folder.path(), &["run", "pipeline.yaml", "--out", "more"], &[]);
    watch.voices(folder.path(), &diff);
    replace(&folder, "pipeline.yaml", "outputs: {", "outputs: { segments: out/segments.csv,");
    for more in [&[][..], &["--out", "more"]] {
        watch.look(folder.path(), &[&["run", "pipeline.yaml"], more].concat(), &[]);
    }
    watch.voices(folder.path(), &diff);
    watch.look(folder.path(), &[&diff[..], &["--output", "moved.csv"]].concat(), &[]);
    folder.write("out/segments.csv", "zq7");
    watch.voices(folder.path(), &diff);
    folder.write("out/run.json", "[");
    watch.voices(folder.path(), &diff);
    // A list of digests that is none, and one that is made.
    let forget = ["forget", "pipeline.yaml", "--customer", "people=Zq7-id-a", "--suppress"];
    folder.write("erased.csv", "zq7a@marks.example\n");
    watch.voices(folder.path(), &[&forget[..], &["erased.csv"]].concat());
    let list = "digests.csv";
    // The path of the file in which the person stands holds his day of birth, by which it is divided.
    let of_a = ["zq7-id-a", "1973-11-1"];
    watch.look(folder.path(), &[&forget[..], &[list, "--json"]].concat(), &of_a);
    assert!(!folder.read(list).to_lowercase().contains("zq7"), "digests only");
    // A value that can name no folder.
    let folder = marked("csv");
    let long = format!("token_zq7a{}", "zq7".repeat(90));
    replace(&folder, "people.csv", "token_zq7a", &long);
    replace(
        &folder,
        "pipeline.yaml",
        "[born], columns: [mail, born]",
        "token, columns: [mail, token]",
    );
    watch.voices(folder.path(), &["run", "pipeline.yaml"]);
    // Consent that speaks of nobody.
    let folder = marked("csv");
    folder.write("consent.csv", "mail,news,at\nzq7x@marks.example,yes,2026-01-02T03:04:05Z\n");
    watch.voices(folder.path(), &["run", "pipeline.yaml"]);
}

/// Guards, limits, targets, and the other commands.
fn refusals(watch: &Watch) {
    for (file, from, to) in [
        ("pipeline.yaml", "path: people.csv,", "path: people.csv, expect: { min_rows: 9 },"),
        ("pipeline.yaml", "path: bounces.csv", "path: bounces.csv, stale_after: 1 hour"),
        ("pipeline.yaml", "path: consent.csv,", "path: consent.csv, stale_after: 1 day,"),
        ("pipeline.yaml", "out/all.csv", "people.csv"),
        ("pipeline.yaml", "out/all.csv", "alias.csv/all.csv"),
        ("pipeline.yaml", "out/all.csv", "."),
        ("pipeline.yaml", "out: out", "out: alias.csv"),
        ("pipeline.yaml", "columns: [mail, token]", "columns: [phone]"),
        ("pipeline.yaml", "people.csv", "people-*.csv"),
        ("bounces.csv", "\n\"zq7c@marks.example\",\"zq7-reason\"", ""),
    ] {
        let folder = marked("csv");
        replace(&folder, file, from, to);
        watch.voices(folder.path(), &["run", "pipeline.yaml"]);
        watch.voices(folder.path(), &["bench", "pipeline.yaml", "--runs", "1"]);
    }
    // Audiences: none before, one before, and what is none.
    for before in [None, Some("Email\nzq7x@marks.example\n"), Some("zq7\nzq7\n"), Some("")] {
        let folder = marked("csv");
        let columns = "audience: google_customer_match, columns: { Email: mail, First Name: name }, \
                       removals: out/gone.csv";
        replace(&folder, "pipeline.yaml", "columns: [customer_id, mail, name]", columns);
        if let Some(before) = before {
            folder.write("out/all.csv", before);
        }
        watch.voices(folder.path(), &["run", "pipeline.yaml"]);
        watch.voices(folder.path(), &["run", "pipeline.yaml"]);
    }
    let folder = marked("csv");
    watch.voices(folder.path(), &["run", "pipeline.yaml", "--limit-memory", "1MB"]);
    watch.look(folder.path(), &["schema"], &[]);
    watch.look(folder.path(), &["schema", "-vv"], &[]);
    folder.write("data/contacts.csv", "zq7");
    for to in ["data", "alias.csv"] {
        watch.look(folder.path(), &["generate", "--customers", "5", to], &[]);
    }
    // Many records share a value; two have one id; the identity table of the run before is damaged.
    let (header, rows) = people();
    let mut shared = rows.clone();
    for number in 0..120 {
        let mut row = rows[number % 3].clone();
        row[0] = format!("Zq7-id-{}", number / 2);
        rows[0][1].clone_into(&mut row[1]);
        shared.push(row);
    }
    write(&folder, "people", "csv", &(header, shared));
    watch.voices(folder.path(), &["run", "pipeline.yaml"]);
    let folder = marked("csv");
    watch.look(folder.path(), &["run", "pipeline.yaml"], &[]);
    fs::copy(folder.at("out/identity.csv"), folder.at("before.csv")).expect("a copy");
    replace(&folder, "pipeline.yaml", "[phone, name]] }", "[phone, name]], previous: before.csv }");
    watch.voices(folder.path(), &["run", "pipeline.yaml"]);
    for (from, to) in [(",", ",zq7"), ("Zq7-id-a", "\"Zq7"), ("customer_id", "zq7")] {
        let good = folder.bytes("before.csv");
        replace(&folder, "before.csv", from, to);
        watch.voices(folder.path(), &["run", "pipeline.yaml"]);
        folder.write("before.csv", good);
    }
    // What stands where the membership history goes is none.
    replace(&folder, "pipeline.yaml", "outputs: {", "outputs: { memberships: out/history.csv,");
    watch.look(folder.path(), &["run", "pipeline.yaml"], &[]);
    for bad in
        ["zq7,Zq7\nzq7a,zq7b\n".to_owned(), folder.read("out/history.csv") + "zq7,zq7,zq7,,\n"]
    {
        folder.write("out/history.csv", bad);
        watch.voices(folder.path(), &["run", "pipeline.yaml"]);
    }
}

/// Every fixture of the faults, with marks under `never` and in all its data.
fn fixtures(watch: &Watch) {
    let from = root().join("tests/diagnostics");
    let folder = Folder::new();
    for name in files(&from) {
        let bytes = fs::read(from.join(&name)).expect("a fixture");
        let text = String::from_utf8(bytes.clone());
        let bytes = match text {
            // Cells that are not to be shown hold this word.
            Ok(text) if name.starts_with("data/") => text.replace("canary", "zq7").into_bytes(),
            Ok(text) if name.strip_suffix(".yaml").is_some() => text
                .replace("{ field: email, ", "{ field: email, never: [zq7, \"Zq7 x, y\"], ")
                .replace("    - field: ", "    - never: [zq7]\n      field: ")
                .replace("  - field: email\n", "  - field: email\n    never:\n      - zq7\n")
                .into_bytes(),
            _ => bytes,
        };
        folder.write(&name, bytes);
    }
    let names: Vec<String> = files(folder.path())
        .into_iter()
        .filter(|name| name.strip_suffix(".yaml").is_some())
        .collect();
    assert!(names.len() > 150, "only {} fixtures", names.len());
    each(&names, |name| {
        let out = Folder::new();
        let out = out.path().to_str().expect("UTF-8");
        watch.look(folder.path(), &["run", name, "--out", out, "--json"], &[]);
        watch.look(folder.path(), &["run", name, "--out", out, "-vv"], &[]);
        watch.look(folder.path(), &["check", name, "--json", "-v"], &[]);
        watch.look(folder.path(), &["explain", name, "--json"], &[]);
        watch.look(folder.path(), &["explain", name], &[]);
    });
}

fn each<T: Sync>(all: &[T], look: impl Fn(&T) + Sync) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(threads).max(1)) {
            scope.spawn(|| part.iter().for_each(&look));
        }
    });
}

/// Codes that cannot be had from outside, and what shows them.
const NOT_REACHED: [Code; 12] = [
    // Of two runs at once: `publishing` has it.
    Code::PublishedMeanwhile,
    // Mistakes of this program: `planted` has them.
    Code::EngineFault,
    Code::AccountFault,
    Code::ProofFailed,
    // A disk that gives back something else than was written: so does `planted`.
    Code::VerifyFailed,
    // Of `--engine spark`: `spark_run` has them.
    Code::NotBuiltIn,
    Code::KeyLimit,
    Code::JobGuard,
    Code::ServerFailed,
    // Of a server of PostgreSQL: `databases` has them.
    Code::DatabaseFailed,
    Code::StoreFailed,
    Code::NotCopied,
];

#[test]
fn no_mark_is_seen_outside_the_outputs() {
    let watch = Watch::default();
    let parts = [
        all_is_well,
        answers,
        damaged_cells,
        wrong_pipelines,
        refusals,
        other_commands,
        fixtures,
        #[cfg(feature = "planted")]
        planted::planted,
    ];
    each(&parts, |part| part(&watch));
    let sights = watch.seen.into_inner().expect("no panic");
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !sights.codes.contains(code.name()) && !NOT_REACHED.contains(code))
        .map(|code| code.name())
        .collect();
    eprintln!(
        "{} runs, {} of them failed; {} of {} codes were seen",
        sights.runs,
        sights.failed,
        sights.codes.len(),
        Code::ALL.len()
    );
    let problems = &sights.problems;
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(missing.is_empty(), "no fault showed {missing:?}");
    assert!(sights.failed > 1000, "only {} runs failed", sights.failed);
}
