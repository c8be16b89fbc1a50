//! Faults that a review of the program found, each as small as it was shown.

use crate::support::Folder;

/// A pipeline over `c.csv` (customers) and `k.csv` (decisions); `%` marks where a test adds to it.
fn pipeline(customers: &str, fields: &str, table: &str, rest: &str) -> String {
    format!(
        "version: 1
name: t
out: out
sources:
  - {{ name: c, path: c.csv{customers} }}
  - {{ name: k, path: \"k*.csv\" }}
keys: [{{ field: email, normalize: email }}, {{ field: phone, normalize: phone }}]
customers:
  - {{ source: c, id: id, fields: {{ email: email{fields} }} }}
consent:
  purposes: [{{ name: news, via: email, model: opt_in }}]
  tables: [{{ source: k, {table} }}]
segments:
  - {{ name: s, consent: news }}
  - {{ name: all, consent: none, because: a test }}
exports:
  - {{ segment: s, path: out/s.csv, columns: [email] }}
{rest}"
    )
}

const BY_MAIL: &str = "match: { email: email }, values: { news: v }";

fn folder(customers: &str, decisions: &str, pipeline: &str) -> Folder {
    Folder::with(&[("c.csv", customers), ("k.csv", decisions), ("p.yaml", pipeline)])
}

const TWO: &str = "id,email,phone\n1,a@x.org,+49 30 123456\n2,b@x.org,\n";

#[test]
fn two_spellings_of_one_output_are_refused() {
    let text = pipeline(
        "",
        ", phone: phone",
        BY_MAIL,
        "  - { segment: all, path: link/s.csv, columns: [email] }\n",
    );
    let folder = folder(TWO, "email,v\na@x.org,yes\n", &text);
    std::fs::create_dir(folder.at("out")).expect("a folder");
    std::os::unix::fs::symlink("out", folder.at("link")).expect("a link");
    let run = folder.optin(&["run", "p.yaml"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("error[output-path]"), "{run:?}");
    assert!(folder.files().iter().all(|file| !file.starts_with("out")), "{:?}", folder.files());
}

#[test]
fn a_member_of_a_glob_that_cannot_be_read_stops_the_run() {
    let folder =
        folder(TWO, "email,v\na@x.org,yes\n", &pipeline("", ", phone: phone", BY_MAIL, ""));
    std::os::unix::fs::symlink("gone.csv", folder.at("k2.csv")).expect("a link");
    let run = folder.optin(&["run", "p.yaml"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("error[unreadable-file]"), "{run:?}");
}

#[test]
fn a_column_with_the_name_of_a_pattern_is_itself() {
    let table = "match: { email: email }, values: { news: '^.*v$' }";
    let decisions = "email,^.*v$,xv\na@x.org,no,yes\nb@x.org,yes,no\n";
    let folder = folder(TWO, decisions, &pipeline("", ", phone: phone", table, ""));
    folder.optin(&["run", "p.yaml"]).done();
    assert_eq!(folder.read("out/s.csv"), "email\nb@x.org\n");
}

#[test]
fn a_denial_by_record_finds_an_id_that_a_spreadsheet_has_changed() {
    let table = "match: { email: email, record: { c: rid } }, values: { news: v }";
    let decisions =
        "email,rid,v\na@x.org,,yes\nb@x.org,,yes\n,1.0,no\n,2 ,no\nc@x.org,,yes\n,3,no\n";
    let customers = "id,email,phone\n1,a@x.org,\n2,b@x.org,\n003,c@x.org,\n";
    let folder = folder(customers, decisions, &pipeline("", ", phone: phone", table, ""));
    folder.optin(&["run", "p.yaml"]).done();
    assert_eq!(folder.read("out/s.csv"), "email\n");
}

#[test]
fn a_second_field_of_a_contact_column_is_a_contact_point_too() {
    let rest = "  - { segment: sms, path: out/t.csv, columns: [customer_id, login] }\n";
    let text = pipeline("", ", login: email, phone: phone", BY_MAIL, rest)
        .replace("purposes: [", "purposes: [{ name: sms, via: phone, model: opt_out }, ")
        .replace("  - { name: all,", "  - { name: sms, consent: sms }\n  - { name: all,");
    let folder = folder(TWO, "email,v\na@x.org,yes\n", &text);
    let run = folder.optin(&["check", "p.yaml"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("error[ungated-contact]"), "{run:?}");
}

#[test]
fn invisible_characters_do_not_hide_a_denial() {
    let folder = folder(
        TWO,
        "email,v\na@x.org,yes\na@x.org,\u{200b}no\nb@x.org,yes\n",
        &pipeline("", ", phone: phone", BY_MAIL, ""),
    );
    folder.optin(&["run", "p.yaml"]).done();
    assert_eq!(folder.read("out/s.csv"), "email\nb@x.org\n");
}

#[test]
fn one_namespace_is_not_given_twice() {
    let text = "version: 1
name: t
sources: [{ name: a, path: c.csv }, { name: b, path: k.csv }]
customers:
  - { source: a, id: id, fields: { email: email } }
  - { source: b, id: id, namespace: a, fields: { email: email } }
";
    let folder = folder(TWO, "id,email\n1,z@x.org\n", text);
    let run = folder.optin(&["check", "p.yaml"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("error[duplicate-name]"), "{run:?}");
}

#[test]
fn purposes_that_a_long_table_cannot_tell_apart_are_refused() {
    let text = pipeline("", "", BY_MAIL, "")
        .replace("purposes: [", "purposes: [{ name: News, via: email, model: opt_in }, ")
        .replace(", { field: phone, normalize: phone }", "");
    let folder = folder(TWO, "email,v\na@x.org,yes\n", &text);
    let run = folder.optin(&["check", "p.yaml"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("differ only in case"), "{run:?}");
}

#[test]
fn the_first_line_of_a_file_without_a_header_is_not_shown() {
    let folder =
        folder("1,a@x.org\n2,b@x.org\n", "email,v\na@x.org,yes\n", &pipeline("", "", BY_MAIL, ""));
    let run = folder.optin(&["check", "p.yaml"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("looks like data"), "{run:?}");
    assert!(!run.stderr.contains("a@x.org"), "{run:?}");
}

#[test]
fn a_quoted_empty_cell_is_null_like_a_bare_one() {
    let table = "match: { email: email, phone: tel }, values: { news: v }";
    let decisions = "email,tel,v\n\"a@x.org\",\"\",\"no\"\nb@x.org,,yes\n";
    let folder = folder(TWO, decisions, &pipeline("", ", phone: phone", table, ""));
    folder.optin(&["run", "p.yaml"]).done();
    assert_eq!(folder.read("out/s.csv"), "email\nb@x.org\n");
}

#[test]
fn a_suppressed_number_does_not_leave_by_allow_columns() {
    let rest = "  - { segment: s, path: out/t.csv, columns: [email, phone], allow_columns: [phone], because: b }\n";
    let text = pipeline("", ", phone: phone", BY_MAIL, rest)
        .replace("  - { name: k,", "  - { name: d, path: d.csv }\n  - { name: k,")
        .replace(
            "segments:",
            "  suppress: [{ source: d, match: { phone: tel }, channels: [phone] }]\nsegments:",
        );
    let folder = folder(TWO, "email,v\na@x.org,yes\nb@x.org,yes\n", &text);
    folder.write("d.csv", "tel\n+4930123456\n");
    folder.optin(&["run", "p.yaml"]).done();
    assert_eq!(folder.read("out/t.csv"), "email,phone\nb@x.org,\n");
}

/// The identity table may replace the earlier one; an export whose segment is called `identity`
/// once could, too.
#[test]
fn only_the_identity_table_replaces_the_earlier_one() {
    let text = "version: 1
name: t
out: out
sources: [{ name: c, path: c.csv }]
keys: [{ field: email, normalize: email }]
customers: [{ source: c, id: id, fields: { email: email } }]
identity: { link_on: [[email]], previous: { path: ids.csv, allow_missing: true } }
segments: [{ name: identity, consent: none, because: a test }]
";
    let own = format!("{text}outputs: {{ identity: ids.csv }}\n");
    let export = "exports: [{ segment: identity, path: ids.csv, columns: [customer_id] }]\n";
    let other = format!("{text}outputs: {{ identity: new.csv }}\n{export}");
    let folder = Folder::with(&[("c.csv", TWO), ("own.yaml", &own), ("other.yaml", &other)]);
    // Before the first run a path that nobody writes to is worth a warning.
    let warned = folder.optin(&["check", "other.yaml"]).done();
    let says = |text: &str| text.contains("this pipeline does not write it there");
    assert!(says(&warned.stdout) || says(&warned.stderr), "{warned:?}");
    let first = folder.optin(&["run", "own.yaml"]).done().stdout;
    assert!(first.contains("created 2"), "{first}");
    let second = folder.optin(&["run", "own.yaml"]).done().stdout;
    assert!(second.contains("kept 2"), "{second}");
    let ids = folder.read("ids.csv");
    let refused = folder.optin(&["run", "other.yaml"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("would overwrite a file that the run reads"), "{refused:?}");
    assert_eq!(folder.read("ids.csv"), ids);
}

/// Parquet files of the same rows as CSV files: whatever is read when, the same people leave.
#[test]
fn a_narrow_export_from_parquet_honours_denials_and_links() {
    use polars::prelude::*;
    let rows = [
        ["1", "ann@x.org", "+49 170 1234567", "DE"],
        ["2", "bob@x.org", "+49 171 7654321", "DE"],
        ["3", "bob@x.org", "+49 172 1111111", "DE"],
    ];
    let names = ["id", "email", "phone", "land"];
    let columns = names.iter().enumerate().map(|(at, name)| {
        let cells: Vec<&str> = rows.iter().map(|row| row[at]).collect();
        Series::new((*name).into(), cells).into()
    });
    let mut frame = DataFrame::new(rows.len(), columns.collect()).expect("a frame");
    let folder = Folder::with(&[(
        "k.csv",
        "email,phone,sms\n,+49 170 1234567,yes\n,+49 171 7654321,yes\nann@x.org,,no\n",
    )]);
    let file = std::fs::File::create(folder.at("c.parquet")).expect("a file");
    ParquetWriter::new(file).finish(&mut frame).expect("written");
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    folder.write("c.csv", format!("{}\n{}\n", names.join(","), lines.join("\n")));
    for groups in [", groups: [[phone, land]]", ""] {
        let mut left = Vec::new();
        for format in ["csv", "parquet"] {
            folder.write(
                "p.yaml",
                format!(
                    "version: 1
name: t
out: {format}
sources: [{{ name: c, path: c.{format} }}, {{ name: k, path: k.csv }}]
keys: [{{ field: email, normalize: email }}, {{ field: phone, normalize: phone }}]
customers: [{{ source: c, id: id, fields: {{ email: email, phone: phone, land: land }} }}]
identity: {{ link_on: [[email]] }}
profile: {{ keep: importance{groups} }}
consent:
  purposes: [{{ name: sms, via: phone, model: opt_in }}]
  tables: [{{ source: k, match: {{ email: email, phone: phone }}, values: {{ sms: sms }} }}]
segments: [{{ name: s, consent: sms }}, {{ name: free, consent: none, because: x }}]
exports:
  - {{ segment: s, path: {format}/sms.csv, columns: [phone] }}
  - {{ segment: free, path: {format}/ids.csv, columns: [customer_id] }}
"
                ),
            );
            folder.optin(&["run", "p.yaml"]).done();
            let of = |name: &str| folder.read(&format!("{format}/{name}.csv"));
            left.push((of("sms"), of("ids")));
        }
        assert!(!left[0].0.contains("1234567"), "Ann said no by her mail");
        assert_eq!(left[0].1.lines().count(), 3, "two customers");
        assert_eq!(left[0], left[1]);
    }
}

#[test]
fn exports_of_every_format_without_a_contact_column_are_proved() {
    for format in ["csv", "tsv", "ndjson", "parquet", "ipc"] {
        let text = pipeline("", ", phone: phone", BY_MAIL, "").replace(
            "path: out/s.csv, columns: [email]",
            &format!("path: out/s.{format}, columns: [customer_id]"),
        );
        folder(TWO, "email,v\na@x.org,yes\n", &text).optin(&["run", "p.yaml"]).done();
    }
}

#[test]
fn a_number_that_was_guessed_and_one_with_its_country_code_are_proved_apart() {
    // Of one key, but a denial without a country code reaches only the guessed one.
    let text = "version: 1
name: t
out: out
sources: [{ name: c, path: c.csv }, { name: d, path: d.csv }, { name: k, path: k.csv }]
keys: [{ field: phone, normalize: phone }]
customers:
  - { source: c, id: id, fields: { phone: phone, own: own } }
  - { source: d, id: id, fields: { phone: phone, own: own } }
consent:
  purposes: [{ name: sms, via: phone, model: opt_in }]
  tables: [{ source: k, match: { phone: phone }, values: { sms: v } }]
segments:
  - { name: one, consent: sms, where: \"own = 'a'\" }
  - { name: two, consent: sms, where: \"own = 'b'\" }
exports:
  - { segment: one, path: out/one.csv, columns: [phone] }
  - { segment: two, path: out/two.csv, columns: [phone] }
";
    let folder = Folder::with(&[
        ("c.csv", "id,phone,own\n1,+491701234567,a\n"),
        ("d.csv", "id,phone,own\n1,491701234567,b\n"),
        ("k.csv", "phone,v\n+491701234567,yes\n"),
        ("p.yaml", &text.replace("\\\"", "\"")),
    ]);
    folder.optin(&["run", "p.yaml"]).done();
}

#[test]
fn a_field_with_blanks_in_its_name_leaves_in_text_too() {
    let text = pipeline("", ", phone: phone, \" note \": phone", BY_MAIL, "")
        .replace("columns: [email]", "columns: [email, \" note \"]");
    let folder = folder(TWO, "email,v\na@x.org,yes\n", &text);
    let run = folder.optin(&["run", "p.yaml"]);
    // Refused by name or published whole, but never a fault at the end.
    assert!(run.code == 0 || run.code == 2, "{run:?}");
}
