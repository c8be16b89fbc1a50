//! Suppression lists of digests, read for the proof.

use std::collections::HashMap;

use super::points::Point;
use super::{About, Subjects};
use crate::normalize::{Sha, read_sha};
use crate::plan::Match;

/// The points of a field by the digests that a list may have of them.
pub struct Digested<'a> {
    /// The field.
    pub about: About,
    /// The column of the list.
    pub column: &'a str,
    points: HashMap<Sha, Vec<Point>>,
}

impl<'a> Digested<'a> {
    /// Of a match by digests, if somebody has a point in its field.
    pub fn new(matched: &'a Match, points: &Subjects) -> Option<Self> {
        let Match::Digest { field, column } = matched else { return None };
        let about = About::Field(*field);
        Some(Self { about, column, points: points.get(about)?.digests() })
    }

    /// Whom a cell of the list reaches.
    pub fn reached(&self, text: &str) -> Option<&Vec<Point>> {
        self.points.get(&read_sha(text)?)
    }
}
