//! `report.html`: a run for people to look at.
//!
//! In come a run record and the pipeline's text; out goes one page that needs nothing beside it: no
//! network, no script, no font. It is made of the record as its file has it, so every figure on it can
//! be looked up there; it holds nothing of a person, and nothing that names the machine or its folders.

mod consent;
mod customers;
mod facts;
mod files;
mod flow;
mod measures;
mod parts;
mod segments;
mod veil;
mod write;

use std::ops::Range;

use serde_json::Value as Json;

use crate::output::RunRecord;
use crate::plan::said_date;
use facts::{Facts, Figure, total};
use veil::veiled;
use write::Html;

/// Light and dark, narrow and printed.
const STYLE: &str = include_str!("style.css");
/// Nothing is fetched, and nothing is run.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page about a run. `pipeline` is the text of its file, and `hidden` are the places in it whose
/// values may be of persons.
#[must_use]
pub fn page(record: &RunRecord, pipeline: &str, hidden: &[Range<usize>]) -> String {
    // A record that is no JSON cannot be published either; `output` says so.
    let record = serde_json::to_value(record).unwrap_or(Json::Null);
    of_json(&record, &veiled(pipeline, hidden))
}

fn of_json(record: &Json, pipeline: &str) -> String {
    let record = Facts::new(record);
    let account = record.part("account");
    let title = format!("{}: report of a run", record.word("pipeline"));
    let mut html = Html::default();
    html.doctype();
    html.tag("html", &[("lang", "en")], |html| {
        html.tag("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
            let view = "width=device-width, initial-scale=1";
            html.void("meta", &[("name", "viewport"), ("content", view)]);
            html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
            html.void("meta", &[("name", "robots"), ("content", "noindex")]);
            html.leaf("title", &[], &title);
            html.style(STYLE);
        });
        html.tag("body", &[], |html| {
            html.tag("main", &[], |html| {
                head(html, &record);
                files::warnings(html, &record);
                flow::flow(html, &record);
                customers::records(html, &account);
                customers::links(html, &account);
                consent::purposes(html, &account);
                consent::decisions(html, &account);
                consent::related(html, &account);
                segments::segments(html, &record);
                segments::overlaps(html, &account);
                measures::measures(html, &record);
                files::written(html, &record);
                files::stages(html, &record);
                files::sources(html, &record);
                files::pipeline(html, &record, pipeline);
            });
            html.tag("footer", &[], |html| {
                html.text("All figures are those of run.json in the same folder, which names the digest of this page. optin ");
                html.text(record.word("optin"));
                html.text(".");
            });
        });
    });
    html.line();
    html.done()
}

/// A time as people read it: `2026-11-24 09:30:00 UTC`, or the day alone, if that was meant.
fn time(html: &mut Html, at: &str) {
    let day = at.get(..10).unwrap_or(at);
    let hour = at.get(11..19).unwrap_or_default();
    let said = if said_date(at) == day { day.to_owned() } else { format!("{day} {hour} UTC") };
    html.leaf("time", &[("datetime", at)], &said);
}

/// The name of the run, and its key figures.
fn head(html: &mut Html, record: &Facts<'_>) {
    let account = record.part("account");
    html.tag("header", &[], |html| {
        html.leaf("h1", &[], record.word("pipeline"));
        html.tag("p", &[("class", "asof")], |html| {
            html.text("Consent as of ");
            time(html, record.word("as_of"));
            if record.holds("replay") {
                html.text(" ");
                html.leaf("span", &[("class", "tag warn")], "replay: nothing is exported");
            }
        });
        html.tag("p", &[("class", "soft")], |html| {
            html.text("Run of ");
            time(html, record.word("started"));
            html.text(", published ");
            time(html, record.word("finished"));
            html.text(&format!(" · optin {} · pipeline ", record.word("optin")));
            let digest = record.word("pipeline_sha256");
            let short = digest.get(..12).unwrap_or(digest);
            html.leaf("code", &[("title", digest)], short);
        });
        html.tag("dl", &[("class", "key")], |html| {
            let all = |list: &str, name: &str| total(account.list(list).map(|of| of.count(name)));
            key(html, "customers", &account.count("profiles"));
            key(html, "records", &all("customers", "read"));
            if account.has_entries("consent") {
                key(html, "decisions", &all("consent", "read"));
            }
            if account.has_entries("exports") {
                key(html, "rows exported", &all("exports", "written"));
                let proved = record.list("proof/exports").map(|of| of.count("rows"));
                key(html, "rows proved", &total(proved));
            }
            let time = record.list("stages").map(|of| of.count("milliseconds").milliseconds());
            key(html, "time", &total(time));
        });
    });
}

fn key(html: &mut Html, name: &str, figure: &Figure) {
    html.tag("div", &[], |html| {
        html.leaf("dt", &[], name);
        html.figure("dd", &[], figure);
    });
}
