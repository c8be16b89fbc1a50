//! The cells of a matched column of a consent or suppression source, and whom they reach.

use super::About;
use super::decisions::cells;
use super::points::{Point, Points};
use crate::diagnostics::Outcome;
use crate::engine::cells::Cells;
use crate::engine::source::Loaded;
use crate::normalize::platform::{Platform, Trait};
use crate::normalize::{Chain, Kind, Region};
use crate::plan::{Match, Plan, RegionFrom, hex};

/// What a first look at a cell tells.
#[derive(Clone, Copy)]
pub enum Look {
    /// It reaches nobody.
    Nobody,
    /// A plain mail address with this hash, and a point that has it.
    Plain(u64, Option<Point>),
    /// The key of this point, and of no looser form: it reaches this point and nobody else.
    Known(Point),
    /// One must look closer.
    Closer,
}

/// The key cells of a matched column.
pub struct Keyed<'a> {
    chain: &'a Chain,
    cells: Cells,
    region: RegionFrom<Cells>,
    /// Set where it is the digests of the cells that are looked for.
    hashed: Option<(Platform, Trait)>,
}

impl<'a> Keyed<'a> {
    /// Of a match by key: its keys, and for each platform that its field is hashed for the digests.
    pub fn all(plan: &'a Plan, matched: &Match, part: &Loaded) -> Outcome<Vec<(About, Self)>> {
        let Match::Key { field, column, region } = matched else { return Ok(Vec::new()) };
        let region = match region {
            RegionFrom::None => RegionFrom::None,
            RegionFrom::Fixed(region) => RegionFrom::Fixed(*region),
            RegionFrom::Of(column) => RegionFrom::Of(cells(part, column)?),
        };
        let chain = &plan.fields[field.0].key.chain;
        let cells = cells(part, column)?;
        let of = |hashed| Self { chain, cells: cells.clone(), region: region.clone(), hashed };
        let mut all = vec![(About::Field(*field), of(None))];
        if let Some(held) = held_by(chain.kind()) {
            for platform in plan.hashed_for(*field) {
                all.push((About::Hashed(*field, platform), of(Some((platform, held)))));
            }
        }
        Ok(all)
    }

    /// For each row whether it may reach somebody. Hashes first, then the looks, so that these do not
    /// wait for each other.
    pub fn looks(&self, points: &Points, rows: usize) -> Vec<Look> {
        if self.hashed.is_some() {
            let look = |row| if self.cells.is_null(row) { Look::Nobody } else { Look::Closer };
            return (0..rows).map(look).collect();
        }
        let hash = |row: usize| match self.cells.text(row) {
            None => Look::Nobody,
            Some(text) => points
                .plain_hash(self.chain, &text)
                .map_or(Look::Closer, |hash| Look::Plain(hash, None)),
        };
        let mut looks: Vec<Look> = (0..rows).map(hash).collect();
        for look in &mut looks {
            if let Look::Plain(hash, _) = look
                && !points.may_hold(*hash)
            {
                *look = Look::Nobody;
            }
        }
        for look in &mut looks {
            if let Look::Plain(hash, point) = look {
                *point = points.by_hash(*hash);
                if point.is_none() && !points.may_have_form(*hash) {
                    *look = Look::Nobody;
                }
            }
        }
        // The keys of those who may be known are fetched together too, and then compared.
        let known = |(row, look): (usize, &Look)| match look {
            Look::Plain(hash, Some(point)) if !points.may_have_form(*hash) => Some((row, *point)),
            _ => None,
        };
        let known: Vec<(usize, Point)> = looks.iter().enumerate().filter_map(known).collect();
        let keys = points.fetch(known.iter().map(|(_, point)| *point));
        for ((row, point), key) in known.into_iter().zip(keys) {
            if self.cells.text(row).is_some_and(|text| key.is_plain(self.chain, &text)) {
                looks[row] = Look::Known(point);
            }
        }
        looks
    }

    /// Whom a cell reaches that was looked at; none if it is null or has no key.
    pub fn seen(
        &self,
        points: &Points,
        row: usize,
        look: Look,
        granted: bool,
    ) -> Option<Vec<Point>> {
        match look {
            Look::Nobody => None,
            Look::Known(point) => Some(vec![point]),
            Look::Closer | Look::Plain(..) => self.reached(points, row, granted),
        }
    }

    /// Whom a cell reaches; none if it is null or has no key.
    pub fn reached(&self, points: &Points, row: usize, granted: bool) -> Option<Vec<Point>> {
        let region = match &self.region {
            RegionFrom::None => None,
            RegionFrom::Fixed(region) => Some(*region),
            RegionFrom::Of(cells) => cells.text(row).and_then(|text| Region::parse(&text)),
        };
        let text = self.cells.text(row)?;
        match self.hashed {
            // Equal digests are one person to the platform, so each decision reaches equal ones.
            Some((platform, held)) => {
                // `Ann <ann@x.org>` is nobody to a platform; it is the mailbox all the same.
                let digest = platform
                    .digest(held, &text, region)
                    .or_else(|| platform.digest(held, &self.chain.apply(&text, region)?, region));
                Some(points.granted(&hex(&digest?)))
            }
            None => points.reached(self.chain, &text, region, granted),
        }
    }
}

/// What a contact point of this kind is to a platform.
pub fn held_by(kind: Kind) -> Option<Trait> {
    match kind {
        Kind::Mail => Some(Trait::Mail),
        Kind::Phone => Some(Trait::Phone),
        Kind::Text => None,
    }
}
