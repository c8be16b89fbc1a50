//! Key readers: how the cells of a column become keys, and the forms by which denials find them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use polars_arrow::array::{Array as _, Utf8ViewArray};

use super::cells::Cells;
use super::digest::{Digest, digest};
use super::gathered::KeyPart;
use super::ids::{loose_id, record_digest};
use super::records::Records;
use super::source::Loaded;
use crate::diagnostics::Outcome;
use crate::normalize::{FORMS, Forms, Loose, PLAIN_ROOM, Region, Sha};
use crate::plan::{FieldId, Key, Match, Plan, RegionFrom, TableId};
use crate::planted;

/// Digests of a key and of its loose forms: of a contact point, or of a record's table and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyForms {
    /// The key itself; 0 if there is none.
    pub key: Digest,
    /// True if denials look for the key as it is.
    pub own: bool,
    /// The other forms, on the side that was asked for; 0 where there is none.
    pub others: [Digest; FORMS],
}

impl KeyForms {
    /// No key.
    pub const NONE: Self = Self { key: 0, own: false, others: [0; FORMS] };

    /// Of a table and an id: as it stands, and for denials trimmed and, if it is a whole number,
    /// without sign, leading zeros and a fraction of zeros, as spreadsheets and casts leave them.
    #[must_use]
    pub fn of_record(table: TableId, id: &str) -> Self {
        let key = record_digest(table, id);
        let loose = loose_id(id);
        let mut forms = Self { key, own: loose == id, others: [0; FORMS] };
        if !forms.own {
            forms.others[0] = record_digest(table, loose);
        }
        forms
    }
}

/// The digest of a null: none.
fn no_key() -> Digest {
    if planted::fault("null-matches") { digest(b"") } else { 0 }
}

/// How the values of one column become keys of one field.
pub struct KeyReader<'a> {
    key: &'a Key,
    region: RegionFrom<Cells>,
    cells: Cells,
}

impl<'a> KeyReader<'a> {
    /// For a field of a customer table, of which all fields' cells are given.
    #[must_use]
    pub fn for_field(plan: &'a Plan, fields: &[Cells], field: FieldId) -> Self {
        let key = &plan.fields[field.0].key;
        let region = match &key.region {
            RegionFrom::None => RegionFrom::None,
            RegionFrom::Fixed(region) => RegionFrom::Fixed(*region),
            RegionFrom::Of(of) => RegionFrom::Of(fields[of.0].clone()),
        };
        Self { key, region, cells: fields[field.0].clone() }
    }

    /// For a matched column of a consent or suppression source.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn for_match(plan: &'a Plan, matched: &Match, source: &Loaded) -> Outcome<Option<Self>> {
        let Match::Key { field, column, region } = matched else { return Ok(None) };
        let region = match region {
            RegionFrom::None => RegionFrom::None,
            RegionFrom::Fixed(region) => RegionFrom::Fixed(*region),
            RegionFrom::Of(column) => RegionFrom::Of(Cells::of(&source.column(column)?.series)?),
        };
        let cells = Cells::of(&source.column(column)?.series)?;
        Ok(Some(Self { key: &plan.fields[field.0].key, region, cells }))
    }

    /// The region in which a number is read.
    #[must_use]
    pub fn region(&self, row: usize) -> Option<Region> {
        match &self.region {
            RegionFrom::None => None,
            RegionFrom::Fixed(region) => Some(*region),
            RegionFrom::Of(cells) => cells.text(row).and_then(|text| Region::parse(&text)),
        }
    }

    /// True if the cell is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.cells.is_null(row)
    }

    /// The digest of the key where the cell holds a plain mail address.
    fn plain_mail(&self, row: usize) -> Option<Digest> {
        let Cells::Text(cells) = &self.cells else { return None };
        let mut room = [0; PLAIN_ROOM];
        self.key.chain.plain_mail(cells.get(row)?, &mut room).map(digest)
    }

    /// The digest of the key; 0 if there is none.
    #[must_use]
    pub fn key(&self, row: usize) -> Digest {
        if let Some(key) = self.plain_mail(row) {
            return key;
        }
        let Some(text) = self.cells.text(row) else { return no_key() };
        self.key.chain.apply(&text, self.region(row)).map_or(0, |key| digest(key.as_bytes()))
    }

    /// The text of the key, if there is one.
    #[must_use]
    pub fn key_text(&self, row: usize) -> Option<String> {
        let text = self.cells.text(row)?;
        self.key.chain.apply(&text, self.region(row)).map(Cow::into_owned)
    }

    /// True if a value is usable, so that its key is not empty: cell `at` of `cells`, of the record
    /// of this row.
    #[must_use]
    pub fn usable(&self, cells: &Cells, at: usize, row: usize) -> bool {
        match cells {
            // The first byte stands in the view: long texts need not be looked at.
            Cells::Text(cells) if self.key.chain.is_trim() && starts_plainly(cells, at) => true,
            Cells::Text(_) | Cells::Int(_) => {
                cells.text(at).is_some_and(|text| self.key.chain.has_key(&text, self.region(row)))
            }
            // Other types are compared as they are; each value has a text that is not empty.
            cells => !cells.is_null(at),
        }
    }

    /// The keys of some rows.
    #[must_use]
    pub fn part(&self, rows: Range<usize>, indexed: bool) -> KeyPart {
        KeyPart::new(rows, indexed, |row| self.key(row), |row| self.target(row))
    }

    /// The key, and the forms under which its contact point looks for denials.
    fn target(&self, row: usize) -> Option<KeyForms> {
        self.with_forms(row, |loose| &loose.target)
    }

    /// The key, and the forms under which a denial of it is filed; `None` without a key.
    #[must_use]
    pub fn denial(&self, row: usize) -> Option<KeyForms> {
        self.with_forms(row, |loose| &loose.denial)
    }

    /// The SHA-256 digests by which a list of digests finds the value; none without a key.
    #[must_use]
    pub fn target_shas(&self, row: usize) -> Vec<Sha> {
        let Some(text) = self.cells.text(row) else { return Vec::new() };
        let loose = self.key.chain.apply_loose(&text, self.region(row));
        loose.map(|loose| loose.target_digests()).unwrap_or_default()
    }

    fn with_forms(
        &self,
        row: usize,
        forms: impl for<'l, 't> Fn(&'l Loose<'t>) -> &'l Forms<'t>,
    ) -> Option<KeyForms> {
        if let Some(key) = self.plain_mail(row) {
            return Some(KeyForms { key, own: true, others: [0; FORMS] });
        }
        let Some(text) = self.cells.text(row) else {
            let key = no_key();
            return (key != 0).then_some(KeyForms { key, own: true, others: [0; FORMS] });
        };
        let loose = self.key.chain.apply_loose(&text, self.region(row))?;
        let others = forms(&loose)
            .each_ref()
            .map(|form| form.as_ref().map_or(0, |form| digest(form.as_bytes())));
        Some(KeyForms { key: digest(loose.key.as_bytes()), own: loose.own, others })
    }
}

/// The digests of a field's `never` values, under every region its numbers may have.
#[must_use]
pub fn never(plan: &Plan, records: &Records, field: FieldId) -> HashSet<Digest> {
    let key = &plan.fields[field.0].key;
    if key.never.is_empty() {
        return HashSet::new();
    }
    let mut digests = HashSet::new();
    let regions = regions(key, records);
    for value in key.never.values() {
        for region in &regions {
            if let Some(key) = key.chain.apply(value, *region) {
                digests.insert(digest(key.as_bytes()));
            }
        }
    }
    digests
}

/// No region, and every one that numbers of a key may have.
#[must_use]
pub fn regions(key: &Key, records: &Records) -> Vec<Option<Region>> {
    let mut regions: Vec<Option<Region>> = vec![None];
    match &key.region {
        RegionFrom::None => {}
        RegionFrom::Fixed(region) => regions = vec![Some(*region)],
        RegionFrom::Of(of) => {
            let mut seen: HashSet<String> = HashSet::new();
            for table in &records.tables {
                for row in 0..table.rows {
                    if let Some(text) = table.fields[of.0].text(row)
                        && !seen.contains(text.as_ref())
                    {
                        regions.extend(Region::parse(&text).map(Some));
                        seen.insert(text.into_owned());
                    }
                }
            }
        }
    }
    regions
}

/// True if a text is there and begins with a printable ASCII character that is no blank.
fn starts_plainly(cells: &Utf8ViewArray, row: usize) -> bool {
    let view = &cells.views()[row];
    let [first, ..] = view.prefix.to_le_bytes();
    // A view of a null is of no use, so it is asked last.
    view.length > 0 && first.is_ascii_graphic() && cells.is_valid(row)
}
