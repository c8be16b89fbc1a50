//! Questions about a pipeline or a run: why is this customer not in? How fast is it here? Are the files of a
//! run still the same? Who joined and who left since the run before?
//!
//! In comes a pipeline file or a run record; out come figures or words, and nothing is published where
//! the file says. What is asked here never changes what a run does.

mod asked;
pub mod bench;
mod chain;
pub mod diff;
mod diff_text;
mod erasure;
pub mod forget;
mod forget_text;
mod moves;
mod near_miss;
mod past_run;
mod plainly;
pub mod receipt;
pub mod simulate;
mod telling;
pub mod verify;
pub mod why;
mod why_text;
mod written;

pub use past_run::written_table;
