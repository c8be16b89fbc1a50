//! Synthetic customers and consents, for trials and benchmarks.
//!
//! In comes a number of customers and a seed; out go five CSV files and a pipeline file that runs
//! on them. Every row follows from the settings and the row's number alone, so the bytes are the
//! same whatever the machine and the number of threads. Nothing here asks the clock, knows the
//! engine, or overwrites a file.
//!
//! | file | rows for each customer | what it is |
//! |---|---:|---|
//! | `contacts.csv` | 1 | customers; 14 columns |
//! | `loyalty.csv` | 0.25 | members, most of them contacts too |
//! | `newsletter_consent.csv` | 0.8 | one decision a row, dated; some mails twice |
//! | `consent_events.csv` | 0.6 | log of two purposes |
//! | `bounces.csv` | 0.01 | mails never to be written to |
//!
//! The noise is that of real tables: mails in other case and with blanks, phones in several forms,
//! customers twice, cells that are missing or quoted.

mod people;
mod pools;

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use people::{Dice, LAST_DAY, Person, digits, moment};
use pools::{DENIALS, GRANTS, REASONS, TIERS};

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of customers: the rows of `contacts.csv`. At least 1.
    pub customers: u64,
    /// Another seed gives other people.
    pub seed: u64,
}

/// What was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Each file with its number of rows (without the header; 0 for the pipeline file) and its
    /// size in bytes.
    pub files: Vec<(PathBuf, u64, u64)>,
}

/// The pipeline file that runs on the data.
const PIPELINE: &str = include_str!("pipeline.yaml");
const PIPELINE_NAME: &str = "pipeline.yaml";

/// Rows that one thread makes at a time: about 2 MB of text.
const CHUNK: u64 = 16_384;

/// Streams of dice: one for people, one for each table.
const PEOPLE: u64 = 0;
const CONTACTS: u64 = 1;
const LOYALTY: u64 = 2;
const NEWSLETTER: u64 = 3;
const EVENTS: u64 = 4;
const BOUNCES: u64 = 5;

/// A file to write: how a row of it is made from its number.
struct Table {
    name: &'static str,
    header: &'static str,
    rows: u64,
    row: fn(&Settings, u64, &mut Vec<u8>),
}

/// Writes the data and its pipeline file into `dir`, which is made if it is not there.
///
/// # Errors
/// `InvalidInput` if no customers are asked for, `AlreadyExists` if one of the files is there
/// (then none is written), and whatever the file system says. After an error no file of this call
/// is left.
pub fn generate(dir: &Path, settings: &Settings) -> Result<Summary> {
    if settings.customers == 0 {
        return Err(Error::new(ErrorKind::InvalidInput, "at least one customer must be generated"));
    }
    fs::create_dir_all(dir)?;
    let tables = tables(settings);
    let paths: Vec<PathBuf> =
        tables.iter().map(|table| table.name).chain([PIPELINE_NAME]).map(|n| dir.join(n)).collect();

    // All files are claimed before any is filled.
    let mut files = Vec::with_capacity(paths.len());
    for path in &paths {
        match claim(path) {
            Ok(file) => files.push(file),
            Err(error) => {
                discard(&paths[..files.len()]);
                return Err(error);
            }
        }
    }
    let written = fill(settings, &tables, files);
    if written.is_err() {
        discard(&paths);
    }
    let files = paths.iter().zip(written?).map(|(path, (rows, bytes))| (path.clone(), rows, bytes));
    Ok(Summary { files: files.collect() })
}

/// Creates a file that must not be there.
fn claim(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        let message = if error.kind() == ErrorKind::AlreadyExists {
            format!("{} is there already; nothing is overwritten", path.display())
        } else {
            format!("{} cannot be created: {error}", path.display())
        };
        Error::new(error.kind(), message)
    })
}

/// Removes files of this call. They are of no use, and would stand in the way of the next call.
fn discard(paths: &[PathBuf]) {
    for path in paths {
        // Best effort: the error that led here is the one to report.
        let _ = fs::remove_file(path);
    }
}

/// Writes all files at once; gives rows and bytes of each.
fn fill(settings: &Settings, tables: &[Table], mut files: Vec<File>) -> Result<Vec<(u64, u64)>> {
    let pipeline = files.split_off(tables.len());
    let mut written = tables
        .par_iter()
        .zip(files)
        .map(|(table, file)| {
            let bytes = write_table(settings, table, file).map_err(|e| failed(table.name, &e))?;
            Ok((table.rows, bytes))
        })
        .collect::<Result<Vec<_>>>()?;
    for mut file in pipeline {
        file.write_all(PIPELINE.as_bytes()).map_err(|e| failed(PIPELINE_NAME, &e))?;
        written.push((0, PIPELINE.len() as u64));
    }
    Ok(written)
}

fn failed(name: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("{name} cannot be written: {error}"))
}

/// Writes one table: chunks of rows are made by all threads and written in order.
fn write_table(settings: &Settings, table: &Table, mut file: File) -> Result<u64> {
    file.write_all(table.header.as_bytes())?;
    let mut bytes = table.header.len() as u64;
    let chunks = table.rows.div_ceil(CHUNK);
    let at_once = rayon::current_num_threads().max(1);
    let mut buffers: Vec<Vec<u8>> = vec![Vec::new(); at_once];
    for first in (0..chunks).step_by(at_once) {
        buffers.par_iter_mut().enumerate().for_each(|(at, buffer)| {
            buffer.clear();
            let start = (first + at as u64) * CHUNK;
            for row in start..(start + CHUNK).min(table.rows) {
                (table.row)(settings, row, buffer);
            }
        });
        for buffer in &buffers {
            file.write_all(buffer)?;
            bytes += buffer.len() as u64;
        }
    }
    Ok(bytes)
}

/// The tables; each has a row, because a consent or suppression source without rows stops a run.
fn tables(settings: &Settings) -> [Table; 5] {
    let share = |of_hundred: u64| {
        let rows = u128::from(settings.customers) * u128::from(of_hundred) / 100;
        u64::try_from(rows).unwrap_or(u64::MAX).max(1)
    };
    [
        Table {
            name: "contacts.csv",
            header: "ContactId,FirstName,LastName,Email,Mobile,BirthDate,Street,City,Zip,Country,\
                     CreatedOn,ModifiedOn,Points,Tier\n",
            rows: share(100),
            row: contact,
        },
        Table {
            name: "loyalty.csv",
            header: "LoyaltyId,EMail,Phone,Surname,PostCode,Country,Points,Changed\n",
            rows: share(25),
            row: member,
        },
        Table {
            name: "newsletter_consent.csv",
            header: "Email,Newsletter consent,Recorded at\n",
            rows: share(80),
            row: newsletter,
        },
        Table {
            name: "consent_events.csv",
            header: "ts,address,purpose,status\n",
            rows: share(60),
            row: event,
        },
        Table { name: "bounces.csv", header: "address,reason\n", rows: share(1), row: bounce },
    ]
}

fn person(settings: &Settings, number: u64) -> Person {
    Person::new(Dice::new(settings.seed, PEOPLE, number), number)
}

/// Of 50 contacts one is an earlier person once more.
fn contact(settings: &Settings, row: u64, out: &mut Vec<u8>) {
    let mut dice = Dice::new(settings.seed, CONTACTS, row);
    let again = row > 0 && dice.in_thousand(20);
    let person = person(settings, if again { dice.below(row) } else { row });
    let created = LAST_DAY - dice.below(3_000);
    let modified = created + dice.below(LAST_DAY - created + 1);

    out.extend_from_slice(b"C-");
    digits(out, row, 10);
    out.push(b',');
    if dice.in_thousand(985) {
        person.first(out);
    }
    out.push(b',');
    let start = out.len();
    person.last(out);
    if dice.in_thousand(10) {
        out[start..].make_ascii_uppercase();
    }
    out.push(b',');
    if dice.in_thousand(940) {
        person.typed_mail(out, &mut dice);
    }
    out.push(b',');
    if dice.in_thousand(720) {
        person.typed_phone(out, &mut dice);
    }
    out.push(b',');
    if dice.in_thousand(700) {
        person.birth_date(out);
    }
    out.push(b',');
    person.street(out);
    out.push(b',');
    person.city(out);
    out.push(b',');
    person.zip(out);
    out.push(b',');
    person.country(out);
    out.push(b',');
    moment(out, created, &mut dice);
    out.push(b',');
    moment(out, modified, &mut dice);
    out.push(b',');
    let points = dice.below(100) * dice.below(100);
    if dice.in_thousand(900) {
        digits(out, points, 1);
    }
    out.push(b',');
    let tier = [points >= 1_500, points >= 3_500, points >= 6_000];
    out.extend_from_slice(TIERS[tier.iter().filter(|reached| **reached).count()].as_bytes());
    out.push(b'\n');
}

/// Of 20 members three are no contacts, and some give a phone alone.
fn member(settings: &Settings, row: u64, out: &mut Vec<u8>) {
    let mut dice = Dice::new(settings.seed, LOYALTY, row);
    let known = row.saturating_mul(4).saturating_add(dice.below(4));
    let number = if known < settings.customers && dice.in_thousand(850) {
        known
    } else {
        settings.customers.saturating_add(row)
    };
    let person = person(settings, number);
    out.extend_from_slice(b"L-");
    digits(out, row, 10);
    out.push(b',');
    if dice.in_thousand(800) {
        person.typed_mail(out, &mut dice);
    }
    out.push(b',');
    if dice.in_thousand(800) {
        person.typed_phone(out, &mut dice);
    }
    out.push(b',');
    person.last(out);
    out.push(b',');
    person.zip(out);
    out.push(b',');
    person.country(out);
    out.push(b',');
    digits(out, dice.below(100) * dice.below(100), 1);
    out.push(b',');
    moment(out, LAST_DAY - dice.below(2_000), &mut dice);
    out.push(b'\n');
}

/// Of 30 rows one is a second decision on the mail of the row before, and one is a stranger's.
fn newsletter(settings: &Settings, row: u64, out: &mut Vec<u8>) {
    let mut dice = Dice::new(settings.seed, NEWSLETTER, row);
    let number = match dice.below(30) {
        0 => known_by_newsletter(row.saturating_sub(1)),
        1 => settings.customers.saturating_mul(2).saturating_add(row),
        _ => known_by_newsletter(row),
    };
    person(settings, number).typed_mail(out, &mut dice);
    out.push(b',');
    if dice.in_thousand(980) {
        let words = if dice.in_thousand(680) { &GRANTS } else { &DENIALS };
        let word = if dice.in_thousand(900) { words[0] } else { dice.pick(words) };
        out.extend_from_slice(word.as_bytes());
    }
    out.push(b',');
    moment(out, LAST_DAY - dice.below(1_100), &mut dice);
    out.push(b'\n');
}

/// Four of five people stand in the newsletter table.
fn known_by_newsletter(row: u64) -> u64 {
    row / 4 * 5 + row % 4
}

fn event(settings: &Settings, row: u64, out: &mut Vec<u8>) {
    let mut dice = Dice::new(settings.seed, EVENTS, row);
    let person = person(settings, dice.below(settings.customers));
    moment(out, LAST_DAY - dice.below(1_100), &mut dice);
    out.push(b',');
    person.typed_mail(out, &mut dice);
    out.extend_from_slice(if dice.in_thousand(350) {
        b",newsletter,"
    } else {
        b",product_update,"
    });
    let status: &[u8] = if dice.in_thousand(800) { b"subscribed\n" } else { b"unsubscribed\n" };
    out.extend_from_slice(status);
}

fn bounce(settings: &Settings, row: u64, out: &mut Vec<u8>) {
    let mut dice = Dice::new(settings.seed, BOUNCES, row);
    person(settings, dice.below(settings.customers)).typed_mail(out, &mut dice);
    out.push(b',');
    out.extend_from_slice(dice.pick(&REASONS).as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
