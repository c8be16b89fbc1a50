//! `optin simulate`: how large each segment would be under other settings of consent.
//!
//! Every setting changes one thing of what the file says, for one purpose or for all. A setting that is
//! already so, and one that says the same as another, is left out. Nothing is published.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::diagnostics::Outcome;
use crate::engine::simulate::simulate as judge_under;
use crate::engine::{Setting, account};
use crate::plan::{Conflict, Denial, Model, Period, PeriodUnit, Plan, said_date};
use crate::report::{heading, number, table, wrap_words};

/// Months after which grants end in the settings that are tried; none: never.
const EXPIRIES: [Option<u32>; 5] = [None, Some(6), Some(12), Some(24), Some(36)];

/// Columns of the text.
const WIDTH: usize = 80;

/// Sizes of all segments under all settings.
#[derive(Clone, Debug, Serialize)]
pub struct Simulated {
    /// The pipeline's name.
    pub pipeline: String,
    /// The date as of which consent is judged.
    pub as_of: String,
    /// All customers.
    pub profiles: u64,
    /// The settings; the first is the file as it stands.
    pub settings: Vec<Outlook>,
}

/// One setting and what it comes to.
#[derive(Clone, Debug, Serialize)]
pub struct Outlook {
    /// What differs from the file, in words.
    pub setting: String,
    /// The same as keys of a pipeline file: `model` and `expires_after` by purpose (null: never),
    /// `conflict`, `denial`. Empty for the file as it stands.
    pub change: Json,
    /// By segment how many customers are in it.
    pub segments: Vec<SegmentSize>,
    /// By purpose how many customers granted it, and how far that holds.
    pub purposes: Vec<PurposeSize>,
}

/// The size of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentSize {
    /// Its name.
    pub segment: String,
    /// Customers in it.
    pub in_segment: u64,
}

/// The states of a purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PurposeSize {
    /// Its name.
    pub purpose: String,
    /// Customers of whom a grant holds.
    pub granted: u64,
}

impl From<&account::SegmentAccount> for SegmentSize {
    fn from(of: &account::SegmentAccount) -> Self {
        Self { segment: of.segment.clone(), in_segment: of.in_segment }
    }
}

impl From<&account::PurposeAccount> for PurposeSize {
    fn from(of: &account::PurposeAccount) -> Self {
        Self { purpose: of.purpose.clone(), granted: of.granted }
    }
}

/// A setting to try.
struct Tried {
    label: String,
    change: Json,
    plan: Plan,
}

/// Tries all settings that differ from what the plan says.
///
/// # Errors
/// As a run, as far as the verdicts.
pub fn simulate(plan: &Plan, setting: &Setting) -> Outcome<Simulated> {
    let tried = settings(plan);
    let plans: Vec<Plan> = tried.iter().map(|tried| tried.plan.clone()).collect();
    let (profiles, sizes) = judge_under(plan, setting, &plans)?;
    let settings = tried
        .into_iter()
        .zip(sizes)
        .map(|(tried, sizes)| Outlook {
            setting: tried.label,
            change: tried.change,
            segments: sizes.segments.iter().map(SegmentSize::from).collect(),
            purposes: sizes.purposes.iter().map(PurposeSize::from).collect(),
        })
        .collect();
    let as_of = setting.as_of.at.to_string();
    Ok(Simulated { pipeline: plan.name.clone(), as_of, profiles, settings })
}

/// What decides how consent is judged.
type Decisive = (Conflict, Denial, Vec<(Model, Option<Period>)>);

fn decisive(plan: &Plan) -> Decisive {
    let of = plan.consent.purposes.iter().map(|purpose| (purpose.model, purpose.expires_after));
    (plan.consent.conflict, plan.consent.denial, of.collect())
}

/// The settings: the file as it stands, models, expiries, `conflict`, `denial`. Those that differ in
/// models alone stand together, because they have the same states.
fn settings(plan: &Plan) -> Vec<Tried> {
    let mut all: Vec<Tried> =
        vec![Tried { label: "as written".to_owned(), change: json!({}), plan: plan.clone() }];
    let mut add = |label: String, change: Json, change_plan: &dyn Fn(&mut Plan)| {
        let mut other = plan.clone();
        change_plan(&mut other);
        if all.iter().all(|tried| decisive(&tried.plan) != decisive(&other)) {
            all.push(Tried { label, change, plan: other });
        }
    };
    let purposes = &plan.consent.purposes;
    for (at, purpose) in purposes.iter().enumerate() {
        let model = match purpose.model {
            Model::OptIn => Model::OptOut,
            Model::OptOut => Model::OptIn,
        };
        let label = format!("{}: {}", purpose.name, model_name(model));
        let change = json!({ "model": by_purpose([&purpose.name], &model_name(model).into()) });
        add(label, change, &|other| other.consent.purposes[at].model = model);
    }
    let names = || purposes.iter().map(|purpose| &purpose.name);
    for model in [Model::OptIn, Model::OptOut] {
        let label = format!("all: {}", model_name(model));
        let change = json!({ "model": by_purpose(names(), &model_name(model).into()) });
        add(label, change, &|other| {
            other.consent.purposes.iter_mut().for_each(|purpose| purpose.model = model);
        });
    }
    for months in EXPIRIES {
        let period = months.map(|count| Period { count, unit: PeriodUnit::Months });
        let text = months.map(|months| format!("{months} months"));
        let label = format!("expires_after: {}", text.as_deref().unwrap_or("none"));
        let change = json!({ "expires_after": by_purpose(names(), &json!(text)) });
        add(label, change, &|other| {
            other.consent.purposes.iter_mut().for_each(|purpose| purpose.expires_after = period);
        });
    }
    // Without a purpose nothing is judged by them.
    if !purposes.is_empty() {
        let (conflict, name) = match plan.consent.conflict {
            Conflict::Strictest => (Conflict::Latest, "latest"),
            Conflict::Latest => (Conflict::Strictest, "strictest"),
        };
        add(format!("conflict: {name}"), json!({ "conflict": name }), &|other| {
            other.consent.conflict = conflict;
        });
        let (denial, name) = match plan.consent.denial {
            Denial::Person => (Denial::ContactPoint, "contact_point"),
            Denial::ContactPoint => (Denial::Person, "person"),
        };
        add(format!("denial: {name}"), json!({ "denial": name }), &|other| {
            other.consent.denial = denial;
        });
    }
    all
}

const fn model_name(model: Model) -> &'static str {
    match model {
        Model::OptIn => "opt_in",
        Model::OptOut => "opt_out",
    }
}

fn by_purpose<'a>(names: impl IntoIterator<Item = &'a String>, value: &Json) -> Json {
    names.into_iter().map(|name| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

impl Simulated {
    /// The sizes as tables of at most 80 columns. A size that is that of the file as it stands is `=`.
    #[must_use]
    pub fn text(&self) -> String {
        let customers = number(self.profiles);
        let as_of = said_date(&self.as_of);
        let mut text = format!("{}: {customers} customers, as of {as_of}\n", self.pipeline);
        let segments = self.columns(|outlook| {
            outlook.segments.iter().map(|of| (of.segment.clone(), of.in_segment)).collect()
        });
        self.tables(&mut text, "Customers in each segment", &segments, |_| true);
        let granted = self.columns(|outlook| {
            outlook.purposes.iter().map(|of| (of.purpose.clone(), of.granted)).collect()
        });
        // A model changes who passes, and no grant.
        let may_change = |outlook: &Outlook| outlook.change.get("model").is_none();
        let title = "Customers of whom a grant holds, by purpose";
        self.tables(&mut text, title, &granted, may_change);
        text.push('\n');
        let note = "Each row changes one thing of the file, for all purposes where none is named; `=` is \
                    as written. Nothing was published.";
        wrap_words(&mut text, "", note.split(' '));
        text
    }

    /// By column its name and a number a setting.
    fn columns(&self, of: impl Fn(&Outlook) -> Vec<(String, u64)>) -> Vec<(String, Vec<u64>)> {
        let mut columns: Vec<(String, Vec<u64>)> = Vec::new();
        for outlook in &self.settings {
            for (at, (name, count)) in of(outlook).into_iter().enumerate() {
                if at == columns.len() {
                    columns.push((name, Vec::new()));
                }
                columns[at].1.push(count);
            }
        }
        columns
    }

    /// As many columns beside each other as there is room for.
    fn tables(
        &self,
        text: &mut String,
        title: &str,
        columns: &[(String, Vec<u64>)],
        is_shown: impl Fn(&Outlook) -> bool,
    ) {
        if columns.is_empty() {
            return;
        }
        heading(text, title);
        let longest = self.settings.iter().map(|of| of.setting.chars().count()).max().unwrap_or(0);
        // Two blanks before the first column, one on each side of a column.
        let first = longest.min(WIDTH / 2) + 3;
        let room = WIDTH - first;
        let width = |(name, counts): &(String, Vec<u64>)| {
            let longest = counts.iter().map(|count| number(*count).len()).max().unwrap_or(0);
            (name.chars().count().max(longest) + 2).min(room)
        };
        let mut rest = columns;
        while !rest.is_empty() {
            let mut used = 0;
            let fits = |column: &&(String, Vec<u64>)| {
                used += width(column);
                used <= room
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            if rest.len() < columns.len() {
                text.push('\n');
            }
            let names: Vec<String> =
                now.iter().map(|column| cut(&column.0, width(column).saturating_sub(2))).collect();
            let header: Vec<&str> =
                std::iter::once("").chain(names.iter().map(String::as_str)).collect();
            let shown = self.settings.iter().enumerate().filter(|(_, outlook)| is_shown(outlook));
            let rows = shown.map(|(at, outlook)| {
                let size = |(_, counts): &(String, Vec<u64>)| match counts[at] {
                    same if at > 0 && same == counts[0] => "=".to_owned(),
                    other => number(other),
                };
                std::iter::once(cut(&outlook.setting, WIDTH / 2))
                    .chain(now.iter().map(size))
                    .collect()
            });
            table(text, &header, rows);
            rest = later;
        }
    }
}

/// A name that is too long for its column, with a mark where it ends.
fn cut(name: &str, room: usize) -> String {
    if name.chars().count() <= room {
        return name.to_owned();
    }
    let kept: String = name.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulated(segments: &[&str]) -> Simulated {
        let outlook = |setting: &str, count| Outlook {
            setting: setting.to_owned(),
            change: if count == 5 { json!({ "model": { "news": "opt_out" } }) } else { json!({}) },
            segments: segments
                .iter()
                .map(|name| SegmentSize { segment: (*name).to_owned(), in_segment: count })
                .collect(),
            purposes: vec![PurposeSize { purpose: "news".to_owned(), granted: 7 }],
        };
        Simulated {
            pipeline: "p".to_owned(),
            as_of: "2026-01-01T00:00:00Z".to_owned(),
            profiles: 12_345_678,
            settings: vec![outlook("as written", 12_345_678), outlook("news: opt_out", 5)],
        }
    }

    #[test]
    fn tables_stay_within_eighty_columns() {
        let long = "a".repeat(100);
        let names = ["one", "a_rather_long_name_of_a_segment", "another_long_name", &long, "five"];
        let text = simulated(&names).text();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        for name in &names[..3] {
            assert!(text.contains(name), "{text}");
        }
        assert!(text.contains('…'), "{text}");
    }

    #[test]
    fn sizes_that_do_not_change_are_marked() {
        let text = simulated(&["one"]).text();
        let row = |name: &str| -> Vec<&str> {
            text.lines().filter(|line| line.starts_with(&format!("  {name}"))).collect()
        };
        assert!(row("news: opt_out")[0].ends_with(" 5"), "{text}");
        // A model changes no grant, and stands in the first table alone.
        assert_eq!((row("news: opt_out").len(), row("as written").len()), (1, 2), "{text}");
        let strict =
            Outlook { setting: "denial: x".to_owned(), ..simulated(&["one"]).settings[0].clone() };
        let with =
            Simulated { settings: vec![strict.clone(), strict], ..simulated(&["one"]) }.text();
        assert!(
            with.lines().any(|line| line.contains("denial: x") && line.ends_with(" =")),
            "{with}"
        );
    }
}
