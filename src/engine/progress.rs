//! How far the run of this process is, for those who wait for it.
//!
//! Stages say here what they do and how much of it is done; whoever likes looks at it. It is one place
//! for the whole process, because readers of files lie deep below the run; nothing is decided by it.
//! Where two runs go on at once in one process, their figures are mixed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The stages of a run in their order, as the run record names them.
pub const STAGES: [&str; 9] = [
    "read",
    "keys",
    "identity",
    "survivorship",
    "consent",
    "segments",
    "profiles",
    "write",
    "proof",
];

/// No stage yet, or none any more.
const NONE: usize = usize::MAX;

static STAGE: AtomicUsize = AtomicUsize::new(NONE);
static ROWS: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);
static WHOLE: AtomicU64 = AtomicU64::new(0);

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: &'static str,
    /// Rows that were read so far, in all stages.
    pub rows: u64,
    /// Of how much of this stage's work how much is done; none where the stage cannot tell.
    pub share: Option<(u64, u64)>,
}

/// How far the run is; none while there is none.
#[must_use]
pub fn now() -> Option<Progress> {
    let stage = STAGES.get(STAGE.load(Ordering::Relaxed))?;
    let whole = WHOLE.load(Ordering::Relaxed);
    let share = (whole > 0).then(|| (DONE.load(Ordering::Relaxed).min(whole), whole));
    Some(Progress { stage, rows: ROWS.load(Ordering::Relaxed), share })
}

/// A stage begins; with a name that is none all stages have ended.
pub fn begin(stage: &str) {
    let at = STAGES.iter().position(|known| *known == stage).unwrap_or(NONE);
    if at == 0 {
        ROWS.store(0, Ordering::Relaxed);
    }
    WHOLE.store(0, Ordering::Relaxed);
    DONE.store(0, Ordering::Relaxed);
    STAGE.store(at, Ordering::Relaxed);
}

/// A stage has ended, and the next begins.
pub(crate) fn after(stage: &str) {
    let at = STAGES.iter().position(|known| *known == stage);
    begin(at.and_then(|at| STAGES.get(at + 1)).copied().unwrap_or_default());
}

/// So much more work belongs to this stage, in whatever it counts in.
pub fn expect(work: u64) {
    WHOLE.fetch_add(work, Ordering::Relaxed);
}

/// So much of it is done.
pub fn step(work: u64) {
    DONE.fetch_add(work, Ordering::Relaxed);
}

/// So many more rows were read.
pub(crate) fn rows(rows: u64) {
    ROWS.fetch_add(rows, Ordering::Relaxed);
}
