//! `optin why`: answers to read (`tests/why`), and on random pipelines each of its statements against
//! what a run wrote: verdicts, exports, fields, states, records, links. What it says would have to be
//! otherwise is made so, and then the customer must be in.
//!
//! `OPTIN_BLESS=1` writes the answers of `tests/why` anew; read the difference before you keep it.

mod statements;
mod would_be_in;

use std::fmt::Write as _;
use std::path::Path;

use crate::support::{Folder, Run, optin, root};

const CONTOSO: &str = "pipelines/contoso.yaml";
const ONE_TABLE: &str = "pipelines/consent-single-table.yaml";
const TWO_TABLES: &str = "pipelines/consent-separate-tables.yaml";
const AS_OF: [&str; 2] = ["--as-of", "2026-11-24"];
const WINBACK: [&str; 2] = ["--segment", "winback"];

/// Name of an answer, pipeline, who is asked for, and other arguments. The people of contoso stand in
/// the table of traps (`data/contoso/README.md`).
const ANSWERS: [(&str, &str, &str, &[&str]); 20] = [
    ("in-and-exported", CONTOSO, "shop=C000002", &[]),
    ("of-three-tables", CONTOSO, "app=u-8ae5922ebb", &[]),
    ("tables-disagree", CONTOSO, "email=R.Winkler@tailspintoys.com", &[]),
    ("denied-on-another-mail", CONTOSO, "email=oeztuerk.felix@example.org", &WINBACK),
    ("denied-on-a-record", CONTOSO, "app=u-0df77e2abe", &["--segment", "launch"]),
    ("denied-through-a-tag", CONTOSO, "email=elias.nguyen@fabrikam.com", &WINBACK),
    ("denied-on-the-day", CONTOSO, "phone=040 66969895", &["--segment", "sms_munich"]),
    ("denied-after-as-of", CONTOSO, "email=uwe.seidel_46@gmail.com", &WINBACK),
    ("granted-after-as-of", CONTOSO, "email=torsten_kraemer_75@gmail.com", &WINBACK),
    ("expired", CONTOSO, "email=ursula.becker_58@gmail.com", &WINBACK),
    ("expired-without-a-date", CONTOSO, "email=oliver.mckenzie@litwareinc.com", &WINBACK),
    ("suppressed", CONTOSO, "email=neumann.sophie_44@gmail.com", &[]),
    ("duplicate-id", CONTOSO, "shop=C000017", &["--segment", "newsletter_dach"]),
    ("record-without-an-id", CONTOSO, "email=m.schwarz@example.com", &["--segment", "sms_munich"]),
    ("set-aside", CONTOSO, "email=soeren_schuster@example.net", &[]),
    ("several", CONTOSO, "phone=+49 89 99998890", &[]),
    ("nobody", CONTOSO, "email=nobody@example.com", &[]),
    ("granted-in-one-table", ONE_TABLE, "email=HOLLY@contoso.com", &AS_OF),
    ("unknown-in-one-table", ONE_TABLE, "customers=C-3", &AS_OF),
    ("granted-in-one-of-two-tables", TWO_TABLES, "first_name=Frank", &AS_OF),
];

fn ask(pipeline: &str, customer: &str, others: &[&str]) -> Run {
    let mut args = vec!["why", pipeline, "--customer", customer];
    args.extend(others);
    optin(root(), &args).done()
}

#[test]
fn answers_are_as_they_were_read() {
    let bless = std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1");
    let mut faults = Vec::new();
    for (name, pipeline, customer, others) in ANSWERS {
        let text = ask(pipeline, customer, others).stdout;
        for line in text.lines().filter(|line| line.chars().count() > 80) {
            faults.push(format!("{name}: wider than 80 columns: {line}"));
        }
        let json = ask(pipeline, customer, &[others, &["--json"]].concat()).stdout;
        for (answer, ending) in [(text, "txt"), (json, "json")] {
            let path = root().join(format!("tests/why/{name}.{ending}"));
            if bless {
                std::fs::write(&path, answer).expect("the answer is written");
            } else if std::fs::read_to_string(&path).expect("an answer to compare with") != answer {
                faults.push(format!("{name}.{ending} differs; now:\n{answer}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_segment_alone_is_told_alone() {
    let shop = shop();
    let run =
        shop.optin(&["why", "p.yaml", "--customer", "people=1", "--segment", "rich", "--json"]);
    let segments = run.done().json()["customer"]["segments"].clone();
    assert_eq!(segments.as_array().map(Vec::len), Some(1), "{segments}");
    assert_eq!(segments[0]["segment"], "rich");
}

const PIPELINE: &str = "
version: 1
name: shop
out: out
as_of: 2026-06-01
sources:
  - { name: people, path: people.csv, types: { points: int, score: float } }
  - { name: consent, path: consent.csv, types: { at: datetime } }
  - { name: bounces, path: bounces.csv }
keys: [{ field: mail, normalize: email }]
customers:
  - { source: people, id: id, fields: { mail: mail, town: town, points: points, score: score } }
identity: { link_on: [{ on: [mail, town] }] }
consent:
  purposes: [{ name: news, via: mail, model: opt_in }]
  tables: [{ source: consent, match: { mail: mail }, values: { news: news }, at: at }]
  suppress: [{ source: bounces, match: { mail: mail } }]
segments:
  - { name: news, consent: news }
  - { name: rich, consent: news, where: points >= 100 }
";
const PEOPLE: &str = "id,mail,town,points,score\n\
    1,Kestrel@fabrikam.com,Aford,150,1.5\n\
    2,kestrel@fabrikam.com,Bford,50,2.5\n\
    3,quill@fabrikam.com,Aford,7,\n\
    ,quill@fabrikam.com,Aford,,\n";
const CONSENT: &str = "mail,news,at\n\
    kestrel@fabrikam.com,yes,2026-01-01T00:00:00Z\n\
    quill@fabrikam.com,yes,2026-02-01T00:00:00Z\n\
    quill@fabrikam.com,no,2026-07-01T00:00:00Z\n\
    nobody@fabrikam.com,no,2026-03-01T00:00:00Z\n";

fn shop() -> Folder {
    Folder::with(&[
        ("p.yaml", PIPELINE),
        ("people.csv", PEOPLE),
        ("consent.csv", CONSENT),
        ("bounces.csv", "mail\nnobody@fabrikam.com\n"),
    ])
}

fn found(shop: &Folder, customer: &str) -> (u64, Vec<u64>) {
    let run = shop.optin(&["why", "p.yaml", "--json", "--customer", customer]);
    let json = run.done().json();
    let mut rows: Vec<u64> = Vec::new();
    let several = json["several"].as_array().expect("a list");
    let one = &json["customer"]["records"];
    for record in one.as_array().into_iter().flatten() {
        rows.push(record["place"]["row"].as_u64().expect("a row"));
    }
    for place in several.iter().flat_map(|of| of["records"].as_array().expect("rows")) {
        rows.push(place["row"].as_u64().expect("a row"));
    }
    (json["found"].as_u64().expect("a number"), rows)
}

/// By any mapped field, compared or not, by the id in a table, and by `customer_id`.
#[test]
fn people_are_found_by_what_they_have() {
    let shop = shop();
    assert_eq!(found(&shop, "mail=QUILL@fabrikam.com "), (1, vec![3, 4]));
    assert_eq!(found(&shop, "people=3"), (1, vec![3, 4]));
    assert_eq!(found(&shop, "people.id=3"), (1, vec![3, 4]));
    // Ids as spreadsheets leave them, if no id is so.
    assert_eq!(found(&shop, "people=003"), (1, vec![3, 4]));
    assert_eq!(found(&shop, "town=Bford"), (1, vec![2]));
    assert_eq!(found(&shop, "points=7"), (1, vec![3, 4]));
    assert_eq!(found(&shop, "points=8"), (0, vec![]));
    // Several, told by their rows.
    assert_eq!(found(&shop, "mail=kestrel@fabrikam.com"), (2, vec![1, 2]));
    assert_eq!(found(&shop, "town=Aford"), (2, vec![1, 3, 4]));
    let several = shop.optin(&["why", "p.yaml", "--customer", "mail=kestrel@fabrikam.com"]).done();
    let ids: Vec<&str> = several
        .stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("customer_id=")?.split(':').next())
        .collect();
    assert_eq!(ids.len(), 2, "{}", several.stdout);
    assert_eq!(found(&shop, &format!("customer_id={}", ids[1])), (1, vec![2]));
    assert_eq!(found(&shop, "customer_id=00000000000000000000000000000000"), (0, vec![]));
    // Of nobody it is told what consent tables say.
    let nobody = shop.optin(&["why", "p.yaml", "--customer", "mail=nobody@fabrikam.com"]).done();
    assert!(nobody.stdout.contains("consent row 4: denied news for mail nobody@fabrikam.com"));
    assert!(nobody.stdout.contains("bounces row 1: suppressed"), "{}", nobody.stdout);
}

/// A question that names nothing is wrong, and says what is near or what there is.
#[test]
fn questions_that_name_nothing_are_refused() {
    let shop = shop();
    let cases: [(&[&str], &str, &str); 9] = [
        (&["--customer", "mial=a@x.com"], "unknown-field", "did you mean `mail`?"),
        (&["--customer", "zzz=a@x.com"], "unknown-field", "FIELD is one of mail, town, points"),
        (&["--customer", "a@x.com"], "unknown-field", "FIELD is one of mail"),
        (&["--customer", "mail= "], "unknown-field", "give the value"),
        (&["--customer", "customer_id=12"], "unknown-field", "32 hexadecimal digits"),
        (&["--customer", "customer=12"], "unknown-field", "did you mean `customer_id`?"),
        (&["--customer", "score=1.5"], "unknown-field", "another type"),
        (&["--customer", "people=1", "--segment", "ritch"], "unknown-segment", "mean `rich`?"),
        (&["--customer", "people=1", "--segment", "zzz"], "unknown-segment", "are: news, rich"),
    ];
    for (args, code, help) in cases {
        let run = shop.optin(&[&["why", "p.yaml"], args].concat());
        let told = format!("{args:?}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.code, 2, "{told}");
        assert!(run.stderr.contains(code), "{told}");
        let flat: Vec<&str> = run.stderr.split_whitespace().collect();
        assert!(flat.join(" ").contains(help), "{told}");
        assert!(!run.stderr.contains("a@x.com") && run.stdout.is_empty(), "{told}");
    }
}

/// What no value of a field could be like is found nowhere: that is no answer. It is not quoted.
#[test]
fn values_that_no_field_could_hold_are_refused() {
    let shop = shop();
    let pipeline = PIPELINE
        .replace("score: float }", "score: float, born: date, seen: datetime, vip: bool }")
        .replace("score: score }", "score: score, born: born, seen: seen, vip: vip, phone: phone }")
        .replace("normalize: email }", "normalize: email }, { field: phone, normalize: phone }");
    shop.write("p.yaml", pipeline);
    let people = "id,mail,town,points,score,born,seen,vip,phone\n\
        1,a@x.com,Aford,1,1.5,1980-01-02,2026-01-02T03:04:05Z,true,+49 30 1234567\n";
    shop.write("people.csv", people);
    for (asked, help) in [
        ("born=31.12.1979", "write it as 1980-01-02"),
        ("born=zq7", "write it as 1980-01-02"),
        ("points=zq7", "digits alone"),
        ("points=3.5", "digits alone"),
        ("seen=zq7", "write it as 1980-01-02T10:00:00Z"),
        ("vip=zq7", "true or false"),
        ("mail=zq7", "ann@example.com"),
        ("phone=zq7", "+49 30 1234567"),
    ] {
        for command in ["why", "receipt", "forget"] {
            let run = shop.optin(&[command, "p.yaml", "--customer", asked]);
            let told = format!("{command} {asked}: {}{}", run.stdout, run.stderr);
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{told}");
            assert!(run.stderr.contains("error[unknown-field]"), "{told}");
            assert!(run.stderr.contains(help), "{told}");
            let (_, value) = asked.split_once('=').expect("a value");
            assert!(!run.stderr.contains(value), "{told}");
        }
    }
    // Other ways to write what the field holds.
    for asked in [
        "born= 1980-01-02 ",
        "points=01",
        "points=+1",
        "seen=2026-01-02T04:04:05+01:00",
        "vip=TRUE",
        "phone=+49 (30) 12345-67",
    ] {
        assert_eq!(found(&shop, asked), (1, vec![1]), "{asked}");
    }
}

/// Values of others are in no answer, no log and no fault.
#[test]
fn nothing_is_said_of_others() {
    let shop = shop();
    let others = ["kestrel", "Kestrel", "Bford", "nobody@"];
    for customer in ["mail=quill@fabrikam.com", "people=3", "points=7"] {
        for json in [false, true] {
            let mut args = vec!["-vv", "why", "p.yaml", "--customer", customer];
            args.extend(json.then_some("--json"));
            let run = shop.optin(&args).done();
            for other in others {
                assert!(!run.stdout.contains(other), "{other}: {}", run.stdout);
                assert!(!run.stderr.contains(other), "{other}: {}", run.stderr);
            }
            // A log is for others too: not even of whom one asks.
            assert!(!run.stderr.contains("quill"), "{}", run.stderr);
            assert!(run.stderr.contains("stage done"), "{}", run.stderr);
        }
    }
    // Of several nothing is told but which they are.
    let run = shop.optin(&["why", "p.yaml", "--customer", "town=Aford"]).done();
    for value in ["estrel", "quill", "150"] {
        assert!(!run.stdout.contains(value), "{}", run.stdout);
    }
}

#[test]
fn nothing_is_written() {
    let shop = shop();
    let before = shop.files();
    shop.optin(&["why", "p.yaml", "--customer", "people=3"]).done();
    assert_eq!(shop.files(), before);
}

/// What stands in cells cannot write to the terminal.
#[test]
fn values_do_not_move_the_cursor() {
    let shop = shop();
    shop.write("people.csv", "id,mail,town,points,score\n1,a@x.com,\"A\u{1b}[2J\u{202e}\nB\",1,\n");
    let run = shop.optin(&["why", "p.yaml", "--customer", "people=1"]).done();
    assert!(run.stdout.contains(r#"town "A\u{1b}[2J\u{202e}\nB""#), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'));
}

/// Columns that are not needed are read late, ids are forgotten, row groups are skipped: the answer is
/// the same.
#[test]
fn parquet_is_read_narrowly_and_says_the_same() {
    let folder = Folder::new();
    let rows = 1000;
    let (mut people, mut consent) = (String::from("id,mail,country,points\n"), String::new());
    for at in 0..rows {
        let country = ["DE", "FR"][at % 2];
        writeln!(people, "c{at:05},p{at}@x.com,{country},{}", at % 7).expect("a text");
        writeln!(consent, "p{at}@x.com,{}", ["yes", "no", ""][at % 3]).expect("a text");
    }
    folder.write("people.csv", &people);
    folder.write("consent.csv", format!("mail,news\n{consent}"));
    parquet(&folder.at("people.csv"), &folder.at("people.parquet"));
    let pipeline = |format: &str| {
        format!(
            "version: 1\nname: narrow\nas_of: 2026-01-01\nsources:\n\
             \x20 - {{ name: people, path: people.{format} }}\n\
             \x20 - {{ name: consent, path: consent.csv }}\n\
             keys: [{{ field: mail, normalize: email }}]\n\
             customers:\n\
             \x20 - {{ source: people, id: id, fields: {{ mail: mail, country: country, points: points }} }}\n\
             identity: {{ link_on: [[mail]] }}\n\
             consent:\n\
             \x20 purposes: [{{ name: news, via: mail, model: opt_in }}]\n\
             \x20 tables: [{{ source: consent, match: {{ mail: mail }}, values: {{ news: news }} }}]\n\
             segments: [{{ name: german, consent: news, where: country = 'DE' }}]\n\
             exports: [{{ segment: german, path: german.csv, columns: [customer_id, points] }}]\n"
        )
    };
    folder.write("csv.yaml", pipeline("csv"));
    folder.write("parquet.yaml", pipeline("parquet"));
    for at in [0, 1, 2, 3, 500, 501, 999] {
        for customer in [format!("mail=P{at}@x.com"), format!("people=c{at:05}")] {
            let ask = |pipeline: &str| {
                let run = folder.optin(&["why", pipeline, "--customer", &customer]).done();
                run.stdout.replace("people.parquet", "people.csv")
            };
            let (csv, parquet) = (ask("csv.yaml"), ask("parquet.yaml"));
            assert_eq!(csv, parquet);
            assert!(csv.contains(&format!("people row {}, id c{at:05}", at + 1)), "{csv}");
        }
    }
}

/// Writes a text file as Parquet of small row groups; all columns are texts.
fn parquet(from: &Path, to: &Path) {
    use polars::prelude::*;
    let table = crate::support::Table::read(&std::fs::read_to_string(from).expect("a file"), ',');
    let columns = table.header.iter().map(|name| {
        let cells = table.column(name).into_iter().map(Some);
        StringChunked::from_iter_options(name.as_str().into(), cells).into_series().into()
    });
    let mut frame = DataFrame::new(table.rows.len(), columns.collect()).expect("columns");
    let file = std::fs::File::create(to).expect("a file");
    ParquetWriter::new(file).with_row_group_size(Some(64)).finish(&mut frame).expect("written");
}

/// The page about the command shows an answer; it is what the command says.
#[test]
fn the_page_shows_a_true_answer() {
    const PAGE: &str = "docs/why.md";
    let page = std::fs::read_to_string(root().join(PAGE)).expect("the page");
    let command = page.lines().find_map(|line| line.strip_prefix("optin ")).expect("a command");
    let args: Vec<&str> = command.split_whitespace().collect();
    let answer = format!("```text\n{}```\n", optin(root(), &args).done().stdout);
    let (begin, end) = ("<!-- answer:begin -->\n", "<!-- answer:end -->");
    let start = page.find(begin).expect("the marker of the beginning") + begin.len();
    let length = page[start..].find(end).expect("the marker of the end");
    let mut due = page.clone();
    due.replace_range(start..start + length, &answer);
    if due != page && std::env::var_os("OPTIN_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(root().join(PAGE), due).expect("the page is written");
        return;
    }
    assert_eq!(page, due, "OPTIN_BLESS=1 writes {PAGE} anew");
}
