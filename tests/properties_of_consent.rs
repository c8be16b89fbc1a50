//! What must hold between two runs of which one has more denials, less time or a stricter setting, and
//! within one run between segments: on random pipelines, without the oracle.
//!
//! Each test keeps a case's customers and consent and asks for segments of its own: one a purpose,
//! which holds whoever passes its gate. `OPTIN_CASES` and `OPTIN_SEED` say which seeds are tried, as in
//! `differential`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use optin::plan::{AsOf, Instant};

use crate::cases::csv::{Look, read};
use crate::cases::rng::Rng;
use crate::cases::{Case, generate};
use crate::harness::{in_folder, run_engine, try_seeds, unequal_files, written};
use crate::oracle::RawTable;

/// Seeds that each property is tried on unless `OPTIN_CASES` says otherwise.
const CASES: u64 = 60;

/// The keys of a segment without a gate.
const FREE: &str = "consent: none, because: test";

type Faults = Vec<String>;

/// A purpose as a case declares it.
struct Purpose {
    name: String,
    via: String,
}

/// What one run says of every customer.
struct Said {
    profiles: RawTable,
    /// By customer, then segment.
    verdicts: BTreeMap<String, BTreeMap<String, String>>,
}

impl Said {
    /// Who has a verdict in a segment.
    fn with(&self, segment: &str, verdict: &str) -> BTreeSet<&str> {
        let of = self.verdicts.iter().filter(|(_, of)| of[segment] == verdict);
        of.map(|(customer, _)| customer.as_str()).collect()
    }

    fn members(&self, segment: &str) -> BTreeSet<&str> {
        self.with(segment, "in_segment")
    }

    /// Customers that show something in a field, with it.
    fn shown(&self, field: &str) -> Vec<(&str, &str)> {
        let place = |name: &str| self.profiles.columns.iter().position(|column| column == name);
        let (Some(id), Some(field)) = (place("customer_id"), place(field)) else {
            return Vec::new();
        };
        let pair = |row: &'_ Vec<Option<String>>| row[id].is_some() && row[field].is_some();
        let rows = self.profiles.rows.iter().filter(|row| pair(row));
        rows.map(|row| (row[id].as_deref().unwrap_or(""), row[field].as_deref().unwrap_or("")))
            .collect()
    }
}

/// A case of which the segments are asked for here.
struct Asked {
    /// Everything of the pipeline file before its segments.
    head: String,
    segments: String,
    case: Case,
}

impl Asked {
    fn new(seed: u64) -> Self {
        let case = generate(seed);
        // Measures may speak of the segments that are left out here.
        let end = ["\nmeasures:\n", "\nsegments:\n"].map(|section| case.yaml.find(section));
        let end = end.into_iter().flatten().min().expect("segments") + 1;
        let mut asked = Self { head: case.yaml[..end].to_owned(), segments: String::new(), case };
        for purpose in asked.purposes() {
            let name = &purpose.name;
            asked.ask(&format!("in_{name}"), &format!("consent: [{name}]"));
        }
        asked
    }

    /// Asks for one more segment.
    fn ask(&mut self, name: &str, keys: &str) {
        self.segments.extend(["  - { name: ", name, ", ", keys, " }\n"]);
    }

    fn purposes(&self) -> Vec<Purpose> {
        let lines = self.head.lines().filter_map(|line| line.strip_prefix("    - { name: "));
        let declared = lines.filter(|line| line.contains(", model: "));
        let purpose = |line: &str| {
            let (name, rest) = line.split_once(", via: ").expect("a purpose has a field");
            let (via, _) = rest.split_once(',').expect("a purpose has a model");
            Purpose { name: name.to_owned(), via: via.to_owned() }
        };
        declared.map(purpose).collect()
    }

    /// The rules of the segments that the case had.
    fn rules(&self) -> Vec<String> {
        let parts = self.case.yaml.split("where: ").skip(1);
        let rule = |part| serde_json::Deserializer::from_str(part).into_iter::<String>().next();
        parts.filter_map(|part| rule(part)?.ok()).collect()
    }

    /// With a line of the consent section set, or left to its default.
    fn set(&self, key: &str, word: &str) -> Self {
        let lines = self.head.lines().filter(|line| !line.starts_with(&format!("  {key}: ")));
        let head: String = lines.flat_map(|line| [line, "\n"]).collect();
        self.with_head(head.replacen("\nconsent:\n", &format!("\nconsent:\n  {key}: {word}\n"), 1))
    }

    /// With every purpose's line changed.
    fn purposes_as(&self, change: impl Fn(&str) -> String) -> Self {
        let is_purpose =
            |line: &str| line.starts_with("    - { name: ") && line.contains("model: ");
        let lines = self.head.lines().map(|line| {
            let line = if is_purpose(line) { change(line) } else { line.to_owned() };
            line + "\n"
        });
        self.with_head(lines.collect())
    }

    fn with_model(&self, model: &str) -> Self {
        self.purposes_as(|line| {
            line.replace("model: opt_in", &format!("model: {model}"))
                .replace("model: opt_out", &format!("model: {model}"))
        })
    }

    fn with_expiry(&self, expiry: Option<&str>) -> Self {
        self.purposes_as(|line| {
            let ends = line.find(", expires_after: ").unwrap_or_else(|| line.len() - 2);
            let expiry = expiry.map(|expiry| format!(", expires_after: {expiry}"));
            format!("{}{} }}", &line[..ends], expiry.unwrap_or_default())
        })
    }

    fn with_head(&self, head: String) -> Self {
        Self { head, segments: self.segments.clone(), case: self.case.clone() }
    }

    /// With one more source, and an entry of the consent section that uses it.
    fn with_source(&self, name: &str, text: String, section: &str, entry: &str) -> Self {
        let source = format!("  - {{ name: {name}, path: ../data/{name}.csv }}\n");
        let mut head = self.head.replacen("sources:\n", &format!("sources:\n{source}"), 1);
        let title = format!("  {section}:\n");
        let consent = head.find("\nconsent:\n").expect("a section of consent");
        match head[consent..].find(&title) {
            Some(at) => head.insert_str(consent + at + title.len(), entry),
            None => head.extend([title.as_str(), entry]),
        }
        let mut asked = self.with_head(head);
        asked.case.files.push((format!("data/{name}.csv"), text));
        asked
    }

    fn run(&self) -> Said {
        self.run_as_of(None)
    }

    fn run_as_of(&self, as_of: Option<AsOf>) -> Said {
        let mut case = self.case.clone();
        case.yaml = format!(
            "{}segments:\n{}outputs:\n  profiles: ../out/profiles.csv\n  segments: ../out/segments.csv\n",
            self.head, self.segments
        );
        let (said, _folder) = in_folder(&case, |dir, file| {
            let options = optin::RunOptions { as_of, ..optin::RunOptions::default() };
            if let Err(failure) = optin::run_file(file, &options) {
                panic!("the run failed: {failure}");
            }
            let table = |name: &str| {
                let text = std::fs::read_to_string(dir.join(format!("out/{name}.csv")));
                read(&text.expect("the run wrote it"), &Look::default())
            };
            let (profiles, segments) = (table("profiles"), table("segments"));
            let names = &segments.columns[1..];
            let of = |row: &Vec<Option<String>>| {
                let cell = |cell: &Option<String>| cell.clone().unwrap_or_default();
                let of = names.iter().cloned().zip(row[1..].iter().map(cell)).collect();
                (cell(&row[0]), of)
            };
            let verdicts = segments.rows.iter().map(of).collect();
            Said { profiles, verdicts }
        });
        said
    }
}

/// Counts what a property was put to the test on, so that it cannot hold for want of anybody to
/// break it.
#[derive(Default)]
struct Seen(AtomicUsize);

impl Seen {
    fn note(&self, times: usize) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }
}

fn try_all(check: impl Fn(u64, &Seen) -> Faults) {
    let seen = Seen::default();
    try_seeds(CASES, |seed| {
        let faults = check(seed, &seen);
        if faults.is_empty() { Ok(()) } else { Err((faults, Vec::new())) }
    });
    let alone = std::env::var_os("OPTIN_SEED").is_some();
    assert!(alone || seen.0.into_inner() > 0, "no case puts it to the test");
}

/// Whoever is in a segment of the stricter run must be in that of the other.
fn shrinks(purposes: &[Purpose], strict: &Said, free: &Said, seen: &Seen) -> Faults {
    let mut faults = Vec::new();
    for Purpose { name, .. } in purposes {
        let segment = format!("in_{name}");
        let (strict, free) = (strict.members(&segment), free.members(&segment));
        let more: Vec<_> = strict.difference(&free).collect();
        seen.note(free.difference(&strict).count());
        if !more.is_empty() {
            faults.push(format!("{segment} has gained {more:?}"));
        }
    }
    faults
}

/// Some customers, and what they show in a field, as a text file of one column.
fn some(rng: &mut Rng, said: &Said, field: &str) -> (Vec<String>, String) {
    let shown: Vec<_> = said.shown(field).into_iter().filter(|_| rng.chance(40)).collect();
    let quoted = |text: &str| format!("\"{}\"\n", text.replace('"', "\"\""));
    let mut text = "address\n".to_owned();
    text.extend(shown.iter().map(|(_, shown)| quoted(shown)));
    (shown.iter().map(|(customer, _)| (*customer).to_owned()).collect(), text)
}

/// True of fields in which a value denies whoever shows it, whatever region it is read in.
fn is_mail(field: &str) -> bool {
    field != "phone"
}

#[test]
fn a_withdrawal_only_shrinks_segments() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed);
        let before = asked.run();
        let mut faults = Vec::new();
        for Purpose { name, via } in asked.purposes().iter().filter(|of| is_mail(&of.via)) {
            let (denied, text) = some(&mut Rng::new(seed), &before, via);
            if denied.is_empty() {
                continue;
            }
            let text = text.replace('\n', ",no\n").replacen("address,no", "address,said", 1);
            let entry = format!(
                "    - {{ source: more_denials, match: {{ {via}: address }}, values: {{ {name}: said }}, \
                 unmatchable: report }}\n"
            );
            let after = asked.with_source("more_denials", text, "tables", &entry).run();
            faults.extend(shrinks(&asked.purposes(), &after, &before, seen));
            let members = after.members(&format!("in_{name}"));
            let kept: Vec<_> = denied.iter().filter(|of| members.contains(of.as_str())).collect();
            if !kept.is_empty() {
                faults.push(format!("{kept:?} withdrew {name} and are still in"));
            }
        }
        faults
    });
}

#[test]
fn a_suppression_only_shrinks_segments() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed);
        let before = asked.run();
        let (listed, text) = some(&mut Rng::new(seed), &before, "email");
        if listed.is_empty() {
            return Vec::new();
        }
        let entry =
            "    - { source: more_bounces, match: { email: address }, unmatchable: report }\n";
        let after = asked.with_source("more_bounces", text, "suppress", entry).run();
        let mut faults = shrinks(&asked.purposes(), &after, &before, seen);
        for Purpose { name, .. } in asked.purposes() {
            let suppressed = after.with(&format!("in_{name}"), "suppressed");
            let missed: Vec<_> =
                listed.iter().filter(|of| !suppressed.contains(of.as_str())).collect();
            if !missed.is_empty() {
                faults.push(format!("{missed:?} are listed and not suppressed for {name}"));
            }
        }
        faults
    });
}

#[test]
fn without_any_consent_nobody_passes_an_opt_in_gate() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed).with_model("opt_in");
        let (start, rest) = match asked.head.find("\n  tables:\n") {
            Some(at) => (&asked.head[..=at], &asked.head[at + 1..]),
            None => return Vec::new(),
        };
        let suppress = rest.find("  suppress:\n").map_or("", |at| &rest[at..]);
        // The sources of decisions stay, and nobody reads them.
        let said = asked.with_head(format!("{start}{suppress}")).run();
        let mut faults = Vec::new();
        for Purpose { name, .. } in asked.purposes() {
            let segment = format!("in_{name}");
            let members = said.members(&segment);
            seen.note(said.with(&segment, "unknown").len());
            if !members.is_empty() {
                faults.push(format!("{segment} holds {members:?}"));
            }
            for verdict in ["denied", "expired"] {
                if !said.with(&segment, verdict).is_empty() {
                    faults.push(format!("somebody is {verdict} in {segment}"));
                }
            }
        }
        faults
    });
}

#[test]
fn whoever_passes_opt_in_passes_opt_out() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed);
        let (strict, free) = (asked.with_model("opt_in").run(), asked.with_model("opt_out").run());
        shrinks(&asked.purposes(), &strict, &free, seen)
    });
}

#[test]
fn strictest_lets_nobody_pass_whom_latest_does_not() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed).with_model("opt_in");
        let (strict, free) =
            (asked.set("conflict", "strictest").run(), asked.set("conflict", "latest").run());
        shrinks(&asked.purposes(), &strict, &free, seen)
    });
}

#[test]
fn denials_of_a_person_reach_further_than_those_of_a_contact_point() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed);
        let (strict, free) =
            (asked.set("denial", "person").run(), asked.set("denial", "contact_point").run());
        shrinks(&asked.purposes(), &strict, &free, seen)
    });
}

#[test]
fn a_grant_that_ends_sooner_lets_fewer_pass() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed).with_model("opt_in");
        let runs: Vec<Said> = [Some("1 month"), Some("2 years"), None]
            .into_iter()
            .map(|expiry| asked.with_expiry(expiry).run())
            .collect();
        let mut faults = shrinks(&asked.purposes(), &runs[0], &runs[1], seen);
        faults.extend(shrinks(&asked.purposes(), &runs[1], &runs[2], seen));
        faults
    });
}

#[test]
fn when_all_is_said_time_only_ends_grants() {
    const DAY: i64 = 86_400_000_000;
    try_all(|seed, seen| {
        let asked = Asked::new(seed).with_model("opt_in");
        let run = |days: i64| {
            let at = Instant(asked.case.as_of.0 + days * DAY);
            asked.run_as_of(Some(AsOf { at, replay: false }))
        };
        // No case decides later than 90 days after its date.
        let (soon, late) = (run(100), run(400));
        shrinks(&asked.purposes(), &late, &soon, seen)
    });
}

#[test]
fn a_replay_hides_denials_and_so_never_lets_fewer_pass() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed);
        let at = asked.case.as_of;
        let now = asked.run_as_of(Some(AsOf { at, replay: false }));
        let then = asked.run_as_of(Some(AsOf { at, replay: true }));
        shrinks(&asked.purposes(), &now, &then, seen)
    });
}

#[test]
fn a_rule_its_opposite_and_not_knowing_part_all_profiles() {
    try_all(|seed, seen| {
        let mut asked = Asked::new(seed);
        let rules = asked.rules();
        for (at, rule) in rules.iter().enumerate() {
            for (name, rule) in [("yes", rule.clone()), ("no", format!("NOT ({rule})"))] {
                let rule = serde_json::Value::from(rule);
                asked.ask(&format!("{name}_{at}"), &format!("{FREE}, where: {rule}"));
            }
        }
        let said = asked.run();
        let mut faults = Vec::new();
        for at in 0..rules.len() {
            let (yes, no) = (format!("yes_{at}"), format!("no_{at}"));
            for (one, other) in [
                ("in_segment", "rule_false"),
                ("rule_false", "in_segment"),
                ("rule_unknown", "rule_unknown"),
                ("suppressed", "suppressed"),
            ] {
                seen.note(said.with(&yes, one).len());
                if said.with(&yes, one) != said.with(&no, other) {
                    faults.push(format!("{one} of a rule is not {other} of its opposite: {at}"));
                }
            }
        }
        faults
    });
}

#[test]
fn set_operations_are_those_of_sets() {
    try_all(|seed, seen| {
        let mut asked = Asked::new(seed);
        let purposes = asked.purposes();
        let rules = asked.rules();
        let Some(rule) = rules.first() else { return Vec::new() };
        let (one, rule) =
            (format!("in_{}", purposes[0].name), serde_json::Value::from(rule.as_str()));
        asked.ask("two", &format!("{FREE}, where: {rule}"));
        for (name, keys) in [
            ("either", format!("union: [{one}, two]")),
            ("both", format!("intersect: [{one}, two]")),
            ("first", format!("union: [{one}], except: [two]")),
        ] {
            asked.ask(name, &format!("{FREE}, {keys}"));
        }
        let said = asked.run();
        let (a, b) = (said.members(&one), said.members("two"));
        let mut faults = Vec::new();
        for (name, meant) in [
            ("either", a.union(&b).copied().collect::<BTreeSet<_>>()),
            ("both", a.intersection(&b).copied().collect()),
            ("first", a.difference(&b).copied().collect()),
        ] {
            // A segment without a gate goes out through any channel, so that more are suppressed.
            let suppressed = said.with(name, "suppressed");
            let meant: BTreeSet<&str> = meant.difference(&suppressed).copied().collect();
            seen.note(meant.len());
            if said.members(name) != meant {
                faults.push(format!("{name} is {:?} and not {meant:?}", said.members(name)));
            }
        }
        faults
    });
}

#[test]
fn the_order_of_consent_tables_and_lists_changes_nothing() {
    try_all(|seed, seen| {
        let asked = Asked::new(seed);
        let mut lines: Vec<&str> = asked.head.lines().collect();
        for section in ["  tables:", "  suppress:"] {
            let Some(start) = lines.iter().position(|line| *line == section) else { continue };
            let entries = lines[start + 1..].iter().take_while(|line| line.starts_with("    - "));
            let end = start + 1 + entries.count();
            lines[start + 1..end].reverse();
            seen.note(end - start - 1);
        }
        let turned = asked.with_head(lines.join("\n") + "\n").run();
        let said = asked.run();
        let mut faults = Vec::new();
        if said.profiles.rows != turned.profiles.rows {
            faults.push("profiles differ".to_owned());
        }
        if said.verdicts != turned.verdicts {
            faults.push("verdicts differ".to_owned());
        }
        faults
    });
}

#[test]
fn a_source_in_several_files_changes_no_byte() {
    try_all(|seed, seen| {
        let case = generate(seed);
        let bytes = |case: &Case| {
            let (bytes, _folder) = in_folder(case, |dir, file| {
                run_engine(dir, file, case.exports, None);
                written(dir, case.exports)
            });
            bytes
        };
        let parts = case.in_several_files(seed);
        seen.note(parts.files.len() - case.files.len());
        unequal_files(&bytes(&case), &bytes(&parts))
    });
}
