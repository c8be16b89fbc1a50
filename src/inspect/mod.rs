//! Questions about a pipeline that need a run, or a part of one: how fast is it here?
//!
//! In comes a pipeline file; out come figures or words, and nothing is published where the file
//! says. What is asked here never changes what a run does.

pub mod bench;
