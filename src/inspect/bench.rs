//! `optin bench`: a pipeline run several times, its stages, and the floor under them.
//!
//! Every run is a process of its own, as a user's would be, with all its outputs in a folder for a
//! while. The *floor* is what no engine can save: reading the columns in use, and writing the bytes
//! that were written, both measured in this process.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant as Clock;

use serde::Serialize;
use serde_json::Value as Json;

use crate::diagnostics::{Code, Diagnostic, Faults, Outcome};
use crate::engine::read_columns_in_use;
use crate::plan::Plan;
use crate::report::{number, wrap};

/// Letters of the bar of a stage that takes all the time: with what stands before it, 80 columns.
const BAR: u64 = 40;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The pipeline file.
    pub file: PathBuf,
    /// How often it is run.
    pub runs: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Version of this program.
    pub optin: &'static str,
    /// The pipeline's name.
    pub pipeline: String,
    /// Processors this process may use.
    pub processors: usize,
    /// Wall time of each run in milliseconds, in the order of runs.
    pub runs: Vec<u64>,
    /// Their median.
    pub median: u64,
    /// Rows read by one run, from all sources.
    pub rows: u64,
    /// Bytes read by one run, as stored.
    pub bytes_read: u64,
    /// Bytes written by one run.
    pub bytes_written: u64,
    /// The most memory that a run had at once, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
    /// Median of each stage in milliseconds.
    pub stages: Vec<(String, u64)>,
    /// What no engine can save.
    pub floor: Floor,
}

/// What no engine can save, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Floor {
    /// Only reading the columns in use.
    pub read: u64,
    /// Only writing as many bytes to the same disk, and having them stored.
    pub write: u64,
}

/// Runs a pipeline several times.
///
/// `scratch` is an empty folder for outputs; `plan` is the file's.
///
/// # Errors
/// A run that fails, with its own words on stderr; a floor that cannot be measured.
pub fn bench(setting: &Setting, plan: &Plan, scratch: &Path) -> Outcome<Measured> {
    let mut runs = Vec::new();
    let mut records: Vec<Json> = Vec::new();
    for run in 0..setting.runs {
        let out = scratch.join(format!("run-{run}"));
        let (milliseconds, record) = run_once(&setting.file, &out)?;
        runs.push(milliseconds);
        records.push(record);
        // The disk must not fill up with outputs that nobody looks at.
        let _ = std::fs::remove_dir_all(&out);
    }
    let last = records.last().cloned().unwrap_or_default();
    let bytes_written = sum(&last["outputs"], "bytes") + sum(&last["exports"], "bytes");
    let files = last["sources"].as_array().into_iter().flatten();
    let floor = Floor { read: read_floor(plan)?, write: write_floor(scratch, bytes_written)? };
    Ok(Measured {
        optin: env!("CARGO_PKG_VERSION"),
        pipeline: plan.name.clone(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        median: median(runs.clone()),
        runs,
        rows: sum(&last["sources"], "rows"),
        bytes_read: files.map(|source| sum(&source["files"], "bytes")).sum(),
        bytes_written,
        peak_bytes: records.iter().filter_map(|record| record["peak_bytes"].as_u64()).max(),
        stages: stages(&records),
        floor,
    })
}

fn failed(doing: &str) -> Faults {
    Diagnostic::error(Code::EngineFault, format!("the benchmark stopped: {doing}")).into()
}

/// One run in a process of its own: its wall time and its record.
fn run_once(file: &Path, out: &Path) -> Outcome<(u64, Json)> {
    let program = std::env::current_exe().map_err(|_| failed("this program cannot be found"))?;
    let since = Clock::now();
    let output = Command::new(program)
        .arg("run")
        .arg(file)
        .arg("--json")
        .arg("--out")
        .arg(out)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|_| failed("a run cannot be started"))?;
    let elapsed = milliseconds(since);
    let record: Json =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("a run left no record"))?;
    if !output.status.success() {
        let words = record["faults"][0]["message"].as_str().unwrap_or("see above").to_owned();
        return Err(failed(&format!("a run failed: {words}")));
    }
    Ok((elapsed, record))
}

fn read_floor(plan: &Plan) -> Outcome<u64> {
    let since = Clock::now();
    read_columns_in_use(plan)?;
    Ok(milliseconds(since))
}

fn write_floor(scratch: &Path, bytes: u64) -> Outcome<u64> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::tempfile_in(scratch)?;
        let block = vec![b'x'; 1 << 20];
        let mut left = bytes;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
            file.write_all(&block[..now])?;
            left -= now as u64;
        }
        file.sync_all()
    };
    let since = Clock::now();
    write().map_err(|_| failed("the disk cannot be written to"))?;
    Ok(milliseconds(since))
}

fn milliseconds(since: Clock) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn sum(list: &Json, of: &str) -> u64 {
    list.as_array().into_iter().flatten().filter_map(|item| item[of].as_u64()).sum()
}

/// The middle value; of an even number the lower of the two.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn stages(records: &[Json]) -> Vec<(String, u64)> {
    let Some(first) = records.first().and_then(|record| record["stages"].as_array()) else {
        return Vec::new();
    };
    let of = |at: usize| {
        let times = records.iter().filter_map(|r| r["stages"][at]["milliseconds"].as_u64());
        median(times.collect())
    };
    first
        .iter()
        .enumerate()
        .map(|(at, stage)| (stage["stage"].as_str().unwrap_or("?").to_owned(), of(at)))
        .collect()
}

impl Measured {
    /// The figures as lines of at most 80 columns.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let rate = self.rows.saturating_mul(1000) / self.median.max(1);
        let runs: Vec<String> =
            self.runs.iter().map(|run| format!("{} s", seconds(*run))).collect();
        let mut facts = vec![
            format!("{} rows", number(self.rows)),
            format!("{} MB read", number(self.bytes_read / 1_000_000)),
            format!("{} MB written", number(self.bytes_written / 1_000_000)),
            format!("{} processors", self.processors),
            format!("optin {}", self.optin),
        ];
        wrap(&mut text, &format!("{}: ", self.pipeline), &facts);
        facts = vec![
            format!("median {} s", seconds(self.median)),
            format!("{} rows a second", number(rate)),
        ];
        facts.extend(self.peak_bytes.map(|peak| format!("peak {} MB", number(peak / 1_000_000))));
        wrap(&mut text, "\n  ", &facts);
        wrap(&mut text, "  runs: ", &runs);
        text.push('\n');
        let total: u64 = self.stages.iter().map(|(_, time)| time).sum();
        for (stage, time) in &self.stages {
            let share = time * 100 / total.max(1);
            let bar = "#".repeat(usize::try_from(share * BAR / 100).unwrap_or(0));
            let _ = writeln!(text, "  {stage:<14} {:>11} ms {share:>3} %  {bar}", number(*time));
        }
        let floor = self.floor.read + self.floor.write;
        let _ = writeln!(
            text,
            "\n  floor: {} s to read the columns in use,\n         {} s to write as many bytes;\n  \
             a run takes {} times that",
            seconds(self.floor.read),
            seconds(self.floor.write),
            ratio(self.median, floor),
        );
        text
    }
}

/// Milliseconds as seconds, to the hundredth.
fn seconds(milliseconds: u64) -> String {
    format!("{}.{:02}", milliseconds / 1000, milliseconds % 1000 / 10)
}

/// One number by another, to the tenth.
fn ratio(a: u64, b: u64) -> String {
    let tenths = a.saturating_mul(10) / b.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert_eq!(median(vec![5, 1, 3]), 3);
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
        assert_eq!(median(vec![7]), 7);
        assert_eq!((seconds(7349), ratio(73, 20)), ("7.34".to_owned(), "3.6".to_owned()));
    }

    /// Whatever was measured: one stage that takes all, long names, many runs, large figures.
    #[test]
    fn no_line_is_longer_than_80_columns() {
        let measured = Measured {
            optin: env!("CARGO_PKG_VERSION"),
            pipeline: "quarterly_newsletter_of_all_brands".to_owned(),
            processors: 128,
            runs: vec![1_234_567; 40],
            median: 1_234_567,
            rows: 123_456_789_012,
            bytes_read: 999_888_777_666_555,
            bytes_written: 999_888_777_666_555,
            peak_bytes: Some(999_888_777_666_555),
            stages: vec![("survivorship".to_owned(), 0), ("write".to_owned(), 123_456_789)],
            floor: Floor { read: 123_456_789, write: 123_456_789 },
        };
        let text = measured.text();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains(&"#".repeat(40)), "{text}");
    }
}
