//! What must hold of sources before their rows may decide anything.

use super::Setting;
use super::identity::Clusters;
use super::source::{FileRecord, Loaded};
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Site};
use crate::plan::{Instant, Plan, Source, SourceId};

/// Checks numbers of rows: emptiness, `expect`. Of the sources that are read in this `turn`: some
/// are read at once, others when they are needed.
///
/// # Errors
/// All sources that hold fewer records than they must.
pub fn rows(
    plan: &Plan,
    setting: &Setting,
    loaded: &[Option<Loaded>],
    turn: impl Fn(SourceId) -> bool,
    warnings: &mut Vec<Diagnostic>,
) -> Outcome<()> {
    let mut faults = Vec::new();
    for (at, (source, loaded)) in plan.sources.iter().zip(loaded).enumerate() {
        let id = SourceId(at);
        let Some(loaded) = loaded.as_ref().filter(|_| turn(id)) else { continue };
        let rows = loaded.rows as u64;
        if rows == 0 {
            let decides = plan.consent.tables.iter().any(|table| table.source == id)
                || plan.consent.suppress.iter().any(|list| list.source == id);
            if decides && !source.allow_empty {
                faults.push(
                    here(source, Code::EmptySource, format!("`{}` holds no records", source.name))
                        .help(
                            "consent depends on it: deliver it whole, or write `allow_empty: true` if it may be empty",
                        ),
                );
            } else if !decides {
                warnings.push(warning(source, format!("`{}` holds no records", source.name)));
            }
        }
        if let Some(least) = source.min_rows
            && rows < least
        {
            let told =
                format!("`{}` holds {rows} records, fewer than min_rows {least}", source.name);
            faults.push(
                here(source, Code::ExpectedRows, told)
                    .help("deliver it whole, or lower `min_rows` if this is right"),
            );
        }
        if let (Some(drop), Some(before)) =
            (source.max_drop, setting.previous_rows.get(&source.name))
        {
            #[expect(clippy::cast_precision_loss, reason = "a share needs no more precision")]
            let (now, was) = (rows as f64, *before as f64);
            if now < was * (1.0 - drop) {
                faults.push(
                    here(
                        source,
                        Code::ExpectedRows,
                        format!(
                            "`{}` holds {rows} records, after {before} in the run before: more than max_drop is gone",
                            source.name
                        ),
                    )
                    .help("if this is right, raise max_drop for one run"),
                );
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// Checks ages against `stale_after`: by the newest decision, else by the file's time.
///
/// # Errors
/// All sources that are too old.
pub fn ages(
    plan: &Plan,
    setting: &Setting,
    loaded: &[Option<Loaded>],
    newest: &[Option<Instant>],
) -> Outcome<()> {
    let mut faults = Vec::new();
    for (at, (source, loaded)) in plan.sources.iter().zip(loaded).enumerate() {
        let (Some(loaded), Some(allowed)) = (loaded, source.stale_after) else { continue };
        let tables = plan.consent.tables.iter().zip(newest);
        let dated = tables
            .filter(|(table, _)| table.source == SourceId(at) && table.at.is_some())
            .filter_map(|(_, newest)| *newest)
            .max();
        let (of, what) = match dated {
            Some(at) => (Some(at), "its newest decision"),
            None => (loaded.files.iter().filter_map(FileRecord::modified).max(), "its file"),
        };
        if of.is_none_or(|of| allowed.after(of) < setting.now) {
            let age = of.map_or_else(|| "has no time".to_owned(), |of| format!("is of {of}"));
            faults.push(
                here(
                    source,
                    Code::StaleSource,
                    format!("`{}` is stale: {what} {age}, older than {allowed}", source.name),
                )
                .help("deliver it anew, or raise `stale_after`"),
            );
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// A customer of more records than this is hardly one person.
const LARGE: usize = 51;

/// Warns of what looks like over-linking.
pub fn linking(plan: &Plan, clusters: &Clusters, warnings: &mut Vec<Diagnostic>) {
    let suspicious = clusters.rules.iter().max_by_key(|rule| rule.largest);
    if let (Some(suggested), None, Some(rule)) =
        (clusters.guards.suggested_max_shared, plan.identity.max_shared, suspicious)
    {
        warnings.push(
            Diagnostic::warning(
                Code::OverLinking,
                format!(
                    "one value is shared by {} records under the rule {}",
                    rule.largest, rule.rule
                ),
            )
            .help(format!(
                "see which with `shared_keys` under `outputs`; `max_shared: {suggested}` under `identity` or `never` of the key keep such values from linking"
            )),
        );
    }
    if clusters.guards.large_clusters > 0 {
        warnings.push(
            Diagnostic::warning(
                Code::OverLinking,
                format!(
                    "quarantined: {} of more than {} records",
                    counted(clusters.guards.large_clusters, "customer"),
                    plan.identity.max_cluster.unwrap_or_default()
                ),
            )
            .help("their records stand in `quarantine` under `outputs`"),
        );
    }
    let largest = (0..clusters.profiles).map(|profile| clusters.members(profile).len()).max();
    if let (Some(largest @ LARGE..), None) = (largest, plan.identity.max_cluster) {
        warnings.push(
            Diagnostic::warning(
                Code::OverLinking,
                format!("the largest customer has {largest} records"),
            )
            .help(
                "`max_cluster: 50` under `identity` sets such customers aside; `identity` under `outputs` shows what links them",
            ),
        );
    }
    for pairs in &clusters.pairs {
        let lost = pairs.incomplete + pairs.unknown_table + pairs.unknown_id + pairs.same_record;
        if lost + pairs.refused > 0 {
            warnings.push(
                Diagnostic::warning(
                    Code::IdentityFault,
                    format!(
                        "`{}`: of {} rows {lost} name no two records{}",
                        pairs.source,
                        pairs.read,
                        match pairs.refused {
                            0 => String::new(),
                            n => format!(", and a `never` pair forbids {n}"),
                        }
                    ),
                )
                .help("run.json counts them by reason"),
            );
        }
    }
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn here(source: &Source, code: Code, message: String) -> Diagnostic {
    Diagnostic::error(code, message).in_file(site(source))
}

fn warning(source: &Source, message: String) -> Diagnostic {
    Diagnostic::warning(Code::EmptySource, message).in_file(site(source))
}

fn site(source: &Source) -> Site {
    Site { file: source.files.first().cloned().unwrap_or_default(), ..Site::default() }
}
