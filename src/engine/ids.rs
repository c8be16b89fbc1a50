//! Ids of records: what tells them apart, and how other sources name them.

use std::borrow::Cow;

use rayon::prelude::*;

use super::cells::Cells;
use super::digest::{Digest, digest_in};
use super::gathered::{Gathered, Index, KeyPart};
use super::key_reader::KeyForms;
use super::memory::unreadable;
use super::partition::{equal, scatter};
use super::records::{Record, Records};
use crate::diagnostics::Outcome;
use crate::plan::TableId;

/// What tells the ids of records apart.
#[derive(Debug)]
pub struct IdDigests {
    /// Of each record's table and id; 0 without an id. None if every record has an id of its own
    /// and nobody asks for more.
    digests: Option<Vec<Digest>>,
    records: usize,
}

impl IdDigests {
    /// A number that records of one id have in common, and no others; 0 without an id.
    #[must_use]
    pub fn of(&self, record: Record) -> Digest {
        match &self.digests {
            Some(digests) => digests[record as usize],
            None => Digest::from(record) + 1,
        }
    }

    /// True if the record has an id.
    #[must_use]
    pub fn has(&self, record: Record) -> bool {
        self.digests.as_ref().is_none_or(|digests| digests[record as usize] != 0)
    }

    /// True if every record has one.
    #[must_use]
    pub fn are_complete(&self) -> bool {
        self.digests.as_ref().is_none_or(|digests| digests.par_iter().all(|digest| *digest != 0))
    }

    /// The records without one, ascending.
    #[must_use]
    pub fn missing(&self) -> Vec<Record> {
        let digests = self.digests.iter().flatten();
        (0..).zip(digests).filter(|(_, digest)| **digest == 0).map(|(record, _)| record).collect()
    }

    /// All records.
    #[must_use]
    pub fn records(&self) -> std::ops::Range<Record> {
        0..Record::try_from(self.records).unwrap_or(Record::MAX)
    }

    /// The digests by which sources find records; none where [`Ids::new`] was told that no source
    /// names any.
    #[must_use]
    pub fn as_keys(&self) -> &[Digest] {
        self.digests.as_deref().unwrap_or_default()
    }
}

/// The ids of all records.
#[derive(Debug)]
pub struct Ids {
    /// What tells them apart.
    pub digests: IdDigests,
    /// Records of one id: the first with every other.
    pub equal: Vec<(Record, Record)>,
}

impl Ids {
    /// Digests all ids, if somebody asks for them: `named` says whether decisions or suppressions
    /// name records, and so look for them, `paired` whether another source does.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn new(records: &mut Records, named: bool, paired: bool) -> Outcome<(Self, Option<Index>)> {
        for table in &mut records.tables {
            if !matches!(table.ids, Cells::Absent) {
                table.ascends = ascends(&table.ids, table.rows);
            }
        }
        let records = &*records;
        // Most tables come in the order of their ids; who ascends does not repeat.
        let ascend = records.all_ascend();
        if ascend && !named && !paired {
            let digests = IdDigests { digests: None, records: records.len };
            return Ok((Self { digests, equal: Vec::new() }, None));
        }
        let mut gathered = Gathered::new(named, records.len);
        for (at, table) in records.tables.iter().enumerate() {
            let id = |row| id_text(&table.ids, row);
            gathered.extend(table.rows, |rows| {
                KeyPart::new(
                    rows,
                    named,
                    |row| id(row).map_or(0, |id| record_digest(TableId(at), &id)),
                    |row| id(row).map(|id| KeyForms::of_record(TableId(at), &id)),
                )
            });
        }
        let (digests, index) = gathered.done();
        let equal = if ascend {
            Vec::new()
        } else {
            let held = scatter(records.len, |record| digests[record as usize]);
            equal(&held, |_| true).map_err(unreadable)?.pairs
        };
        let digests = IdDigests { digests: Some(digests), records: records.len };
        Ok((Self { digests, equal }, index))
    }
}

/// The first and the last id of some rows in which each is greater than the one before it.
#[derive(Debug, Default)]
pub struct Ascending {
    ends: Option<(String, String)>,
}

impl Ascending {
    /// Of ids of which each is greater than the one before it and none is missing; else none.
    #[must_use]
    pub fn of(ids: &Cells, rows: usize) -> Option<Self> {
        let end = |row: Option<usize>| id_text(ids, row?).map(Cow::into_owned);
        ascends(ids, rows)
            .then(|| Self { ends: end((rows > 0).then_some(0)).zip(end(rows.checked_sub(1))) })
    }

    /// Both, if the others go on where these end.
    #[must_use]
    pub fn and(self, next: Self) -> Option<Self> {
        let ends = match (self.ends, next.ends) {
            (Some((first, before)), Some((after, last))) if before < after => Some((first, last)),
            (Some(_), Some(_)) => return None,
            (ends, None) | (None, ends) => ends,
        };
        Some(Self { ends })
    }
}

/// True if each id is greater than the one before it, and none is missing.
fn ascends(ids: &Cells, rows: usize) -> bool {
    const BLOCK: usize = 1 << 16;
    // Blocks overlap by a row.
    (0..rows.div_ceil(BLOCK)).into_par_iter().all(|block| {
        let mut before: Option<Cow<'_, str>> = None;
        (block * BLOCK..rows.min((block + 1) * BLOCK + 1)).all(|row| {
            let Some(id) = id_text(ids, row) else { return false };
            let greater = before.as_ref().is_none_or(|before| *before < id);
            before = Some(id);
            greater
        })
    })
}

/// An id as compared: none if null or blank.
#[must_use]
pub fn id_text(ids: &Cells, row: usize) -> Option<Cow<'_, str>> {
    ids.text(row).filter(|id| !id.trim().is_empty())
}

/// The looser reading of an id (docs/semantics.md, section 6).
#[must_use]
pub fn loose_id(id: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    let id = id.trim_matches(blank);
    let number = id.strip_prefix('+').unwrap_or(id);
    let whole = match number.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => number,
    };
    if whole.is_empty() || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return id;
    }
    match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

/// The digest of a table and an id as it stands.
#[must_use]
pub fn record_digest(table: TableId, id: &str) -> Digest {
    digest_in(table.0 as u64, id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::loose_id;

    #[test]
    fn ids_are_read_as_spreadsheets_leave_them() {
        for id in ["7", " 7", "007", "+7", "7.0", "7.00", "7\u{200b}"] {
            assert_eq!(loose_id(id), "7", "{id}");
        }
        for id in ["7.5", "C-007", "7a", "-7"] {
            assert_eq!(loose_id(id), id);
        }
        assert_eq!(loose_id("000"), "0");
    }
}
