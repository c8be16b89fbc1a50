//! Where the parts of a plan stand in the pipeline file, for comments and refusals.

use crate::diagnostics::{LineIndex, Span};

/// Places of the parts of a plan, each in the order of the plan. A part without a place of its own
/// has none, and nothing fails for want of one.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// How the pipeline file is called in comments.
    pub file: String,
    /// Its text.
    pub text: String,
    /// By source.
    pub sources: Vec<Span>,
    /// By field: its entry under `keys`, or else where it is mapped first.
    pub fields: Vec<Span>,
    /// By customer table.
    pub tables: Vec<Span>,
    /// By link rule.
    pub rules: Vec<Span>,
    /// `unless_different`, or the first `never` pair.
    pub exceptions: Span,
    /// The first `always` pair.
    pub pairs: Span,
    /// The earlier identity table.
    pub previous: Span,
    /// `profile`.
    pub profile: Span,
    /// By grouping.
    pub groupings: Vec<Span>,
    /// By purpose.
    pub purposes: Vec<Span>,
    /// By consent table.
    pub consent: Vec<Span>,
    /// By suppression list.
    pub suppress: Vec<Span>,
    /// By segment.
    pub segments: Vec<Span>,
    /// By segment: its rule.
    pub wheres: Vec<Span>,
    /// By export.
    pub exports: Vec<Span>,
    /// By measure.
    pub measures: Vec<Span>,
    /// The address below which all files of a run are put.
    pub copy_to: Span,
    /// By internal table, in the order of [`crate::plan::Outputs::named`].
    pub outputs: Vec<Span>,
}

impl Places {
    /// `pipeline.yaml:12`, for a comment.
    #[must_use]
    pub fn line(&self, span: Span) -> String {
        let (line, _) = LineIndex::new(&self.text).line_column(span.start);
        format!("{}:{line}", self.file)
    }
}

/// The place of this number.
pub fn at(places: &[Span], number: usize) -> Span {
    places.get(number).copied().unwrap_or_default()
}
