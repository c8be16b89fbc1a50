//! The removal file of an audience: the identifiers that the file before held and the new one does not.
//!
//! What was exported before is the file that stands at the export's path until the new one replaces it;
//! it holds digests alone, so no value of a person is needed. An identifier is a cell of a mail address,
//! of a number or of an id of the advertiser's own, or all other cells of a row together if they name a
//! person by name and place. One that stands in any row of the new file is not removed: the platform
//! would take out somebody who may be contacted.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use polars::prelude::*;
use sha2::{Digest as _, Sha256};

use super::audience::{Earlier, WrittenRemovals, by_name};
use super::format::{self, Meant};
use super::stage::{Staging, failed, site};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::cells::Cells;
use crate::engine::source::{self, Loaded, text};
use crate::engine::{Memory, Rows};
use crate::normalize::platform::{Platform, Trait, is_digest};
use crate::plan::catalog::{Column as SourceColumn, ColumnType};
use crate::plan::{Format, PlatformFile, Source, Type};

/// The most bytes of a header; ours are far shorter.
const HEADER: u64 = 4096;

/// An identifier, by the beginning of a SHA-256.
type Id = u128;

/// A row of an audience file: the cells in the order of the platform's columns.
type CellsOfRow = Vec<Option<String>>;

/// Writes the removal file beside its target, if the audience has one.
///
/// # Errors
/// A file before that is no audience of this platform; files that cannot be read or written.
pub fn write(
    staging: &mut Staging,
    memory: &Memory,
    (name, path): (&str, &Path),
    file: &PlatformFile,
) -> Outcome<Option<WrittenRemovals>> {
    let Some(target) = &file.removals else { return Ok(None) };
    let platform = file.platform;
    let mut removed = Removed::default();
    let mut earlier = None;
    let mut columns: Vec<Trait> = file.columns.clone();
    if path.exists() {
        let staged = staging
            .staged(path)
            .map(Path::to_path_buf)
            .ok_or_else(|| Diagnostic::error(Code::AccountFault, "an audience was not staged"))?;
        let held = held(platform, &staged, memory)?;
        let before = header(platform, path)?;
        // Columns that are no longer filled are removed too.
        columns = platform
            .columns()
            .iter()
            .map(|(_, of)| *of)
            .filter(|of| columns.contains(of) || before.contains(of))
            .collect();
        let (_, sha256) = format::digest(path).map_err(|error| failed(path, &error))?;
        visit(platform, path, &before, |rows| {
            for row in rows {
                removed.add(platform, &held, row);
            }
            memory.check("looking for who is removed from an audience")
        })?;
        let (_, again) = format::digest(path).map_err(|error| failed(path, &error))?;
        if again != sha256 {
            return Err(not_ours(path, "it changed while it was read").into());
        }
        let Removed { rows, still_in, again, without_identifier, .. } = removed;
        earlier = Some(Earlier { sha256, rows, still_in, again, without_identifier });
    }
    let frame = frame(platform, &columns, &removed.leaving)?;
    let rows = Rows::Frame(frame);
    let meant = Meant { rows: &rows, hashing: None, guard: None, memory };
    let file = staging.add(name, target, &meant, false)?;
    if let Some(earlier) = &earlier {
        let parts = file.rows + earlier.still_in + earlier.again + earlier.without_identifier;
        if earlier.rows != parts {
            return Err(Diagnostic::error(
                Code::AccountFault,
                format!(
                    "the account of the removals of `{name}` does not close: {} in, {parts} accounted for",
                    earlier.rows
                ),
            )
            .help("this is a fault of the program; nothing was published. Please report it")
            .into());
        }
    }
    Ok(Some(WrittenRemovals { file, earlier }))
}

/// The rows that are removed, and what became of the others.
#[derive(Default)]
struct Removed {
    leaving: Vec<CellsOfRow>,
    seen: HashSet<Id>,
    rows: u64,
    still_in: u64,
    again: u64,
    without_identifier: u64,
}

impl Removed {
    fn add(&mut self, platform: Platform, held: &HashSet<Id>, mut row: CellsOfRow) {
        self.rows += 1;
        let ids = identifiers(platform, &row);
        if ids.is_empty() {
            self.without_identifier += 1;
            return;
        }
        let gone: Vec<&Identifier> = ids.iter().filter(|id| !held.contains(&id.id)).collect();
        if gone.is_empty() {
            self.still_in += 1;
            return;
        }
        let stays = |at: usize| gone.iter().any(|id| id.cells.contains(&at));
        for (at, cell) in row.iter_mut().enumerate() {
            if !stays(at) {
                *cell = None;
            }
        }
        let whole = row.iter().map(|cell| cell.as_deref().unwrap_or_default());
        if self.seen.insert(id(whole)) {
            self.leaving.push(row);
        } else {
            self.again += 1;
        }
    }
}

/// What a row can be matched by, and by which of its cells.
struct Identifier {
    id: Id,
    cells: Vec<usize>,
}

/// All identifiers of a row.
fn identifiers(platform: Platform, row: &[Option<String>]) -> Vec<Identifier> {
    let columns = platform.columns();
    let alone = |of: Trait| matches!(of, Trait::Mail | Trait::Phone | Trait::ExternalId);
    let mut all = Vec::new();
    for (at, (name, of)) in columns.iter().enumerate() {
        if let Some(cell) = row[at].as_deref().filter(|_| alone(*of)) {
            all.push(Identifier { id: id([*name, cell].into_iter()), cells: vec![at] });
        }
    }
    let carries = |of: Trait| {
        let at = columns.iter().position(|(_, held)| *held == of);
        at.is_some_and(|at| row[at].is_some())
    };
    if by_name(carries) {
        let cells: Vec<usize> = (0..columns.len()).filter(|at| !alone(columns[*at].1)).collect();
        let texts = cells.iter().map(|at| row[*at].as_deref().unwrap_or_default());
        all.push(Identifier { id: id(std::iter::once("name").chain(texts)), cells });
    }
    all
}

/// A digest of texts in their order; none holds the separator, which no text file holds.
fn id<'t>(texts: impl Iterator<Item = &'t str>) -> Id {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    Id::from_le_bytes(first)
}

/// All identifiers of an audience file.
fn held(platform: Platform, file: &Path, memory: &Memory) -> Outcome<HashSet<Id>> {
    let mut held = HashSet::new();
    visit(platform, file, &header(platform, file)?, |rows| {
        let ids = rows.iter().flat_map(|row| identifiers(platform, row));
        held.extend(ids.map(|identifier| identifier.id));
        memory.check("reading an audience back")
    })?;
    Ok(held)
}

/// The columns of an audience file, in their order there.
fn header(platform: Platform, file: &Path) -> Outcome<Vec<Trait>> {
    let open = || -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        BufReader::new(fs::File::open(file)?.take(HEADER)).read_until(b'\n', &mut line)?;
        Ok(line)
    };
    let line = open().map_err(|error| not_ours(file, &format!("it cannot be read: {error}")))?;
    let no_header = || not_ours(file, "it has no header");
    let line = text::utf8(&line).map_err(|_| no_header())?;
    let names = text::Delimited::open(line, b',', true).map_err(|_| no_header())?.header;
    let of = |name: &String| {
        let known = platform.columns().iter().find(|(known, _)| known == name);
        known.map(|(_, of)| *of).ok_or_else(|| {
            not_ours(file, &format!("not all of its columns are those of {}", platform.name()))
        })
    };
    Ok(names.iter().map(of).collect::<Result<_, _>>()?)
}

/// Reads an audience file part by part.
fn visit(
    platform: Platform,
    file: &Path,
    header: &[Trait],
    take: impl FnMut(Vec<CellsOfRow>) -> Outcome<()>,
) -> Outcome<()> {
    let names: Vec<&str> = header.iter().map(|of| platform.column(*of)).collect();
    let column = |name: &&str| SourceColumn {
        name: (*name).to_owned(),
        ty: ColumnType::Parsed { ty: Type::Text, format: None },
    };
    let columns = names.iter().map(column).collect();
    let format = Format::written_text(b',');
    let source = Source::written("the audience before", vec![file.to_path_buf()], format, columns);
    let make = |part: Loaded| {
        let mut rows: Vec<CellsOfRow> = vec![vec![None; platform.columns().len()]; part.rows];
        for (of, name) in header.iter().zip(&names) {
            let cells = Cells::of(&part.column(name)?.series)?;
            let place = platform.columns().iter().position(|(_, known)| known == of);
            for (at, row) in rows.iter_mut().enumerate() {
                let text = cells.text(at).map(std::borrow::Cow::into_owned);
                if platform.hashes(*of) && text.as_deref().is_some_and(|text| !is_digest(text)) {
                    return Err(not_ours(file, &format!("`{name}` holds what is no digest")).into());
                }
                if let Some(place) = place {
                    row[place] = text;
                }
            }
        }
        Ok(rows)
    };
    source::visit(&source, &names, make, take).map(drop)
}

fn frame(platform: Platform, columns: &[Trait], rows: &[CellsOfRow]) -> Outcome<DataFrame> {
    let of = |of: &Trait| {
        let at = platform.columns().iter().position(|(_, known)| known == of);
        let texts = rows.iter().map(|row| at.and_then(|at| row[at].as_deref()));
        let name = platform.column(*of).into();
        Column::from(StringChunked::from_iter_options(name, texts).into_series())
    };
    DataFrame::new(rows.len(), columns.iter().map(of).collect()).map_err(|_| {
        Diagnostic::error(Code::EngineFault, "the rows of a removal file could not be made").into()
    })
}

fn not_ours(file: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(
        Code::EarlierAudience,
        format!("the file before cannot be read as an audience, so nobody can be removed by it: {why}"),
    )
    .in_file(site(file))
    .help(
        "nothing was published; if it is no audience of this export, move it away: then the removal file \
         holds nobody",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Platform = Platform::MetaCustomAudience;

    fn row(cells: &[(Trait, &str)]) -> CellsOfRow {
        let cell = |(_, of): &(&str, Trait)| {
            let found = cells.iter().find(|(known, _)| known == of);
            found.map(|(_, text)| (*text).to_owned())
        };
        META.columns().iter().map(cell).collect()
    }

    fn removed(old: &[CellsOfRow], new: &[CellsOfRow]) -> Removed {
        let ids = new.iter().flat_map(|row| identifiers(META, row));
        let held: HashSet<Id> = ids.map(|identifier| identifier.id).collect();
        let mut removed = Removed::default();
        for row in old {
            removed.add(META, &held, row.clone());
        }
        let parts = removed.leaving.len() as u64
            + removed.still_in
            + removed.again
            + removed.without_identifier;
        assert_eq!(removed.rows, parts);
        removed
    }

    #[test]
    fn an_identifier_that_another_row_still_holds_is_not_removed() {
        let ann = row(&[(Trait::Mail, "a"), (Trait::Phone, "1")]);
        let bob = row(&[(Trait::Mail, "b"), (Trait::Phone, "1")]);
        let only_bob = removed(&[ann.clone(), bob.clone()], std::slice::from_ref(&bob));
        assert_eq!(only_bob.leaving, [row(&[(Trait::Mail, "a")])]);
        assert_eq!(only_bob.still_in, 1);
        // The same digest in another column is another identifier.
        let odd = removed(&[row(&[(Trait::Mail, "1")])], &[bob]);
        assert_eq!(odd.leaving, [row(&[(Trait::Mail, "1")])]);
    }

    #[test]
    fn name_and_place_are_one_identifier() {
        let named = |zip| {
            [
                (Trait::FirstName, "f"),
                (Trait::LastName, "l"),
                (Trait::Country, "c"),
                (Trait::Zip, zip),
            ]
        };
        let moved = removed(&[row(&named("1"))], &[row(&named("2"))]);
        assert_eq!(moved.leaving, [row(&named("1"))]);
        let stays = removed(&[row(&named("1"))], &[row(&named("1"))]);
        assert!(stays.leaving.is_empty());
        // A name beside a mail address that is gone is not removed if another row has it.
        let mut old = named("1").to_vec();
        old.push((Trait::Mail, "a"));
        let namesake = removed(&[row(&old)], &[row(&named("1"))]);
        assert_eq!(namesake.leaving, [row(&[(Trait::Mail, "a")])]);
        // A country alone names nobody.
        let nobody = removed(&[row(&[(Trait::Country, "c")])], &[]);
        assert_eq!((nobody.leaving.len(), nobody.without_identifier), (0, 1));
    }

    #[test]
    fn what_is_removed_is_removed_once() {
        let ann = row(&[(Trait::Mail, "a")]);
        let twice = removed(&[ann.clone(), ann.clone()], &[]);
        assert_eq!((twice.leaving.len(), twice.again), (1, 1));
    }
}
