//! An entry in a suppression list of digests, for one person.
//!
//! The list is CSV: a column for each contact field of the pipeline, in its order, called
//! `FIELD_sha256`; each row has one digest. A person is entered with the digests of all keys of his contact
//! points and of their looser forms, so the list reaches as far as the values themselves would.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::normalize::{Kind, Sha, read_sha};
use crate::output::private_file::{read_by, refuse_over, site, write, written_by};
use crate::plan::{FieldId, Match, Plan, hex};
use crate::proof::Contact;

/// What was entered.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The list.
    pub path: PathBuf,
    /// Digests that were added.
    pub added: usize,
    /// Digests that stood in it before.
    pub there: usize,
    /// True if the pipeline reads this file as a suppression list of digests.
    pub is_read: bool,
}

/// Enters a person into a list; what stands in it stays.
///
/// # Errors
/// A file of another shape; one that the pipeline reads as something else, or writes; a file that cannot be
/// written.
pub fn enter(plan: &Plan, contacts: &[Contact], list: &Path, pipeline: &Path) -> Outcome<Entry> {
    let lists = lists(plan);
    let inode = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let is_list = |path: &PathBuf| lists.iter().any(|of| inode(of) == inode(path));
    let others = read_by(plan, pipeline).into_iter().filter(|path| !is_list(path));
    let why = "this is a file that the pipeline reads as something else, or writes";
    refuse_over(list, why, others.chain(written_by(plan)))?;
    let is_csv = list.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    // One that the pipeline reads may have a name of its own, with `format: csv`.
    if !(is_csv || list.exists() && is_list(&list.to_path_buf())) {
        return Err(Diagnostic::error(Code::OutputPath, "a list of digests is CSV")
            .in_file(site(list))
            .help("write to a path that ends in .csv")
            .into());
    }
    let fields: Vec<FieldId> = (0..plan.fields.len())
        .map(FieldId)
        .filter(|field| plan.fields[field.0].key.kind() != Kind::Text)
        .collect();
    let names: Vec<String> =
        fields.iter().map(|field| cell(&format!("{}_sha256", plan.fields[field.0].name))).collect();
    let header = names.join(",");
    let before = read(list)?;
    let known = match &before {
        Some((text, _)) => known(list, text, &header, fields.len())?,
        None => BTreeSet::new(),
    };
    let due: BTreeSet<(usize, Sha)> = digests(plan, contacts, &fields);
    let added: Vec<&(usize, Sha)> = due.difference(&known).collect();
    let entry = Entry {
        path: list.to_path_buf(),
        added: added.len(),
        there: due.len() - added.len(),
        is_read: lists.iter().any(|of| inode(of).is_some() && inode(of) == inode(list)),
    };
    if added.is_empty() {
        return Ok(entry);
    }
    write(list, |out| {
        match &before {
            Some((text, file)) => {
                out.get_ref().set_permissions(file.permissions())?;
                out.write_all(text.as_bytes())?;
                if !text.ends_with('\n') {
                    writeln!(out)?;
                }
            }
            None => writeln!(out, "{header}")?,
        }
        for (at, sha) in &added {
            let (left, right) = (",".repeat(*at), ",".repeat(fields.len() - 1 - at));
            writeln!(out, "{left}{}{right}", hex(sha))?;
        }
        out.flush()?;
        // What somebody else entered meanwhile must not be lost.
        let state = |of: &fs::Metadata| (of.dev(), of.ino(), of.len(), of.mtime(), of.mtime_nsec());
        let now = fs::metadata(list).ok();
        if now.as_ref().map(state) != before.as_ref().map(|(_, file)| state(file)) {
            return Err(io::Error::other("it changed meanwhile; enter the person again"));
        }
        Ok(())
    })?;
    Ok(Entry { is_read: entry.is_read || lists.iter().any(|of| inode(of) == inode(list)), ..entry })
}

/// Files of suppression lists that hold digests and nothing else.
fn lists(plan: &Plan) -> Vec<PathBuf> {
    let lists =
        plan.consent.suppress.iter().filter(|list| {
            list.matches.iter().all(|matched| matches!(matched, Match::Digest { .. }))
        });
    lists.flat_map(|list| plan.sources[list.source.0].files.iter().cloned()).collect()
}

fn digests(plan: &Plan, contacts: &[Contact], fields: &[FieldId]) -> BTreeSet<(usize, Sha)> {
    let mut all = BTreeSet::new();
    for contact in contacts {
        let Contact::Value(field, text, region) = contact else { continue };
        let Some(at) = fields.iter().position(|of| of == field) else { continue };
        let loose = plan.fields[field.0].key.chain.apply_loose(text, *region);
        let digests = loose.map(|loose| loose.entry_digests()).unwrap_or_default();
        all.extend(digests.into_iter().map(|sha| (at, sha)));
    }
    all
}

/// A list as it stands; none if there is no file.
fn read(list: &Path) -> Outcome<Option<(String, fs::Metadata)>> {
    let file = match fs::metadata(list) {
        Ok(file) if file.is_file() => file,
        Ok(_) => return Err(shape(list, "it is no regular file").into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(shape(list, &format!("it cannot be read: {error}")).into()),
    };
    let bytes =
        fs::read(list).map_err(|error| shape(list, &format!("it cannot be read: {error}")))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some((text, file))),
        Err(_) => Err(shape(list, "it is not UTF-8").into()),
    }
}

/// The digests in a list, by column.
fn known(list: &Path, text: &str, header: &str, columns: usize) -> Outcome<BTreeSet<(usize, Sha)>> {
    let mut lines = text.lines();
    if lines.next() != Some(header) {
        return Err(shape(list, "its header is another one").into());
    }
    let mut known = BTreeSet::new();
    for (row, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let is_digest = |cell: &&str| cell.is_empty() || read_sha(cell).is_some();
        if cells.len() != columns || !cells.iter().all(is_digest) {
            let mut fault = site(list);
            fault.row = Some(row as u64 + 1);
            return Err(shape(list, "a row holds something else than digests")
                .in_file(fault)
                .into());
        }
        let digests = cells.iter().enumerate();
        known.extend(digests.filter_map(|(at, cell)| Some((at, read_sha(cell)?))));
    }
    Ok(known)
}

fn shape(list: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(
        Code::SuppressionFile,
        format!("this is no list of digests for this pipeline: {why}"),
    )
    .in_file(site(list))
    .help("give a file that `optin forget --suppress` wrote for this pipeline, or a new one")
}

/// A name as a cell of CSV.
fn cell(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}
