//! Consent: from rows of consent tables to one state a profile and purpose.
//!
//! [`intake`] reads decisions and files them under digests, [`fold`] says what the decisions on
//! one contact point come to, [`state`] what that means for a profile, [`suppress`] who is never
//! contacted. The semantics are docs/semantics.md, sections 5 to 9; nothing here is nullable.

mod expiry;
pub mod fold;
mod hashed;
pub mod intake;
pub mod state;
pub mod suppress;
pub mod vocabulary;

use crate::plan::{FieldId, Model};
use crate::planted;

pub use crate::plan::ConsentState as State;

impl State {
    /// True if it passes the gate of a purpose of this model.
    #[must_use]
    pub fn passes(self, model: Model) -> bool {
        match self {
            Self::Granted => true,
            Self::Unknown => matches!(model, Model::OptOut) || planted::fault("unknown-passes"),
            Self::Denied | Self::Expired | Self::NoContactPoint => false,
        }
    }
}

/// Under what a decision is filed: a key of a field, or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The key of a field.
    Field(FieldId),
    /// The id of a record.
    Record,
}
