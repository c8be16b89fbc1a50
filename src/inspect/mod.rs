//! Questions about a pipeline or a run: how fast is it here? Are its files still the same?
//!
//! In comes a pipeline file; out come figures or words, and nothing is published where the file
//! says. What is asked here never changes what a run does.

pub mod bench;
pub mod verify;
