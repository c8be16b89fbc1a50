//! What stands for the stores where they are not built in.

use std::fs::File;
use std::ops::Range;

use super::{Found, Upload, not_built_in};
use crate::diagnostics::{Diagnostic, Outcome};

/// Never there.
#[derive(Debug)]
pub enum Stores {}

/// Never there.
#[derive(Debug)]
pub enum Pending {}

impl Stores {
    /// # Errors
    /// Always: this program was built without object stores.
    pub fn open() -> Result<Self, Diagnostic> {
        Err(not_built_in("object stores", "objects"))
    }

    /// The objects that an address or a pattern names, sorted.
    ///
    /// # Errors
    /// None: it is never there.
    pub fn list(&self, _address: &str) -> Result<Vec<Found>, Diagnostic> {
        match *self {}
    }

    /// Ranges of an object, written at their places into a file.
    ///
    /// # Errors
    /// None: it is never there.
    pub fn fetch(&self, _: &Found, _: &[Range<u64>], _: &File) -> Result<(), Diagnostic> {
        match *self {}
    }

    /// Puts files there, unseen as yet.
    ///
    /// # Errors
    /// None: it is never there.
    pub fn put(self, _: &[Upload<'_>], _mark: Option<&str>) -> Outcome<Pending> {
        match self {}
    }
}

impl Pending {
    /// Lets all of them be seen.
    ///
    /// # Errors
    /// None: it is never there.
    pub fn commit(self) -> Outcome<()> {
        match self {}
    }
}
