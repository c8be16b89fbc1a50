//! How work is divided. It changes no result, and tests hold it to that: the environment variable
//! `OPTIN_TUNING` makes parts tiny (`small-parts`), so that they meet everywhere, reads late what
//! any file holds (`read-late`), and puts on disk whatever can go there (`spill`). Several are separated by commas. Users have no use for it.

use std::sync::LazyLock;

struct Tuning {
    small_parts: bool,
    read_late: bool,
    spill: bool,
}

static TUNING: LazyLock<Tuning> = LazyLock::new(|| {
    let wanted = std::env::var("OPTIN_TUNING").unwrap_or_default();
    let has = |name| wanted.split(',').any(|word| word.trim() == name);
    Tuning { small_parts: has("small-parts"), read_late: has("read-late"), spill: has("spill") }
});

/// How much of something is done in one go: `usual`, or so little that several goes are needed.
#[must_use]
pub fn part(usual: usize, small: usize) -> usize {
    if TUNING.small_parts { small } else { usual }
}

/// True if memory is always taken for too little.
#[must_use]
pub fn spills() -> bool {
    TUNING.spill
}

/// True if late reading does not depend on the format of files.
#[must_use]
pub fn reads_late() -> bool {
    TUNING.read_late
}
