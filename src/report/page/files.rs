//! What was written and read, how long it took, what to look at, and the pipeline itself.

use super::facts::{Facts, total};
use super::parts::{bar, cell, note, row, section, share, table, words};
use super::veil::veiled;
use super::write::Html;

/// The last part of a path: folders may tell who runs what where.
fn file_name(path: &str) -> &str {
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path)
}

/// The files of the run.
pub fn written(html: &mut Html, record: &Facts<'_>) {
    section(html, "written", "Written", |html| {
        if record.has_entries("exports") {
            exports(html, record);
            copies(html, record);
            audiences(html, record);
        } else if record.holds("replay") {
            note(html, "This is a replay: it hides later denials, so nothing is exported.");
        } else {
            note(html, "The pipeline exports nothing.");
        }
        if record.has_entries("outputs") {
            let head = ["table", "<file", "rows", "size", "<SHA-256"];
            table(html, "Internal tables: all customers are in them", &head, |html| {
                for of in record.list("outputs") {
                    row(html, of.word("name"), |html| {
                        words(html, file_name(of.word("path")));
                        cell(html, &of.count("rows"));
                        cell(html, &of.count("bytes").bytes());
                        digest(html, of.word("sha256"));
                    });
                }
            });
        }
    });
}

fn exports(html: &mut Html, record: &Facts<'_>) {
    let account = record.part("account");
    html.tag("p", &[("class", "note")], |html| {
        html.text(
            "Before anything was published each row of each export was read back and held against the consent \
             sources once more: ",
        );
        html.figure("b", &[], &record.count("proof/decisions"));
        html.text(" decisions that reach these rows were read anew.");
    });
    let head = [
        "segment",
        "<file",
        "in the segment",
        "written",
        "shared contact point",
        "rows proved",
        "contact points",
        "size",
        "<SHA-256",
    ];
    table(html, "Exports: in the segment = written + shared contact point", &head, |html| {
        let proofs: Vec<Facts<'_>> = record.list("proof/exports").collect();
        let written = record.list("exports").zip(account.list("exports"));
        for (at, (file, counted)) in written.enumerate() {
            row(html, file.word("name"), |html| {
                let name = file_name(file.word("path"));
                if file.has("files") {
                    html.tag("td", &[("class", "w")], |html| {
                        html.text(&format!("{name}/, files: "));
                        html.figure("span", &[], &file.count("files"));
                    });
                } else {
                    words(html, name);
                }
                for name in ["in_segment", "written", "shared_contact_point"] {
                    cell(html, &counted.count(name));
                }
                for name in ["rows", "contact_points"] {
                    match proofs.get(at) {
                        Some(proof) => cell(html, &proof.count(name)),
                        None => words(html, "not proved"),
                    }
                }
                cell(html, &file.count("bytes").bytes());
                digest(html, file.word("sha256"));
            });
        }
    });
}

/// What stands elsewhere, too; not where, as with folders.
fn copies(html: &mut Html, record: &Facts<'_>) {
    for file in record.list("exports").filter(|export| export.has("copied")) {
        let place =
            if file.part("copied").has("table") { "a table of a database" } else { "a bucket" };
        note(html, &format!("{}: the same rows stand in {place}, too.", file.word("name")));
    }
    if record.has("copied_to") {
        note(html, "All files of the run stand in a bucket, too.");
    }
}

/// What exports for advertising platforms can be matched by, and who was taken out of them.
fn audiences(html: &mut Html, record: &Facts<'_>) {
    let audiences: Vec<Facts<'_>> =
        record.list("exports").filter(|export| export.has("audience")).collect();
    if audiences.is_empty() {
        return;
    }
    let head = ["segment", "<platform", "rows", "can be matched", "share", "rows removed"];
    table(html, "Audiences for advertising platforms, hashed", &head, |html| {
        for of in &audiences {
            row(html, of.word("name"), |html| {
                words(html, of.word("audience/platform"));
                cell(html, &of.count("rows"));
                cell(html, &of.count("audience/matchable"));
                share(html, "td", &of.count("audience/matchable"), &of.count("rows"));
                if of.has("audience/removals") {
                    cell(html, &of.count("audience/removals/rows"));
                } else {
                    words(html, "not asked for");
                }
            });
        }
    });
}

/// A digest: its beginning, and all of it for who points at it.
fn digest(html: &mut Html, digest: &str) {
    html.tag("td", &[("class", "w digest"), ("title", digest)], |html| {
        html.text(digest.get(..12).unwrap_or(digest));
        html.text("…");
    });
}

/// Where the time went.
pub fn stages(html: &mut Html, record: &Facts<'_>) {
    section(html, "time", "Time and memory", |html| {
        let all = total(record.list("stages").map(|of| of.count("milliseconds").milliseconds()));
        html.tag("p", &[("class", "note")], |html| {
            html.figure("b", &[], &record.count("threads"));
            html.text(" threads");
            if record.has("peak_bytes") {
                html.text("; the most memory at once was ");
                html.figure("b", &[], &record.count("peak_bytes").bytes());
            }
            html.text(".");
        });
        table(html, "Time of each stage", &["stage", "time", "share", "<when"], |html| {
            let mut before = 0;
            for of in record.list("stages") {
                let time = of.count("milliseconds").milliseconds();
                row(html, of.word("stage"), |html| {
                    cell(html, &time);
                    share(html, "td", &time, &all);
                    let per_mille =
                        |value: u64| value.saturating_mul(1000).checked_div(all.value).unwrap_or(0);
                    let (start, end) = (per_mille(before), per_mille(before + time.value));
                    let title = format!("{}: {}", of.word("stage"), time.text());
                    bar(html, &title, "c-keep", (start, end - start));
                    before += time.value;
                });
            }
            html.tag("tr", &[("class", "sum")], |html| {
                html.leaf("th", &[("scope", "row")], "all");
                cell(html, &all);
                html.leaf("td", &[], "");
                html.leaf("td", &[], "");
            });
        });
    });
}

/// What was read.
pub fn sources(html: &mut Html, record: &Facts<'_>) {
    section(html, "sources", "Sources", |html| {
        note(
            html,
            "The files that were read, with the XXH3-128 digest of their bytes: optin verify says whether they \
             are the same still.",
        );
        let head = ["source", "<file", "rows", "size", "<XXH3-128"];
        table(html, "Files that were read", &head, |html| {
            for source in record.list("sources") {
                for file in source.list("files") {
                    row(html, source.word("name"), |html| {
                        words(html, file_name(file.word("path")));
                        cell(html, &file.count("rows"));
                        cell(html, &file.count("bytes").bytes());
                        digest(html, file.word("xxh3"));
                    });
                }
            }
        });
    });
}

/// What to look at.
pub fn warnings(html: &mut Html, record: &Facts<'_>) {
    if !record.has_entries("warnings") {
        return;
    }
    section(html, "warnings", "To look at", |html| {
        html.tag("ul", &[("class", "warnings")], |html| {
            for of in record.list("warnings") {
                html.tag("li", &[], |html| {
                    html.leaf("code", &[], of.word("code"));
                    html.text(" ");
                    html.text(&veiled(of.word("message"), &[]));
                    if of.has("help") {
                        html.leaf("p", &[("class", "soft")], &veiled(of.word("help"), &[]));
                    }
                });
            }
        });
    });
}

/// The pipeline's text; veiled already.
pub fn pipeline(html: &mut Html, record: &Facts<'_>, text: &str) {
    section(html, "pipeline", "The pipeline", |html| {
        html.tag("p", &[("class", "note")], |html| {
            html.text("SHA-256 of the file: ");
            html.leaf("code", &[("class", "digest")], record.word("pipeline_sha256"));
            html.text(
                ". Values of never, and what looks like a mail or a number of a person, are left out here: •••.",
            );
        });
        html.tag("details", &[], |html| {
            html.leaf("summary", &[], file_name(record.word("pipeline_file")));
            html.leaf("pre", &[], text);
        });
    });
}
