//! Questions about a pipeline or a run: why is this customer not in? How fast is it here? Are the files of a
//! run still the same?
//!
//! In comes a pipeline file or a run record; out come figures or words, and nothing is published where
//! the file says. What is asked here never changes what a run does.

pub mod bench;
mod near_miss;
pub mod simulate;
pub mod verify;
pub mod why;
mod why_text;
