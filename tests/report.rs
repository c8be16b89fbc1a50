//! `report.html` (docs/report.md): every figure on it is that of the run record, nothing on it is of a
//! person, nothing is fetched, and a browser has nothing to complain about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::{Folder, files, optin, root};

/// An element of a page: its attributes, and the text in it.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// The elements of a page, which closes what it opens. Fails the test where it does not.
fn elements(page: &str) -> Vec<Element> {
    const VOID: [&str; 1] = ["meta"];
    let mut found: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a page");
    while let Some(at) = rest.find('<') {
        let text = unescaped(&rest[..at]);
        for inside in &open {
            found[*inside].text.push_str(&text);
        }
        let end = rest[at..].find('>').expect("a tag is closed") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop().expect("something is open");
            assert_eq!(found[closed].name, name, "what is opened is closed");
            continue;
        }
        let name = tag.split(' ').next().expect("a name").to_owned();
        let mut attributes = BTreeMap::new();
        let mut left = &tag[name.len()..];
        while let Some((attribute, after)) = left.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a value is closed");
            let before = attributes.insert(attribute.trim().to_owned(), unescaped(value));
            assert!(before.is_none(), "{attribute} twice in {tag}");
            left = after;
        }
        assert_eq!(left.trim(), "", "in {tag}");
        if !VOID.contains(&name.as_str()) {
            open.push(found.len());
        }
        found.push(Element { name, attributes, text: String::new() });
    }
    assert!(open.is_empty(), "something is never closed");
    found
}

fn unescaped(text: &str) -> String {
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    marks.iter().fold(text.to_owned(), |text, (mark, letter)| text.replace(mark, letter))
}

/// What `/a/b + /c` comes to in a run record.
fn evaluated(record: &Json, of: &str) -> i64 {
    let mut sum = 0;
    let mut sign = 1;
    for word in of.split(' ') {
        match word {
            "+" => sign = 1,
            "-" => sign = -1,
            "" => {}
            pointer => {
                let value = record.pointer(pointer).and_then(Json::as_i64);
                sum +=
                    sign * value.unwrap_or_else(|| panic!("{pointer} is no figure of the record"));
            }
        }
    }
    sum
}

/// A number as the page writes it: as a count, as a time, or as a size.
fn written(value: i64) -> [String; 3] {
    let digits = value.to_string();
    let grouped: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    let size = match value {
        ..1_000 => format!("{value} B"),
        1_000..1_000_000 => format!("{:.1} kB", as_float(value) / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", as_float(value) / 1e6),
        _ => format!("{:.1} GB", as_float(value) / 1e9),
    };
    let time = match value {
        ..1_000 => format!("{value} ms"),
        _ => format!("{}.{:02} s", value / 1000, value % 1000 / 10),
    };
    [grouped.join(","), time, size]
}

#[expect(clippy::cast_precision_loss, reason = "figures of tests are small")]
fn as_float(value: i64) -> f64 {
    value as f64
}

/// A figure of a measure as the page writes it.
fn measured(value: &Json, is_rate: bool) -> String {
    let grouped = |text: &str| {
        let whole = text.split('.').next().expect("digits").trim_start_matches('-');
        let before = whole.parse::<i64>().map(|whole| self::written(whole)[0].clone());
        text.replacen(whole, &before.expect("a number"), 1)
    };
    match value {
        Json::Null => String::new(),
        Json::String(decimal) => grouped(decimal),
        Json::Number(number) if number.is_i64() => grouped(&number.to_string()),
        _ => match value.as_f64().expect("a figure") {
            rate if is_rate => format!("{:.1} %", rate * 100.0),
            small if small.abs() < 1.0 => format!("{small:.4}"),
            other => grouped(&format!("{other:.2}")),
        },
    }
}

/// Holds every figure of a page to the record, and gives the pointers that are shown.
fn check_figures(page: &str, record: &Json) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    for element in elements(page) {
        let text = element.text.trim();
        if let Some(of) = element.attributes.get("data-of") {
            let value = evaluated(record, of);
            assert!(written(value).contains(&text.to_owned()), "{of} is {value}, not {text}");
            shown.extend(of.split(' ').filter(|word| word.starts_with('/')).map(str::to_owned));
        } else if let Some(of) = element.attributes.get("data-value") {
            let value = record.pointer(of).unwrap_or_else(|| panic!("{of} is not in the record"));
            assert_eq!(text, measured(value, text.ends_with(" %")), "{of}");
            shown.insert(of.clone());
        } else if let Some(of) = element.attributes.get("data-share") {
            let (part, whole) = of.split_once(" / ").expect("a part and a whole");
            let (part, whole) = (evaluated(record, part), evaluated(record, whole));
            let share = if whole == 0 { 0 } else { part * 1000 / whole };
            let due = match (share, part) {
                (0, 1..) => "< 0.1 %".to_owned(),
                _ => format!("{}.{} %", share / 10, share % 10),
            };
            assert_eq!(text, due, "{of}");
        } else if element.name == "td"
            && element.attributes.get("class").is_some_and(|c| c.contains('n'))
        {
            let class = &element.attributes["class"];
            let is_figure = class.split(' ').any(|word| word == "n");
            assert!(!is_figure, "a figure that does not say where it is from: {text}");
        }
    }
    shown
}

/// The pointers of all figures below a part of a record.
fn pointers(of: &Json, at: &str, found: &mut Vec<String>) {
    match of {
        Json::Number(_) => found.push(at.to_owned()),
        Json::Array(list) => {
            for (number, item) in list.iter().enumerate() {
                pointers(item, &format!("{at}/{number}"), found);
            }
        }
        Json::Object(members) => {
            for (name, item) in members {
                pointers(item, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

/// Figures that a page need not show: reasons for which nobody is out, and what stands in words.
fn may_be_left_out(pointer: &str, record: &Json) -> bool {
    let zero = record.pointer(pointer).and_then(Json::as_i64) == Some(0);
    let in_words = pointer.starts_with("/account/clusters/") && pointer.ends_with("/records");
    let of_source = pointer.starts_with("/sources/") && pointer.matches('/').count() == 3;
    let of_page = pointer.starts_with("/report/");
    // Rows of an export are those written.
    let rows = pointer.starts_with("/exports/") && pointer.ends_with("/rows");
    zero || in_words || of_source || of_page || rows
}

/// The example, run into a folder: the page and the record.
fn contoso(out: &Folder) -> (String, Json) {
    let out_folder = out.at("out");
    let args =
        ["run", "pipelines/contoso.yaml", "--quiet", "--out", out_folder.to_str().expect("a path")];
    optin(root(), &args).done();
    (out.read("out/report.html"), out.json("out/run.json"))
}

/// The example of measures, and one whose groups are small: its rows stand in its table alone.
#[test]
fn measures_are_those_of_the_run_record() {
    let out = Folder::new();
    let text = fs::read_to_string(root().join("pipelines/measures.yaml")).expect("the example");
    let text = text.replace("../data", root().join("data").to_str().expect("a path"));
    out.write("p/p.yaml", text + "  - { name: each, by: city, compute: { customers: count }, smallest_group: 1, path: ../out/each.csv }\n");
    out.optin(&["run", "p/p.yaml", "--quiet", "--out", "o"]).done();
    let (page, record) = (out.read("o/report.html"), out.json("o/run.json"));
    let shown = check_figures(&page, &record);
    let mut all = Vec::new();
    pointers(&record, "", &mut all);
    let ours = all
        .into_iter()
        .filter(|of| of.starts_with("/measures/") || of.starts_with("/account/measures/"));
    // The customers of all rows are those who are counted.
    let missing: Vec<String> = ours
        .filter(|of| {
            !shown.contains(of) && !of.ends_with("/in_rows") && !may_be_left_out(of, &record)
        })
        .filter(|of| !of.starts_with("/measures/4/"))
        .collect();
    assert!(missing.is_empty(), "the page does not show {missing:?}");
    assert!(shown.iter().filter(|of| of.contains("/rows/")).count() > 100);
    let each = &record["measures"][4];
    assert!(each["rows"].is_null() && each["only_in_table"].as_u64() > Some(10), "{each}");
    assert!(page.contains("Its rows stand in its table alone"));
    let lines = out.read("o/out/each.csv").lines().count();
    assert_eq!(each["only_in_table"].as_u64(), u64::try_from(lines - 1).ok());
}

#[test]
fn every_figure_is_that_of_the_run_record() {
    let out = Folder::new();
    let (page, record) = contoso(&out);
    let shown = check_figures(&page, &record);
    let mut all = Vec::new();
    pointers(&record, "", &mut all);
    let missing: Vec<_> = all
        .into_iter()
        .filter(|pointer| !shown.contains(pointer) && !may_be_left_out(pointer, &record))
        .collect();
    assert!(missing.is_empty(), "the page does not show {missing:?}");
    // The reason of what has no gate, the text of the pipeline, and when.
    for text in [
        "change of the loyalty programme",
        "GDPR Art. 6(1)(b)",
        "upper(country) IN (",
        "2026-11-24 00:00:00 UTC",
        record["optin"].as_str().expect("a version"),
    ] {
        assert!(unescaped(&page).contains(text), "{text}");
    }
}

#[test]
fn the_record_names_the_digest_of_the_page() {
    let out = Folder::new();
    let (page, record) = contoso(&out);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(page.as_bytes());
    assert_eq!(record["report"]["sha256"], optin::plan::hex(&digest));
    assert_eq!(record["report"]["bytes"], page.len());
    let run = out.at("out/run.json");
    optin(root(), &["verify", run.to_str().expect("a path")]).done();
    out.write("out/report.html", page + " ");
    let verified = optin(root(), &["verify", "--json", run.to_str().expect("a path")]);
    assert_eq!(verified.code, 1, "{verified:?}");
    let files = verified.json()["files"].as_array().expect("files").clone();
    let changed: Vec<_> = files.iter().filter(|file| file["found"] == "changed").collect();
    assert!(changed.len() == 1 && changed[0]["kind"] == "report", "{changed:?}");
}

#[test]
fn nobody_need_have_a_page() {
    let out = Folder::new();
    contoso(&out);
    let before = out.bytes("out/report.html");
    let folder = out.at("other");
    let args = [
        "run",
        "pipelines/contoso.yaml",
        "--no-report",
        "--quiet",
        "--out",
        folder.to_str().expect("a path"),
    ];
    optin(root(), &args).done();
    assert!(!out.at("other/report.html").exists());
    assert!(out.json("other/run.json").get("report").is_none());
    assert_eq!(out.bytes("out/report.html"), before);
}

/// Words that would make a browser ask for something, or run something.
#[test]
fn nothing_is_fetched_and_nothing_is_run() {
    let out = Folder::new();
    let (page, _) = contoso(&out);
    for element in elements(&page) {
        assert!(
            !["script", "link", "img", "iframe", "object", "embed", "image", "use", "form", "base"]
                .contains(&element.name.as_str()),
            "<{}>",
            element.name
        );
        for (name, value) in &element.attributes {
            let wrong =
                name.starts_with("on") || ["src", "href", "xlink:href"].contains(&name.as_str());
            assert!(!wrong, "{name}={value}");
        }
    }
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next());
    let style = style.expect("a style");
    assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
    assert!(!page.contains("://"), "the page names an address");
    assert!(page.contains("default-src &#39;none&#39;"), "the page forbids what it does not need");
}

/// Values of persons in the sources of the example: mails, numbers, names, ids.
#[test]
fn nothing_of_a_person_is_on_it() {
    let out = Folder::new();
    let (page, _) = contoso(&out);
    let page = unescaped(&page).to_lowercase();
    let words: BTreeSet<&str> =
        page.split(|c: char| !c.is_alphanumeric() && !"@._+-".contains(c)).collect();
    let mut looked_at = 0;
    for name in files(&root().join("data/contoso")) {
        let end = Path::new(&name).extension().and_then(|end| end.to_str());
        if !matches!(end, Some("csv" | "ndjson")) {
            continue;
        }
        let text = fs::read_to_string(root().join("data/contoso").join(&name)).expect("a source");
        for cell in text.split(['\n', ',', ';', '"', '{', '}']) {
            let cell = cell.trim().to_lowercase();
            let digits = cell.chars().filter(char::is_ascii_digit).count();
            if cell.contains('@') || digits >= 7 && !cell.contains("202") && !cell.contains("19") {
                looked_at += 1;
                assert!(!page.contains(&cell), "{name}: {cell}");
            }
        }
    }
    assert!(looked_at > 10_000, "only {looked_at} values were looked at");
    for name in ["noreply", "mustermann", "pohl", "magdalena", "wagner"] {
        assert!(!words.contains(name), "{name}");
    }
    let home = root().display().to_string().to_lowercase();
    assert!(!page.contains(&home), "the page names a folder of the machine");
}

const VEILED: &str = "
version: 1
name: veiled <b>&
out: out
sources:
  - { name: people, path: people.csv }
keys:
  - { field: email, normalize: email, never: [\"nobody at home\"] } # ask ann@fabrikam.com
customers:
  - { source: people, id: Id, fields: { email: Mail, name: Name, city: City } }
identity: { link_on: [[email], [name, city]] }
segments:
  - { name: a, consent: none, because: \"told by +49 30 23125071\", where: \"name = 'Kestrelova'\" }
outputs: { identity: out/i.csv }
exports: [{ segment: a, path: out/a.csv, columns: [customer_id] }]
";

#[test]
fn what_the_pipeline_file_says_of_persons_is_left_out() {
    let people = "Id,Mail,Name,City\n1,a@fabrikam.com,Kestrelova,Bern\n2,,Quill,Bern\n";
    let folder = Folder::with(&[("pipeline.yaml", VEILED), ("people.csv", people)]);
    folder.optin(&["run", "pipeline.yaml"]).done();
    let page = folder.read("out/report.html");
    check_figures(&page, &folder.json("out/run.json"));
    for word in ["nobody at home", "ann@", "23125071", "Kestrelova", "Quill", "<b>"] {
        assert!(!page.contains(word), "{word} stands on the page");
    }
    assert!(page.contains("veiled &lt;b&gt;&amp;"), "the name of the pipeline is text");
    assert!(page.contains("told by •••"), "{page}");
}

/// A replay, a pipeline without consent, segments and exports, and one with very many segments.
#[test]
fn pages_of_other_runs_are_whole() {
    let people = "Id,Mail\n1,a@fabrikam.com\n2,b@fabrikam.com\n";
    let start = "version: 1\nname: t\nout: out\nsources: [{ name: people, path: people.csv }]\n\
        customers: [{ source: people, id: Id, fields: { email: Mail } }]\n\
        outputs: { identity: out/i.csv }\n";
    let mut many = start.to_owned() + "segments:\n";
    for number in 0..20 {
        let _ = writeln!(many, "  - {{ name: s{number}, consent: none, because: test }}");
    }
    for pipeline in [start.to_owned(), many] {
        let folder = Folder::with(&[("pipeline.yaml", &pipeline), ("people.csv", people)]);
        folder.optin(&["run", "pipeline.yaml"]).done();
        check_figures(&folder.read("out/report.html"), &folder.json("out/run.json"));
    }
    let folder = Folder::new();
    let out = folder.at("out");
    let audiences = ["run", "pipelines/audiences.yaml", "--out", out.to_str().expect("a path")];
    optin(root(), &audiences).done();
    let shown = check_figures(&folder.read("out/report.html"), &folder.json("out/run.json"));
    assert!(shown.contains("/exports/1/audience/matchable"), "{shown:?}");
    assert!(shown.contains("/exports/1/audience/removals/rows"), "{shown:?}");
    let folder = Folder::new();
    let out = folder.at("out");
    let args = [
        "run",
        "pipelines/contoso.yaml",
        "--replay",
        "2026-01-01",
        "--out",
        out.to_str().expect("a path"),
    ];
    optin(root(), &args).done();
    let page = folder.read("out/report.html");
    check_figures(&page, &folder.json("out/run.json"));
    assert!(page.contains("replay: nothing is exported"), "it says that it is a replay");
}

/// Debian's browser, if it is here.
fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .flat_map(|folder| {
            ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name))
        })
        .find(|path| path.is_file())
}

/// Opens a page; gives what the browser made of it and what it logged.
fn opened(browser: &Path, folder: &Folder, page: &Path) -> (String, String) {
    let dom = fs::File::create(folder.at("dom.html")).expect("a file");
    let log = fs::File::create(folder.at("log.txt")).expect("a file");
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--v=0", "--dump-dom", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", folder.at("browser").display()))
        .arg(page)
        .stdin(Stdio::null())
        .stdout(dom)
        .stderr(log)
        .spawn()
        .expect("the browser starts");
    let started = Instant::now();
    while child.try_wait().expect("a status").is_none() {
        assert!(started.elapsed() < Duration::from_secs(90), "the browser does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    (folder.read("dom.html"), String::from_utf8_lossy(&folder.bytes("log.txt")).into_owned())
}

#[test]
fn a_browser_has_nothing_to_complain_about() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no browser is installed");
        return;
    };
    let folder = Folder::new();
    let (page, record) = contoso(&folder);
    let (dom, log) = opened(&browser, &folder, &folder.at("out/report.html"));
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    // What it shows is what was written.
    for part in ["data-of=", "data-share=", "<svg", "<rect", "<table", "<section"] {
        assert_eq!(dom.matches(part).count(), page.matches(part).count(), "{part}");
    }
    let profiles = written(record["account"]["profiles"].as_i64().expect("a count"))[0].clone();
    assert!(dom.contains(&format!("<dd data-of=\"/account/profiles\">{profiles}</dd>")), "{dom}");
    // The test sees complaints where there are some.
    folder.write("bad.html", "<script>console.error('no')</script>");
    let (_, log) = opened(&browser, &folder, &folder.at("bad.html"));
    assert!(log.contains("CONSOLE"), "{log}");
}

/// Worked out by hand: grants end twelve months after they were given, seen from 1 June 2026.
#[test]
fn when_grants_end_and_who_is_in_two_segments() {
    let pipeline = "
version: 1
name: ends
out: out
as_of: 2026-06-01T00:00:00Z
sources:
  - { name: people, path: people.csv, types: { Points: int } }
  - { name: consent, path: consent.csv, types: { at: datetime } }
keys: [{ field: email, normalize: email }]
customers: [{ source: people, id: Id, fields: { email: Mail, points: Points } }]
consent:
  purposes:
    - { name: news, via: email, model: opt_in, expires_after: 12 months }
    - { name: ever, via: email, model: opt_in }
  tables:
    - { source: consent, match: { email: mail }, values: { news: news, ever: ever }, at: at }
segments:
  - { name: all, consent: news }
  - { name: rich, consent: news, where: points >= 100 }
  - { name: poor, consent: ever, where: points < 100 }
outputs: { identity: out/i.csv }
";
    let decisions = [
        // Ended at this very moment, and one that did not yet.
        ("2025-06-01T00:00:00Z", 100),
        ("2025-06-01T00:00:01Z", 100),
        // The last moment of the first 30 days, and the one after it.
        ("2025-07-01T00:00:00Z", 10),
        ("2025-07-01T00:00:00.000001Z", 10),
        // 60 and 90 days are 31 July and 30 August.
        ("2025-07-31T00:00:00Z", 10),
        ("2025-07-31T00:00:01Z", 100),
        ("2025-08-30T00:00:00Z", 10),
        ("2025-08-30T00:00:01Z", 100),
        ("2026-05-31T00:00:00Z", 100),
    ];
    let mut people = String::from("Id,Mail,Points\n");
    let mut consent = String::from("mail,news,ever,at\n");
    for (number, (at, points)) in decisions.into_iter().enumerate() {
        let _ = writeln!(people, "{number},p{number}@fabrikam.com,{points}");
        let _ = writeln!(consent, "p{number}@fabrikam.com,yes,yes,{at}");
    }
    // Who denied later has nothing that could end.
    people += "d,denied@fabrikam.com,100\n";
    consent += "denied@fabrikam.com,yes,yes,2025-06-05\ndenied@fabrikam.com,no,no,2026-01-01\n";
    let folder = Folder::with(&[
        ("pipeline.yaml", pipeline),
        ("people.csv", &people),
        ("consent.csv", &consent),
    ]);
    folder.optin(&["run", "pipeline.yaml"]).done();
    let account = folder.json("out/run.json")["account"].clone();
    let ends = |purpose: usize| {
        let of = &account["purposes"][purpose]["expiring"];
        ["days_1_to_30", "days_31_to_60", "days_61_to_90", "later_or_never"]
            .map(|name| of[name].as_u64().expect("a count"))
    };
    assert_eq!(account["purposes"][0]["granted"], 8);
    assert_eq!((ends(0), ends(1)), ([2, 2, 2, 2], [0, 0, 0, 9]));
    assert_eq!(
        account["overlaps"],
        serde_json::json!([
            { "segments": ["all", "rich"], "profiles": 4 },
            { "segments": ["all", "poor"], "profiles": 4 },
            { "segments": ["rich", "poor"], "profiles": 0 },
        ])
    );
}
