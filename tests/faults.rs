//! Faults of files, folders and disks around a run: after each of them a reader finds the old outputs or
//! the complete new set, never a mix; the exit code says so, the fault says what to do; and the next
//! run that nothing hinders leaves what it always leaves, and nothing beside it.
//!
//! Each case is a folder with a pipeline of six published files, before its first run or with the outputs
//! of an earlier one; something is spoilt, the pipeline is run, and the folder is looked at; then
//! what was spoilt is put right, and it is run again.

mod beside;
mod disks;
pub mod shop;
mod sources;
mod targets;
mod without_rights;

#[cfg(feature = "planted")]
mod planted;
