//! Tests of the generated files as wholes.

use std::collections::BTreeMap;

use super::*;

fn made(settings: Settings) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let summary = generate(dir.path(), &settings).unwrap();
    let mut files = BTreeMap::new();
    for (path, rows, bytes) in summary.files {
        let text = fs::read(&path).unwrap();
        assert_eq!(text.len() as u64, bytes);
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name != PIPELINE_NAME {
            let lines = text.split(|byte| *byte == b'\n').count() as u64;
            // The last line ends too, so nothing stands after it.
            assert_eq!(lines, rows + 2, "{name}");
        }
        files.insert(name, text);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), files.len());
    files
}

/// Cells of a line; quotes are never doubled here.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(c),
        }
    }
    assert!(!quoted);
    cells
}

fn rows(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Vec<Vec<String>> {
    std::str::from_utf8(&files[name]).unwrap().lines().map(cells).collect()
}

#[test]
fn same_seed_same_bytes() {
    let settings = Settings { customers: 3_000, seed: 7 };
    assert_eq!(made(settings), made(settings));
}

#[test]
fn another_seed_gives_other_bytes() {
    let (one, other) =
        (made(Settings { customers: 500, seed: 1 }), made(Settings { customers: 500, seed: 2 }));
    for (name, text) in &one {
        assert_eq!(*text == other[name], name == PIPELINE_NAME, "{name}");
    }
}

#[test]
fn threads_do_not_matter() {
    let settings = Settings { customers: 5 * CHUNK + 1, seed: 1 };
    let by = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| made(settings))
    };
    let one = by(1);
    assert!(one == by(2) && one == by(7));
}

#[test]
fn a_larger_set_starts_as_the_smaller_one() {
    let (small, large) =
        (made(Settings { customers: 100, seed: 4 }), made(Settings { customers: 200, seed: 4 }));
    assert!(large["contacts.csv"].starts_with(&small["contacts.csv"]));
}

#[test]
fn row_counts_follow_the_customers() {
    let dir = tempfile::tempdir().unwrap();
    let summary = generate(dir.path(), &Settings { customers: 1_000, seed: 0 }).unwrap();
    let counts: Vec<_> = summary.files.iter().map(|(_, rows, _)| *rows).collect();
    assert_eq!(counts, [1_000, 250, 800, 600, 10, 0]);
}

#[test]
fn one_customer_is_enough() {
    for (name, text) in made(Settings { customers: 1, seed: 0 }) {
        assert!(text.split(|byte| *byte == b'\n').count() > 2, "{name} has no rows");
    }
}

#[test]
fn every_row_has_all_cells_and_ids_are_unique() {
    let files = made(Settings { customers: 4_000, seed: 9 });
    let widths = [
        ("contacts.csv", 14),
        ("loyalty.csv", 8),
        ("newsletter_consent.csv", 3),
        ("consent_events.csv", 4),
        ("bounces.csv", 2),
    ];
    for (name, width) in widths {
        assert!(rows(&files, name).iter().all(|row| row.len() == width), "{name}");
    }
    let contacts = rows(&files, "contacts.csv");
    let mut ids: Vec<_> = contacts.iter().map(|row| &row[0]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), contacts.len());
}

#[test]
fn the_noise_is_there() {
    let contacts = rows(&made(Settings { customers: 4_000, seed: 9 }), "contacts.csv");
    let with =
        |test: fn(&[String]) -> bool| contacts.iter().skip(1).filter(|row| test(row)).count();
    assert!(with(|row| row[3].is_empty()) > 100);
    assert!(with(|row| row[3].bytes().any(|byte| byte.is_ascii_uppercase())) > 100);
    assert!(with(|row| row[3] != row[3].trim()) > 20);
    assert!(with(|row| row[4].starts_with('(')) > 100);
    assert!(with(|row| row[4].starts_with('+')) > 100);
    assert!(with(|row| row[6].contains(',')) > 100);
    assert!(with(|row| row[8].starts_with('0')) > 100);
    let mut mails: Vec<_> = contacts
        .iter()
        .map(|row| row[3].trim().to_ascii_lowercase())
        .filter(|mail| !mail.is_empty())
        .collect();
    let all = mails.len();
    mails.sort_unstable();
    mails.dedup();
    assert!((40..160).contains(&(all - mails.len())), "{} mails twice", all - mails.len());
}

#[test]
fn a_file_that_is_there_stays_and_nothing_is_added() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("consent_events.csv"), "mine").unwrap();
    let error = generate(dir.path(), &Settings { customers: 10, seed: 0 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("consent_events.csv is there already"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read(dir.path().join("consent_events.csv")).unwrap(), b"mine");
}

#[test]
fn no_customers_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = generate(&dir.path().join("new"), &Settings { customers: 0, seed: 0 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!dir.path().join("new").exists());
}
