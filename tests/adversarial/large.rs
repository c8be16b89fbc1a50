//! Hostile inputs that are too large to be kept: they are made, each with its declared outcome.
//!
//! What is checked of every run is what `tests/adversarial.rs` says.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{differences, quoted, run_args, tell};
use crate::support::Folder;

const MB: usize = 1 << 20;

/// An input that is made, and its outcome.
struct Made {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    outcome: &'static str,
}

impl Made {
    /// A pipeline that reads `data.csv`.
    fn of(
        name: &'static str,
        pipeline: String,
        data: impl Into<Vec<u8>>,
        outcome: &'static str,
    ) -> Self {
        let files = vec![("pipeline.yaml", pipeline.into_bytes()), ("data.csv", data.into())];
        Self { name, files, outcome }
    }
}

/// A file of customers, `id` and `a`, and maybe how `a` is compared.
fn customers(
    name: &'static str,
    file: &'static str,
    keys: &str,
    bytes: impl Into<Vec<u8>>,
    outcome: &'static str,
) -> Made {
    let pipeline = format!(
        "version: 1\nname: large\nout: out\nsources: [{{ name: data, path: {file} }}]\n{keys}\
         customers: [{{ source: data, id: id, fields: {{ id: id, a: a }} }}]\n\
         outputs: {{ profiles: out/shown.csv }}\n"
    );
    Made {
        name,
        files: vec![("pipeline.yaml", pipeline.into_bytes()), (file, bytes.into())],
        outcome,
    }
}

/// A pipeline of one customer with something strange at its end.
fn yaml(name: &'static str, end: &str, outcome: &'static str) -> Made {
    let pipeline = format!(
        "version: 1\nname: large\nout: out\nsources: [{{ name: data, path: data.csv }}]\n\
         customers: [{{ source: data, id: id, fields: {{ id: id }} }}]\n\
         outputs: {{ profiles: out/shown.csv }}\n{end}"
    );
    Made::of(name, pipeline, "id\n1\n", outcome)
}

/// A rule over two customers: Oslo with 7 points, and one of whom nothing is known.
fn rule(name: &'static str, text: &str, outcome: &'static str) -> Made {
    let pipeline = format!(
        "version: 1\nname: large\nout: out\n\
         sources: [{{ name: data, path: data.csv, types: {{ points: int }} }}]\n\
         customers:\n  - source: data\n    id: id\n\
         \x20   fields: {{ id: id, city: city, points: points }}\n\
         segments: [{{ name: all, consent: none, because: a test, where: {} }}]\n\
         exports: [{{ segment: all, path: out/shown.csv, columns: [id] }}]\n",
        quoted(text)
    );
    let data = "id,city,points\n1,Oslo,7\n2,,\n";
    Made::of(name, pipeline, data, outcome)
}

/// A mail or a phone beside that of the customer 2; both consented. Who keeps a usable one leaves.
fn contact(name: &'static str, normalize: &str, value: &str, outcome: &'static str) -> Made {
    let pipeline = format!(
        "version: 1\nname: large\nout: out\n\
         sources: [{{ name: data, path: data.csv }}, {{ name: said, path: data.csv }}]\n\
         keys: [{{ field: point, normalize: {normalize} }}]\n\
         customers: [{{ source: data, id: id, fields: {{ id: id, point: point }} }}]\n\
         identity: {{ link_on: [[point]] }}\n\
         consent:\n  purposes: [{{ name: news, via: point, model: opt_in }}]\n\
         \x20 tables: [{{ source: said, match: {{ point: point }}, values: {{ news: said }} }}]\n\
         segments: [{{ name: news, consent: news }}]\n\
         exports: [{{ segment: news, path: out/shown.csv, columns: [id] }}]\n"
    );
    let other = if normalize == "email" { "lind@contoso.com" } else { "+49 151 90909090" };
    let data = format!("id,point,said\n1,{value},yes\n2,{other},yes\n");
    Made::of(name, pipeline, data, outcome)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// `0`, `1`, ... in a text that is made of each of them, with something between.
fn each(count: usize, between: &str, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect::<Vec<String>>().join(between)
}

#[track_caller]
fn made(cases: Vec<Made>) {
    let mut problems = Vec::new();
    for Made { name, files, outcome } in cases {
        let place = Folder::new();
        for (file, bytes) in files {
            place.write(file, bytes);
        }
        let found = differences(&place, &run_args("pipeline.yaml"), "out/shown.csv", outcome);
        problems.extend(found.into_iter().map(|problem| format!("{name} ({outcome}): {problem}")));
    }
    tell(&problems);
}

#[test]
fn large_texts() {
    let x = |count: usize| "x".repeat(count);
    let columns = each(10_000, ",", |n| format!("c{n}"));
    let cells = ",y".repeat(10_000);
    let first = "{\"id\":\"0\",\"a\":\"y\"}\n";
    let csv = |name, bytes: String, outcome| customers(name, "data.csv", "", bytes, outcome);
    let lines = |name, text: &str, outcome| {
        customers(name, "data.ndjson", "", format!("{first}{text}\n"), outcome)
    };
    let gz = |name, text: &[u8], outcome| customers(name, "data.csv.gz", "", gzip(text), outcome);
    made(vec![
        csv("a cell of 50 MB", format!("id,a\n1,{}\n", x(50 * MB)), "done profiles 1"),
        csv(
            "a quote that is never closed before 12 MB of lines",
            format!("id,a\n1,\"kestrelova{}", "\n".repeat(12 * MB)),
            "refused quote row 1 line 2",
        ),
        csv(
            "10,000 columns more",
            format!("id,a,{columns}\n1,x{cells}\n"),
            "done profiles 1 [[\"1\",\"x\"]]",
        ),
        csv(
            "10,000 columns and the first again",
            format!("id,a,{columns},c0\n1,x{cells},z\n"),
            "refused header row 0 line 1",
        ),
        csv(
            "10,000 columns of other names",
            format!("{columns}\n1{}\n", &cells[..cells.len() - 2]),
            "wrong unknown-column",
        ),
        csv(
            "a million blank lines",
            format!("id,a\n{}1,x\n", "\n".repeat(1_000_000)),
            "done profiles 1 [[\"1\",\"x\"]]",
        ),
        csv(
            "one id 100,000 times",
            format!("id,a\n{}", "1,kestrelova\n".repeat(100_000)),
            "done profiles 1 [[\"1\",\"kestrelova\"]]",
        ),
        csv(
            "100,000 records without an id",
            format!("id,a\n{}", ",kestrelova\n".repeat(100_000)),
            "done profiles 0 []",
        ),
        csv(
            "five million doubled quotes",
            format!("id,a\n1,\"{}\"\n", "\"\"".repeat(5 * MB)),
            "done profiles 1",
        ),
        gz("100 MB of zeros in gzip", &vec![0; 100 * MB], "refused encoding"),
        gz(
            "50 MB of blank lines in gzip",
            format!("id,a\n{}", "\n".repeat(50 * MB)).as_bytes(),
            "done profiles 0 warns empty-source []",
        ),
        lines(
            "100,000 lists in each other, not used",
            &format!("{{\"id\":\"1\",\"b\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)),
            "done profiles 2 [[\"0\",\"y\"],[\"1\",\"\"]]",
        ),
        lines(
            "a million lists that are not closed",
            &format!("{{\"id\":\"1\",\"a\":{}", "[".repeat(1_000_000)),
            "refused json-line row 2 line 2",
        ),
        lines(
            "10,000 members",
            &format!("{{\"id\":\"1\",{}}}", each(10_000, ",", |n| format!("\"m{n}\":{n}"))),
            "done profiles 2 [[\"0\",\"y\"],[\"1\",\"\"]]",
        ),
        lines("a text of 20 MB", &format!("{{\"id\":\"{}\"}}", x(20 * MB)), "done profiles 2"),
        lines(
            "a million digits",
            &format!("{{\"id\":{}}}", "9".repeat(MB)),
            "refused json-line row 2 line 2",
        ),
        lines(
            "an exponent of a million digits",
            &format!("{{\"id\":\"1\",\"a\":1e{}}}", "9".repeat(MB)),
            "refused json-line row 2 line 2",
        ),
    ]);
}

#[test]
fn large_pipelines() {
    let segment = |name: usize, more: String| {
        format!("  - {{ name: s{name}, consent: none, because: a test{more} }}\n")
    };
    let bomb = each(11, "", |before| {
        let list = each(10, ", ", |_| format!("*a{before}"));
        format!("a{0}: &a{0} [{list}]\n", before + 1)
    });
    let merges = each(11, "", |before| {
        let list = each(10, ", ", |_| format!("*m{before}"));
        format!("m{0}: &m{0} {{ <<: [{list}] }}\n", before + 1)
    });
    let many = each(5_000, "", |n| segment(n, String::new()));
    let chain = each(2_000, "", |n| {
        segment(n, if n == 0 { String::new() } else { format!(", except: [s{}]", n - 1) })
    });
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    let one = "done profiles 1 [[\"1\"]]";
    made(vec![
        yaml("an alias bomb", &format!("a0: &a0 [x]\n{bomb}"), "wrong yaml-syntax"),
        yaml("a bomb of merge keys", &format!("m0: &m0 {{ k: v }}\n{merges}"), "wrong yaml-syntax"),
        yaml("100,000 lists", &format!("segments: {nested}\n"), "wrong yaml-syntax"),
        yaml(
            "a million lists that are not closed",
            &format!("segments: {}", "[".repeat(1_000_000)),
            "wrong yaml-syntax",
        ),
        yaml(
            "50,000 mappings",
            &format!("segments: {}{}\n", "{a: ".repeat(50_000), "}".repeat(50_000)),
            "wrong yaml-syntax",
        ),
        yaml(
            "20,000 dashes in a line",
            &format!("segments:\n {}x\n", "- ".repeat(20_000)),
            "wrong yaml-syntax",
        ),
        yaml("5,000 segments", &format!("segments:\n{many}"), one),
        yaml("a chain of 2,000 segments", &format!("segments:\n{chain}"), one),
        yaml("a comment of 20 MB", &format!("# {}\n", "x".repeat(20 * MB)), one),
        yaml(
            "2,000 unknown keys",
            &each(2_000, "", |n| format!("k{n}: x\n")),
            "wrong unknown-key line 7",
        ),
    ]);
}

#[test]
fn large_rules() {
    let deep = "wrong rule-syntax";
    let (oslo, nobody) = ("done [[\"1\"]]", "done []");
    let nested = |count: usize| format!("{}points > 5{}", "(".repeat(count), ")".repeat(count));
    made(vec![
        rule("5,000 OR", &each(5_000, " OR ", |n| format!("points = {n}")), oslo),
        rule("5,000 OR of texts", &each(5_000, " OR ", |n| format!("city = 'c{n}'")), nobody),
        rule("1,000 patterns", &each(1_000, " AND ", |n| format!("city NOT LIKE '%x{n}%'")), oslo),
        rule("2,000 OR and AND", &each(2_000, " OR ", |n| format!("points = {n} AND TRUE")), oslo),
        rule(
            "a list of 100,000",
            &format!("city IN ({}, 'Oslo')", each(100_000, ", ", |n| format!("'x{n}'"))),
            oslo,
        ),
        rule("13 parentheses", &nested(13), oslo),
        rule("200 parentheses", &nested(200), deep),
        rule("100,000 parentheses", &nested(100_000), deep),
        rule("a million parentheses that are not closed", &"(".repeat(1_000_000), deep),
        rule("10,000 NOT", &format!("{}points > 5", "NOT ".repeat(10_000)), deep),
        rule("10,000 minus signs", &format!("points = {}1", "- ".repeat(10_000)), deep),
        rule(
            "5,000 functions",
            &format!("{}city{} = 'x'", "lower(".repeat(5_000), ")".repeat(5_000)),
            deep,
        ),
        rule(
            "5,000 arguments",
            &format!("coalesce({}) = 'Oslo'", each(5_000, ", ", |_| "city".to_owned())),
            oslo,
        ),
        rule(
            "a pattern of 1,001 characters",
            &format!("city LIKE '{}'", "a".repeat(1_001)),
            "wrong rule-type/rule-syntax",
        ),
        rule("a pattern of percent signs", &format!("city LIKE '{}'", "%_".repeat(500)), nobody),
        rule("a pattern bomb", &format!("city ILIKE '{}z'", "%o".repeat(499)), nobody),
        rule("a text of 1 MB", &format!("city <> '{}'", "x".repeat(MB)), oslo),
        rule("a million digits", &format!("points = {}", "9".repeat(MB)), "wrong rule-type"),
    ]);
}

#[test]
fn large_values() {
    let (both, second) = ("done profiles 2 [[\"1\"],[\"2\"]]", "done profiles 2 [[\"2\"]]");
    let mail = |name, value: &str, outcome| contact(name, "email", value, outcome);
    let phone = |name, value: &str| contact(name, "{ phone: { region: DE } }", value, second);
    let key = |normalize: &'static str, value: &str| {
        let keys = format!("keys: [{{ field: a, normalize: {normalize} }}]\n");
        customers(
            normalize,
            "data.csv",
            &keys,
            format!("id,a\n1,{value}\n2,x\n"),
            "done profiles 2",
        )
    };
    let wide = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    made(vec![
        mail("a name of 1 MB", &format!("{}@fabrikam.com", wide("x", MB)), both),
        mail("a heap of accents", &format!("a{}@fabrikam.com", wide("\u{301}\u{323}", MB)), both),
        mail("a million plus signs", &format!("x{}@fabrikam.com", wide("+", MB)), both),
        mail("a million dots", &format!("{}x@gmail.com", wide("x.", MB)), both),
        mail("a million at signs", &wide("@", MB), second),
        mail("brackets", &format!("{}x@fabrikam.com", wide("<", MB)), second),
        mail("links in links", &format!("{}x@fabrikam.com", wide("mailto:", MB)), second),
        mail("a label in punycode", &format!("x@xn--{}.com", wide("a", MB)), second),
        mail("a label in Unicode", &format!("x@{}.com", wide("ü", MB)), second),
        mail("many labels in Unicode", &format!("x@{}com", wide("ü.", MB)), second),
        phone("a million digits", &wide("9", MB)),
        phone("a million letters", &wide("x", MB)),
        phone("a million plus signs", &wide("+", MB)),
        phone("a million brackets", &wide("(", MB)),
        phone("a million extensions", &format!("0151 90909090 {}", wide("ext. 1 ", MB))),
        phone("digits and dashes", &wide("1-", MB)),
        key("name", &wide("Dr. ", MB)),
        key("address", &wide("street north west ", MB)),
        key("organization", &wide("GmbH & Co. KG ", MB)),
        key("numerals", &wide("Ⅿ", MB)),
        key("unaccent", &wide("é", MB)),
        key("strip_symbols", &wide("!", MB)),
        key("lower", &wide("ẞ", MB)),
    ]);
}
