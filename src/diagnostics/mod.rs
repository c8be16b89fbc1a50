//! What went wrong, where, and what to do about it.
//!
//! Every room reports faults as plain data: a [`Diagnostic`] has a stable [`Code`], a message,
//! places in the pipeline file ([`Label`]), a place in a data file ([`Site`]) and a help line.
//! One renderer turns them into text ([`fn@render`]) or JSON ([`Diagnostic::to_json`]).
//!
//! No diagnostic may carry a personal value: cells of data files never go into one.

mod advice;
mod code;
mod render;
mod span;
mod suggest;
mod veil;

pub use advice::advice;
pub use code::Code;
pub use render::{Style, render, render_all};
pub use span::{LineIndex, Span, Spanned};
pub use suggest::nearest;
pub use veil::{quotes_veiled, veil};

use std::fmt;
use std::path::PathBuf;

/// How grave a fault is. Warnings never change an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is published.
    Error,
    /// The run goes on; the user should look.
    Warning,
}

/// A place in the pipeline file, with what is to be said there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where in the pipeline file, in bytes.
    pub span: Span,
    /// What is said at that place; may be empty.
    pub text: String,
}

/// A place in a data file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The data file.
    pub file: PathBuf,
    /// The record in it: 1 is the first after the header.
    pub row: Option<u64>,
    /// The line in it, 1-based, where it differs from the record.
    pub line: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
}

/// One fault: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable name of the kind of fault.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// One sentence without a full stop.
    pub message: String,
    /// Places in the pipeline file, the first the main one.
    pub labels: Vec<Label>,
    /// Place in a data file.
    pub site: Option<Site>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A new error without a place.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            site: None,
            help: None,
        }
    }

    /// A new warning without a place.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// A file or folder that cannot be written. The kind of error alone: the system's text could name
    /// more.
    #[must_use]
    pub fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("{} cannot be written: {}", path.display(), error.kind());
        Self::error(Code::WriteFailed, message)
    }

    /// Adds a place in the pipeline file.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Sets the place in a data file.
    #[must_use]
    pub fn in_file(mut self, site: Site) -> Self {
        self.site = Some(site);
        self
    }

    /// Sets the help line.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds `did you mean` if one of `known` is near `name`.
    #[must_use]
    pub fn suggest<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(name, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// The fault as JSON for machines. `source` is the pipeline file's text, for line and column.
    #[must_use]
    pub fn to_json(&self, source: &str) -> serde_json::Value {
        let index = LineIndex::new(source);
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|label| {
                let (line, column) = index.line_column(label.span.start);
                serde_json::json!({ "line": line, "column": column, "text": label.text })
            })
            .collect();
        let mut value = serde_json::json!({
            "code": self.code.name(),
            "severity": if self.severity == Severity::Error { "error" } else { "warning" },
            "message": self.message,
            "labels": labels,
        });
        if let Some(site) = &self.site {
            value["file"] = serde_json::json!({
                "path": site.file.display().to_string(),
                "row": site.row, "line": site.line, "column": site.column,
            });
        }
        if let Some(help) = &self.help {
            value["help"] = serde_json::json!(help);
        }
        value
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// All faults of one stage, at least one of them an error. Boxed: the good way stays small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Diagnostic>);

impl From<Diagnostic> for Faults {
    fn from(fault: Diagnostic) -> Self {
        Self(vec![fault])
    }
}

/// What a stage gives: its result, or every fault found.
pub type Outcome<T> = Result<T, Faults>;

/// Gathers faults while a stage goes on, so that all of them are reported at once.
#[derive(Debug, Default)]
pub struct Sink {
    faults: Vec<Diagnostic>,
    poisoned: Vec<String>,
}

impl Sink {
    /// Records one fault.
    pub fn push(&mut self, fault: Diagnostic) {
        self.faults.push(fault);
    }

    /// Remembers that the thing of this name could not be read, so that nobody reports it as
    /// unknown on top.
    pub fn poison(&mut self, name: String) {
        self.poisoned.push(name);
    }

    /// True if the thing of this name is there but could not be read.
    #[must_use]
    pub fn is_poisoned(&self, name: &str) -> bool {
        self.poisoned.iter().any(|poisoned| poisoned == name)
    }

    /// Takes the faults of a failed step; gives the step's result where it has one.
    pub fn take<T>(&mut self, outcome: Outcome<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(Faults(faults)) => {
                self.faults.extend(faults);
                None
            }
        }
    }

    /// True if an error (not only warnings) was recorded.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Ends the stage: all faults if one is an error, else the value and the warnings.
    ///
    /// # Errors
    /// All recorded faults, in order of their place, if one of them is an error.
    pub fn finish<T>(mut self, value: T) -> Outcome<(T, Vec<Diagnostic>)> {
        self.sort();
        if self.has_errors() { Err(Faults(self.faults)) } else { Ok((value, self.faults)) }
    }

    /// Ends a stage that has no value to give; the faults are in order of their place.
    #[must_use]
    pub fn into_faults(mut self) -> Vec<Diagnostic> {
        self.sort();
        self.faults
    }

    fn sort(&mut self) {
        self.faults.sort_by_key(|fault| fault.labels.first().map_or(usize::MAX, |l| l.span.start));
    }

    /// Drops the faults of these codes reported since there were `count`: they follow from a fault
    /// that is reported already.
    pub fn forget_since(&mut self, count: usize, codes: &[Code]) {
        let mut at = 0;
        self.faults.retain(|fault| {
            at += 1;
            at <= count || !codes.contains(&fault.code)
        });
    }

    /// True if a fault between two places of the pipeline file speaks of this key: what is not there is reported
    /// already, as misspelt or without a value.
    #[must_use]
    pub fn speaks_of(&self, key: &str, from: usize, to: usize) -> bool {
        let quoted = format!("`{key}`");
        let speaks = |fault: &Diagnostic| {
            let help = fault.help.as_deref().unwrap_or_default();
            let at = fault.labels.first().map(|label| label.span.start);
            at.is_some_and(|at| (from..to).contains(&at))
                && (fault.message.contains(&quoted) || help.contains(&quoted))
        };
        self.faults.iter().any(speaks)
    }

    /// How many faults and warnings were recorded so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.faults.len()
    }
}
