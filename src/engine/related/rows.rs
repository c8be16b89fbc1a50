//! The rows of a part of a related table: whose they are, and what is asked of them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::PoisonError;

use polars::prelude::*;
use rayon::prelude::*;

use super::tally::{Seen, Texts};
use super::targets::{Found, Targets};
use super::{NOT_ASKED, Reading, SHARD, Subject};
use crate::diagnostics::Outcome;
use crate::engine::account::RelatedAccount;
use crate::engine::cells::Cells;
use crate::engine::digest::Digest;
use crate::engine::engine_fault;
use crate::engine::expr::{Names, lower};
use crate::engine::ids::{id_text, record_digest};
use crate::engine::key_reader::KeyReader;
use crate::engine::source::Loaded;
use crate::engine::tuning;
use crate::plan::expr::ExprKind;
use crate::plan::{Expr, FieldId, Match, TableId};

/// A part of a related table.
pub struct Part<'r, 'a> {
    reading: &'r Reading<'a>,
    rows: usize,
    matches: Vec<Matched<'a>>,
    /// By aggregate what it looks at.
    looks: Vec<Look>,
}

/// How the rows of a part find customers by one match.
struct Matched<'a> {
    targets: &'a Targets,
    by: By<'a>,
}

enum By<'a> {
    Record(TableId, Cells),
    Key(KeyReader<'a>, &'a HashSet<Digest>),
}

/// What an aggregate looks at.
struct Look {
    filter: Option<Cells>,
    value: Option<Cells>,
    /// Of values that are text: their numbers, where the filter is true.
    texts: Option<Vec<Option<i128>>>,
    by: Option<Cells>,
}

/// How many rows are digested before they are looked up.
const BLOCK: usize = 1 << 9;

/// How many rows are looked at in one go.
fn chunk_rows() -> usize {
    tuning::part(1 << 16, 3)
}

impl<'r, 'a> Part<'r, 'a> {
    /// Looks at the cells of a part.
    ///
    /// # Errors
    /// Faults of the engine.
    pub fn new(reading: &'r Reading<'a>, part: &Loaded) -> Outcome<Self> {
        let related = &reading.plan.related[reading.id.0];
        let mut matches = Vec::new();
        for matched in &related.matches {
            let by = match matched {
                Match::Record { table, column } => {
                    By::Record(*table, Cells::of(&part.column(column)?.series)?)
                }
                Match::Key { field, .. } | Match::Digest { field, .. } => {
                    let Some(reader) = KeyReader::for_match(reading.plan, matched, part)? else {
                        continue;
                    };
                    By::Key(reader, reading.finder.people.1.field(*field).1)
                }
            };
            if let Some(targets) = reading.finder.targets.get(&Subject::of(matched)) {
                matches.push(Matched { targets, by });
            }
        }
        let mut cells = Evaluated::new(reading, part)?;
        let mut looks = Vec::new();
        for (_, aggregate) in &reading.aggregates {
            let mut of = |expr: &Option<Expr>| expr.as_ref().map(|expr| cells.of(expr)).transpose();
            let filter = of(&aggregate.filter)?;
            let value = of(&aggregate.value)?;
            let by = of(&aggregate.by)?;
            looks.push(Look { filter, value, texts: None, by });
        }
        for look in &mut looks {
            look.number_texts(reading, part.rows);
        }
        Ok(Self { reading, rows: part.rows, matches, looks })
    }

    /// Adds all rows to what their customers' rows came to so far.
    pub fn add(&self) -> RelatedAccount {
        let chunk = chunk_rows();
        (0..self.rows.div_ceil(chunk))
            .into_par_iter()
            .map(|at| self.add_rows(at * chunk..self.rows.min((at + 1) * chunk)))
            .reduce(RelatedAccount::default, |mut all, of| {
                all.add(&of);
                all
            })
    }

    fn add_rows(&self, rows: Range<usize>) -> RelatedAccount {
        let mut account = RelatedAccount { read: rows.len() as u64, ..Default::default() };
        // Customer and row.
        let mut hits: Vec<(u32, u32)> = Vec::with_capacity(rows.len());
        let mut hit = |profile: u32, row: usize| {
            let slot = self.reading.slots[profile as usize];
            if slot != NOT_ASKED {
                hits.push((slot, u32::try_from(row).unwrap_or(u32::MAX)));
            }
        };
        // Look-ups wait for memory, and less if they come one after the other.
        let mut keys = Vec::with_capacity(BLOCK);
        for start in rows.clone().step_by(BLOCK) {
            let block = start..rows.end.min(start + BLOCK);
            keys.clear();
            keys.extend(block.clone().map(|row| self.key(row)));
            for (row, key) in block.zip(&keys) {
                let Some((matched, digest)) = key else {
                    account.without_key += 1;
                    continue;
                };
                match self.matches[*matched].targets.find(*digest) {
                    Found::Nobody => account.unmatched += 1,
                    Found::Aside => account.set_aside += 1,
                    Found::One(profile) => {
                        account.matched += 1;
                        hit(profile, row);
                    }
                    Found::Several(profiles) => {
                        account.matched += 1;
                        account.of_several += 1;
                        for profile in profiles {
                            hit(*profile, row);
                        }
                    }
                }
            }
        }
        let hits = by_shard(&hits, self.reading.shards.len());
        let texts = self.reading.texts.read().unwrap_or_else(PoisonError::into_inner);
        for of_shard in hits.chunk_by(|a, b| a.0 as usize / SHARD == b.0 as usize / SHARD) {
            let shard = of_shard[0].0 as usize / SHARD;
            let tallies = self.reading.shards[shard].lock();
            let mut tallies = tallies.unwrap_or_else(PoisonError::into_inner);
            for (look, tally) in self.looks.iter().zip(tallies.iter_mut()) {
                for (slot, row) in of_shard {
                    let row = *row as usize;
                    if look.counts(row) {
                        tally.add(*slot as usize % SHARD, look.seen(row), &texts);
                    }
                }
            }
        }
        account
    }

    /// The first match that a row fills, and its key there; none if it fills none.
    fn key(&self, row: usize) -> Option<(usize, Digest)> {
        self.matches.iter().enumerate().find_map(|(at, matched)| {
            let digest = match &matched.by {
                By::Record(table, ids) => record_digest(*table, &id_text(ids, row)?),
                By::Key(reader, never) => {
                    Some(reader.key(row)).filter(|key| *key != 0 && !never.contains(key))?
                }
            };
            Some((at, digest))
        })
    }
}

/// Those of one lock together, so that each is taken once.
fn by_shard(hits: &[(u32, u32)], shards: usize) -> Vec<(u32, u32)> {
    let shard = |hit: &(u32, u32)| hit.0 as usize / SHARD;
    let mut next = vec![0; shards + 1];
    for hit in hits {
        next[shard(hit) + 1] += 1;
    }
    for at in 1..next.len() {
        next[at] += next[at - 1];
    }
    let mut sorted = vec![(0, 0); hits.len()];
    for hit in hits {
        let at = &mut next[shard(hit)];
        sorted[*at] = *hit;
        *at += 1;
    }
    sorted
}

impl Look {
    /// True if the row counts.
    fn counts(&self, row: usize) -> bool {
        match &self.filter {
            None => true,
            Some(Cells::Bool(filter)) => filter.get(row) == Some(true),
            Some(_) => false,
        }
    }

    fn seen(&self, row: usize) -> Seen {
        let value = match (&self.texts, &self.value) {
            (Some(texts), _) => texts[row],
            (None, Some(value)) => value.number(row),
            (None, None) => None,
        };
        Seen { value, by: self.by.as_ref().and_then(|by| by.ordinal(row)) }
    }

    /// Gives the texts that count their numbers.
    fn number_texts(&mut self, reading: &Reading<'_>, rows: usize) {
        let Some(Cells::Text(_)) = &self.value else { return };
        let Some(cells) = self.value.take() else { return };
        let text = |row: usize| match &cells {
            Cells::Text(cells) if self.counts(row) => cells.get(row),
            _ => None,
        };
        // Few texts stand in many rows: each is asked for once a part.
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut each: Vec<&str> = Vec::new();
        let places: Vec<Option<usize>> = (0..rows)
            .map(|row| {
                let text = text(row)?;
                Some(*known.entry(text).or_insert_with(|| {
                    each.push(text);
                    each.len() - 1
                }))
            })
            .collect();
        let mut texts = reading.texts.write().unwrap_or_else(PoisonError::into_inner);
        let numbers: Vec<i128> =
            each.into_iter().map(|text| Texts::number(&mut texts, text)).collect();
        drop(texts);
        self.texts = Some(places.into_iter().map(|place| place.map(|at| numbers[at])).collect());
    }
}

/// Expressions over the rows of a part, each computed once.
struct Evaluated<'r, 'a> {
    reading: &'r Reading<'a>,
    part: &'r Loaded,
    frame: DataFrame,
    known: Vec<(Expr, Cells)>,
}

/// The name of a column of the frame: whatever it is called in the file.
fn column_name(column: FieldId) -> String {
    format!("c{}", column.0)
}

impl<'r, 'a> Evaluated<'r, 'a> {
    fn new(reading: &'r Reading<'a>, part: &'r Loaded) -> Outcome<Self> {
        let related = &reading.plan.related[reading.id.0];
        let mut columns = Vec::new();
        for column in reading.plan.columns_in_use(reading.id) {
            let series = part.column(&related.columns[column.0].0)?.series.clone();
            columns.push(series.with_name(column_name(column).into()).into());
        }
        if columns.is_empty() {
            let ones = BooleanChunked::full("\u{1}".into(), true, part.rows);
            columns.push(ones.into_series().into());
        }
        let frame = DataFrame::new(part.rows, columns)
            .map_err(|e| engine_fault("looking at rows of a related table", &e))?;
        Ok(Self { reading, part, frame, known: Vec::new() })
    }

    fn of(&mut self, expr: &Expr) -> Outcome<Cells> {
        if let Some((_, cells)) = self.known.iter().find(|(known, _)| known == expr) {
            return Ok(cells.clone());
        }
        let cells = match expr.kind {
            ExprKind::Field(column) => {
                let related = &self.reading.plan.related[self.reading.id.0];
                Cells::of(&self.part.column(&related.columns[column.0].0)?.series)?
            }
            _ => self.evaluate(expr)?,
        };
        self.known.push((expr.clone(), cells.clone()));
        Ok(cells)
    }

    fn evaluate(&self, expr: &Expr) -> Outcome<Cells> {
        let fault = |e: PolarsError| engine_fault("evaluating a rule on a related table", &e);
        let names = Names {
            field: &column_name,
            // Of rows there is neither; `resolve` lets none through.
            consent: &|_| String::new(),
            aggregate: &|_| String::new(),
        };
        let result = "\u{1}result";
        let lowered = lower(expr, &names, self.reading.setting.as_of.at).alias(result);
        let out = self.frame.clone().lazy().with_column(lowered).collect().map_err(fault)?;
        let series = out.column(result).map_err(fault)?.as_materialized_series().rechunk();
        Cells::of(&series)
    }
}
