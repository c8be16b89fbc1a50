//! Workbooks as sources and as outputs.

use std::path::Path;

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};

use crate::cases::generate;
use crate::harness::{in_folder, run_engine, try_seeds, unequal_files, written};
use crate::oracle::RawTable;
use crate::support::{Folder, root};

const CASES: u64 = 60;

/// Fills a workbook.
type Fill = fn(&mut Workbook);

const PIPELINE: &str = "version: 1
name: shop
as_of: 2026-11-24
out: out
sources:
  - { name: people, path: people.xlsx, types: { born: date, seen: datetime, points: int, score: float, vip: bool } }
  - { name: consents, path: consents.csv }
keys: [{ field: email, normalize: email }, { field: phone, normalize: { phone: { region: DE } } }]
customers:
  - { source: people, id: id, fields: { email: email, phone: phone, born: born, seen: seen, points: points, score: score, vip: vip, note: note } }
consent:
  purposes: [{ name: newsletter, via: email, model: opt_in }]
  tables:
    - { source: consents, match: { email: email }, values: { newsletter: newsletter } }
segments: [{ name: news, consent: newsletter, where: \"points >= 7 AND vip AND born < DATE '1990-01-01'\" }]
exports: [{ segment: news, path: out/news.xlsx, columns: [customer_id, email] }]
outputs: { profiles: out/profiles.csv }
";
const CONSENTS: &str = "email,newsletter\nann@example.com,yes\nbob@example.com,yes\n";

/// A shop whose people stand in a workbook.
fn shop(pipeline: &str, fill: impl FnOnce(&mut Workbook)) -> Folder {
    let folder = Folder::with(&[("consents.csv", CONSENTS), ("p.yaml", pipeline)]);
    let mut book = Workbook::new();
    fill(&mut book);
    book.save(folder.at("people.xlsx")).expect("a workbook is written");
    folder
}

/// People as a person enters them: numbers, dates and times are such, and blank rows stand between.
fn people(sheet: &mut Worksheet) {
    let names = ["id", "email", "phone", "born", "seen", "points", "score", "vip", "note"];
    for (at, name) in (1..).zip(names) {
        sheet.write(2, at, name).expect("a cell");
    }
    let (date, time) = (
        Format::new().set_num_format("dd.mm.yyyy"),
        Format::new().set_num_format("dd.mm.yyyy hh:mm"),
    );
    let rows = [
        (4, 1001.0, "ann@example.com", 491_701_234_567.0, 7.0),
        (6, 1002.0, "bob@example.com", 491_701_234_568.0, 6.0),
    ];
    for (row, id, email, phone, points) in rows {
        sheet.write(row, 1, id).expect("a cell");
        sheet.write(row, 2, email).expect("a cell");
        sheet.write(row, 3, phone).expect("a cell");
        let born = ExcelDateTime::from_ymd(1980, 2, 29).expect("a date");
        sheet.write_with_format(row, 4, &born, &date).expect("a cell");
        let seen = ExcelDateTime::from_ymd(2026, 11, 1).and_then(|day| day.and_hms(9, 5, 7));
        sheet.write_with_format(row, 5, seen.expect("a time"), &time).expect("a cell");
        sheet.write(row, 6, points).expect("a cell");
        sheet.write(row, 7, 0.1).expect("a cell");
        sheet.write(row, 8, true).expect("a cell");
    }
    sheet.write(4, 9, "=1+1").expect("a cell");
}

fn rows_of(path: &Path) -> Vec<Vec<Data>> {
    let mut book: Xlsx<_> = open_workbook(path).expect("a workbook");
    let sheet = book.worksheet_range_at(0).expect("a sheet").expect("it is read");
    sheet.rows().map(<[Data]>::to_vec).collect()
}

fn text(text: &str) -> Data {
    Data::String(text.to_owned())
}

#[test]
fn cells_are_read_as_the_values_they_hold() {
    let folder = shop(PIPELINE, |book| people(book.add_worksheet()));
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let profiles = folder.read("out/profiles.csv");
    let ann = profiles.lines().find(|line| line.contains("ann@")).expect("she is there");
    for cell in
        ["491701234567", "1980-02-29", "2026-11-01T09:05:07Z", ",7,", "0.1", "true", ",=1+1,"]
    {
        assert!(ann.contains(cell), "{cell}: {ann}");
    }
    let news = rows_of(&folder.at("out/news.xlsx"));
    assert_eq!(news.len(), 2, "{news:?}");
    assert_eq!(news[0], [text("customer_id"), text("email")]);
    assert_eq!(news[1][1], text("ann@example.com"));
    // The same rows are the same bytes, and what reads outputs reads workbooks.
    let before = folder.bytes("out/news.xlsx");
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    assert!(before == folder.bytes("out/news.xlsx"));
    folder.optin(&["verify", "out/run.json"]).done();
    let why = folder.optin(&["why", "p.yaml", "--customer", "email=bob@example.com"]);
    assert!(why.stdout.contains("rule false"), "{}{}", why.stdout, why.stderr);
}

#[test]
fn what_a_sheet_does_not_keep_is_written_as_text() {
    let csv = "id,email,big,small,price,born,at,note\n1,ann@example.com,9007199254740993,12,12345678901234567.25,1899-05-01,2026-01-02T03:04:05.000001Z,=1+1\n2,bob@example.com,5,-3,0.10,2026-11-24,2026-01-02T03:04:05.250Z,\" a\tb_x0041_ \"\n3,cid@example.com,,,,,,\n";
    let pipeline = "version: 1
name: p
as_of: 2026-11-24
sources: [{ name: people, path: people.csv, types: { big: int, small: int, price: decimal, born: date, at: datetime } }]
customers: [{ source: people, id: id, fields: { email: email, big: big, small: small, price: price, born: born, at: at, note: note } }]
outputs: { profiles: out/profiles.xlsx }
";
    let folder = Folder::with(&[("people.csv", csv), ("p.yaml", pipeline)]);
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let rows = rows_of(&folder.at("out/profiles.xlsx"));
    let place = |name: &str| rows[0].iter().position(|cell| *cell == text(name)).expect(name);
    // By mail: customers stand in the order of their ids.
    let column = |name: &str| {
        let mut found: Vec<_> = rows[1..]
            .iter()
            .map(|row| (row[place("email")].to_string(), row[place(name)].clone()))
            .collect();
        found.sort_by(|one, two| one.0.cmp(&two.0));
        found.into_iter().map(|(_, cell)| cell).collect::<Vec<_>>()
    };
    assert_eq!(column("big"), [text("9007199254740993"), Data::Float(5.0), Data::Empty]);
    assert_eq!(column("small"), [Data::Float(12.0), Data::Float(-3.0), Data::Empty]);
    assert_eq!(column("price"), [text("12345678901234567.25"), Data::Float(0.1), Data::Empty]);
    assert_eq!(column("born")[0], text("1899-05-01"));
    assert!(
        matches!(&column("born")[1], Data::DateTime(day) if day.to_ymd_hms_milli() == (2026, 11, 24, 0, 0, 0, 0))
    );
    assert_eq!(column("at")[0], text("2026-01-02T03:04:05.000001Z"));
    assert!(
        matches!(&column("at")[1], Data::DateTime(at) if at.to_ymd_hms_milli() == (2026, 1, 2, 3, 4, 5, 250))
    );
    assert_eq!(column("note"), [text("=1+1"), text(" a\tb_x0041_ "), Data::Empty]);
    // What was written is read again as it was.
    let again = pipeline
        .replace("people.csv", "out/profiles.xlsx")
        .replace("id: id", "id: customer_id")
        .replace("out/profiles.xlsx }", "again/profiles.csv }");
    folder.write("again.yaml", again);
    folder.optin(&["run", "again.yaml", "--quiet"]).done();
    let again = folder.read("again/profiles.csv");
    for cell in [
        "9007199254740993",
        "12345678901234567.25",
        "1899-05-01",
        "2026-01-02T03:04:05.000001Z",
        "2026-01-02T03:04:05.250Z",
        "0.1",
    ] {
        assert!(again.contains(cell), "{cell}: {again}");
    }
}

#[test]
fn what_is_no_value_is_told_with_its_place() {
    let sheet = |fill: fn(&mut Workbook)| {
        let folder = shop(PIPELINE, fill);
        let run = folder.optin(&["run", "p.yaml", "--quiet"]);
        assert!(!folder.at("out").exists(), "{}", run.stderr);
        assert!(!run.stderr.contains("ann@"), "{}", run.stderr);
        run.stderr
    };
    let cases: [(Fill, &[&str]); 7] = [
        (
            |book| {
                people(book.add_worksheet());
                people(book.add_worksheet());
            },
            &["error[bad-value]", "2 visible sheets: Sheet1, Sheet2", "sheet: NAME"],
        ),
        (
            |book| {
                let sheet = book.add_worksheet();
                people(sheet);
                sheet
                    .write_formula(6, 6, Formula::new("=1/0").set_result("#DIV/0!"))
                    .expect("a cell");
            },
            &["error[value-type]", "record 2", "points"],
        ),
        (
            |book| {
                let sheet = book.add_worksheet();
                people(sheet);
                sheet.write(6, 1, 12_345_678_901_234_567_890.0).expect("a cell");
            },
            &["error[value-type]", "does not keep its last digits", "record 2", "id"],
        ),
        (
            // A card number: a spreadsheet has made its last digit a zero.
            |book| {
                let sheet = book.add_worksheet();
                people(sheet);
                sheet.write(6, 1, 4_111_111_111_111_110.0).expect("a cell");
            },
            &["error[value-type]", "does not keep its last digits", "record 2", "id"],
        ),
        (
            |book| {
                let sheet = book.add_worksheet();
                people(sheet);
                let time = Format::new().set_num_format("hh:mm");
                sheet.write_with_format(6, 4, 0.4375, &time).expect("a cell");
            },
            &["error[value-type]", "formatted as a date, and holds none", "record 2", "born"],
        ),
        (
            |book| {
                let sheet = book.add_worksheet();
                people(sheet);
                sheet.write(2, 9, "email").expect("a cell");
            },
            &["error[header]", "two columns are called `email`"],
        ),
        (
            |book| {
                let sheet = book.add_worksheet();
                people(sheet);
                sheet.write(4, 10, "x").expect("a cell");
            },
            &["error[header]", "column 10 has no name"],
        ),
    ];
    for (fill, wanted) in cases {
        let told = sheet(fill);
        for part in wanted {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn a_sheet_is_chosen_by_its_name_and_what_is_no_workbook_is_told() {
    let named = PIPELINE.replace("path: people.xlsx,", "path: people.xlsx, sheet: Kunden,");
    let two = |book: &mut Workbook| {
        book.add_worksheet().write(0, 0, "notes").expect("a cell");
        people(book.add_worksheet().set_name("Kunden").expect("a name"));
    };
    let folder = shop(&named, two);
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let folder = shop(&named.replace("Kunden", "Leute"), two);
    let run = folder.optin(&["run", "p.yaml"]);
    assert!(run.stderr.contains("no sheet `Leute`; its sheets: Sheet1, Kunden"), "{}", run.stderr);
    folder.write("people.xlsx", "no workbook");
    let run = folder.optin(&["run", "p.yaml"]);
    assert!(run.stderr.starts_with("error[unreadable-file]"), "{}", run.stderr);
    let folder =
        shop(&PIPELINE.replace("path: consents.csv", "path: consents.csv, sheet: one"), two);
    let run = folder.optin(&["run", "p.yaml"]);
    assert!(run.stderr.contains("`sheet` goes with workbooks only"), "{}", run.stderr);
}

/// As libraries write formulas, which compute nothing (the file is written by openpyxl).
#[test]
fn a_formula_that_nobody_computed_stops_the_run() {
    let file = std::fs::read(root().join("tests/workbooks/formula-without-value.xlsx"));
    let pipeline = "version: 1
name: p
out: out
sources: [{ name: people, path: people.xlsx, types: { x: int } }]
customers: [{ source: people, id: id, fields: { x: x } }]
outputs: { profiles: out/profiles.csv }
";
    let folder = Folder::with(&[("p.yaml", pipeline)]);
    folder.write("people.xlsx", file.expect("it is there"));
    let run = folder.optin(&["run", "p.yaml"]);
    assert!(run.stderr.contains("error[value-type]: a formula has no value"), "{}", run.stderr);
    assert!(run.stderr.contains("record 1, line 2, column `x`"), "{}", run.stderr);
}

#[test]
fn a_text_too_long_for_a_cell_stops_the_run() {
    let pipeline = "version: 1
name: p
sources: [{ name: people, path: people.csv }]
customers: [{ source: people, id: id, fields: { note: note } }]
outputs: { profiles: out/profiles.xlsx }
";
    let csv = format!("id,note\n1,{}\n", "x".repeat(32_768));
    let folder = Folder::with(&[("people.csv", csv.as_str()), ("p.yaml", pipeline)]);
    let run = folder.optin(&["run", "p.yaml"]);
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains("32,767 characters"), "{}", run.stderr);
    assert!(!folder.at("out/profiles.xlsx").exists());
}

/// The same table as the only sheet of a workbook. A column of its own keeps rows without a value.
fn save(table: &RawTable, to: &Path) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let place = |at: usize| u16::try_from(at).expect("few columns");
    for (at, name) in table.columns.iter().enumerate() {
        sheet.write_string(0, place(at), name).expect("a cell");
    }
    let last = place(table.columns.len());
    sheet.write_string(0, last, "is a row").expect("a cell");
    for (row, cells) in (1..).zip(&table.rows) {
        for (at, cell) in cells.iter().enumerate() {
            if let Some(cell) = cell {
                sheet.write_string(row, place(at), cell).expect("a cell");
            }
        }
        sheet.write_boolean(row, last, true).expect("a cell");
    }
    book.save(to).expect("a workbook is written");
}

#[test]
fn random_cases_give_the_same_from_workbooks() {
    try_seeds(CASES, |seed| {
        let case = generate(seed);
        let (texts, first) = in_folder(&case, |dir, file| {
            run_engine(dir, file, case.exports, None);
            written(dir, case.exports)
        });
        let mut other = case.clone();
        let mut moved = Vec::new();
        for (path, _) in &case.files {
            let name = path.trim_start_matches("data/").trim_end_matches(".csv");
            let (before, after) = (format!("\"../{path}\""), format!("\"../data/{name}.xlsx\""));
            // Files that the pipeline names without declaring a source stay text.
            // So does a table with empty texts: a workbook has none.
            let is_empty = |cell: &Option<String>| cell.as_deref() == Some("");
            let kept = case.tables[name].rows.iter().flatten().any(is_empty);
            if !kept && other.yaml.contains(&format!("name: {name}, path: {before}")) {
                other.yaml = other.yaml.replace(&before, &after);
                moved.push(name.to_owned());
            }
        }
        let lines = other.yaml.lines().map(|line| {
            // Workbooks have no delimiter.
            let written = [";", "|"].map(|delimiter| format!(", delimiter: \"{delimiter}\""));
            let is_moved = line.contains(".xlsx\"");
            let plain =
                written.iter().fold(line.to_owned(), |line, written| line.replace(written, ""));
            if is_moved { plain } else { line.to_owned() }
        });
        other.yaml = lines.collect::<Vec<_>>().join("\n") + "\n";
        assert!(!moved.is_empty(), "no source of seed {seed} is a file of text");
        let (sheets, second) = in_folder(&other, |dir, file| {
            for name in &moved {
                save(&case.tables[name], &dir.join(format!("data/{name}.xlsx")));
            }
            run_engine(dir, file, case.exports, None);
            written(dir, case.exports)
        });
        match unequal_files(&texts, &sheets) {
            faults if faults.is_empty() => Ok(()),
            faults => Err((faults, vec![first, second])),
        }
    });
}
