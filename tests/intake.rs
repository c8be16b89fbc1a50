//! What goes in comes in: every oddity of a source file has its declared outcome, which is either
//! the exact values or a fault with its code and its place. Nothing is skipped, and nothing becomes
//! another value without a word (docs/pipeline-reference.md, "Sources").

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value as Json;

use crate::support::{Folder, Run, Table};

/// A pipeline that shows what was read of customer source `data`, by the field `id`.
fn pipeline(path: &str, options: &str, fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| format!("{field}: {field}")).collect();
    format!(
        "version: 1\n\
         name: intake\n\
         out: out\n\
         sources:\n  - {{ name: data, path: \"{path}\"{options} }}\n\
         customers:\n  - {{ source: data, id: id, fields: {{ {} }} }}\n\
         outputs: {{ profiles: out/profiles.csv, quarantine: out/quarantine.csv }}\n",
        fields.join(", ")
    )
}

/// A source file that is read as the only customer table.
struct Intake<'a> {
    /// Its name says the format.
    file: &'a str,
    /// Further keys of the source, with a comma in front.
    options: &'a str,
    /// The columns that are mapped; `id` is the first.
    fields: &'a [&'a str],
}

const CSV: Intake<'static> = Intake { file: "data.csv", options: "", fields: &["id", "a"] };

impl Intake<'_> {
    fn run(&self, bytes: &[u8]) -> (Folder, Run) {
        let folder = Folder::new();
        folder.write(self.file, bytes);
        folder.write("pipeline.yaml", pipeline(self.file, self.options, self.fields));
        let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
        (folder, run)
    }

    /// The mapped columns of all records, sorted by id.
    #[track_caller]
    fn rows(&self, bytes: impl AsRef<[u8]>) -> Vec<Vec<String>> {
        let (folder, run) = self.run(bytes.as_ref());
        run.done();
        rows_of(&folder.csv("out/profiles.csv"))
    }

    /// Checks that the file is read as these records.
    #[track_caller]
    fn gives(&self, bytes: impl AsRef<[u8]>, expected: &[&[&str]]) {
        assert_eq!(self.rows(bytes), expected);
    }

    /// Checks that the file is refused, with code, record and line, and that nothing is written.
    #[track_caller]
    fn refused(&self, bytes: impl AsRef<[u8]>, code: &str, record: Option<u64>, line: Option<u64>) {
        let (folder, run) = self.run(bytes.as_ref());
        assert_eq!(run.code, 1, "{}", run.stdout);
        let fault = only_fault(&run);
        assert_eq!(fault["code"], code, "{fault}");
        let place = &fault["file"];
        assert!(place["path"].as_str().expect("a file").ends_with(self.file), "{fault}");
        assert_eq!((place["row"].as_u64(), place["line"].as_u64()), (record, line), "{fault}");
        assert!(!folder.at("out").exists(), "something was written");
    }
}

/// The rows without `customer_id`, sorted.
fn rows_of(table: &Table) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = table.rows.iter().map(|row| row[1..].to_vec()).collect();
    rows.sort_unstable();
    rows
}

#[track_caller]
fn only_fault(run: &Run) -> Json {
    let faults = run.json()["faults"].as_array().expect("faults").clone();
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults[0].clone()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

// Delimited text: what is read.

#[test]
fn the_plain_file_and_its_disguises_read_alike() {
    let expected: &[&[&str]] = &[&["1", "Zoë"], &["2", "b c"]];
    for text in [
        "id,a\n1,Zoë\n2,b c\n",
        // Without the last line feed.
        "id,a\n1,Zoë\n2,b c",
        // With a byte order mark.
        "\u{feff}id,a\n1,Zoë\n2,b c\n",
        // With a byte order mark and a quoted header.
        "\u{feff}\"id\",\"a\"\n1,Zoë\n2,b c\n",
        // Windows line ends, and both kinds.
        "id,a\r\n1,Zoë\r\n2,b c\r\n",
        "id,a\r\n1,Zoë\n2,b c\r\n",
        "id,a\r\n1,Zoë\r\n2,b c",
        // Blanks around the header's names.
        " id , a \n1,Zoë\n2,b c\n",
        // Everything quoted.
        "\"id\",\"a\"\n\"1\",\"Zoë\"\n\"2\",\"b c\"\n",
        // Further columns, in another order, with names of any kind.
        "x,a,id,\"y,\"\"z\"\"\"\n9,Zoë,1,\n9,b c,2,9\n",
    ] {
        assert_eq!(CSV.rows(text), expected, "{text:?}");
    }
}

#[test]
fn blank_lines_are_no_records_where_there_are_two_columns() {
    let expected: &[&[&str]] = &[&["1", "x"], &["2", "y"]];
    for text in [
        "id,a\n1,x\n2,y\n\n",
        "id,a\r\n1,x\r\n2,y\r\n\r\n",
        "id,a\n1,x\n\n2,y\n",
        "id,a\n\n1,x\n\r\n\n2,y\n\n\n",
    ] {
        assert_eq!(CSV.rows(text), expected, "{text:?}");
    }
    // Empty cells make a record, and so does a line of blanks, which has too few fields.
    CSV.gives("id,a\n1,\n", &[&["1", ""]]);
    CSV.refused("id,a\n1,x\n  \n", "field-count", Some(2), Some(3));
}

#[test]
fn quoted_cells_keep_delimiters_line_breaks_and_quotes() {
    CSV.gives(
        "id,a\n1,\"x,y\"\n2,\"two\nlines\"\n3,\"say \"\"hi\"\"\"\n4,\"two\r\nlines\"\n5,\"a\rb\"\n\
         6,\"\n\"\"\n,\"\n7,after\n",
        &[
            &["1", "x,y"],
            &["2", "two\nlines"],
            &["3", "say \"hi\""],
            &["4", "two\r\nlines"],
            &["5", "a\rb"],
            &["6", "\n\"\n,"],
            &["7", "after"],
        ],
    );
}

#[test]
fn other_delimiters_leave_the_comma_alone() {
    let semicolon = Intake { options: ", delimiter: \";\"", ..CSV };
    semicolon.gives("id;a\n1;x,y\n2;\"p;q\"\n", &[&["1", "x,y"], &["2", "p;q"]]);
    let tab = Intake { file: "data.tsv", ..CSV };
    tab.gives("id\ta\n1\tx,y\n2\t\"p\tq\"\n", &[&["1", "x,y"], &["2", "p\tq"]]);
    let pipe = Intake { options: ", delimiter: \"|\"", ..CSV };
    pipe.gives("id|a\n1|x;y\n", &[&["1", "x;y"]]);
}

#[test]
fn without_quoting_a_quote_is_a_character() {
    let plain = Intake { options: ", quote: none", ..CSV };
    plain.gives(
        "id,a\n1,5\" pipe\n2,\"x\n3,\"y\"\n",
        &[&["1", "5\" pipe"], &["2", "\"x"], &["3", "\"y\""]],
    );
}

#[test]
fn texts_keep_their_zeros_blanks_and_signs() {
    CSV.gives(
        "id,a\n0041,01067\n+1, padded \n1e3,1.50\n007,-0\n",
        &[&["+1", " padded "], &["0041", "01067"], &["007", "-0"], &["1e3", "1.50"]],
    );
}

#[test]
fn nulls_are_the_listed_texts_as_they_stand() {
    // `id` is an id of its own where nothing is null in it; `a` shows what is left.
    let listed = Intake { options: ", nulls: [\"\", \"N/A\", \"-\"]", ..CSV };
    listed.gives(
        "id,a\n1,N/A\n2,n/a\n3, N/A \n4,\"N/A\"\n5,-\n6,\n7,\"\"\n8,--\n",
        &[
            &["1", ""],
            &["2", "n/a"],
            &["3", " N/A "],
            &["4", ""],
            &["5", ""],
            &["6", ""],
            &["7", ""],
            &["8", "--"],
        ],
    );
    // Naming `nulls` replaces the default, so a number must not be empty then.
    let replaced =
        Intake { options: ", nulls: [\"N/A\"], types: { a: int }", fields: &["id", "a"], ..CSV };
    replaced.gives("id,a\n1,N/A\n2,7\n", &[&["1", ""], &["2", "7"]]);
}

#[test]
fn an_empty_cell_is_null_quoted_or_not_and_a_blank_one_is_not_usable() {
    // NDJSON tells null and the empty text apart.
    let folder = Folder::with(&[(
        "data.csv",
        "id,a,n\n1,,\n2,\"\",\"\"\n3, , \n4,\"\t\",\"\t\"\n5,\u{a0},7\n",
    )]);
    let text = pipeline("data.csv", ", types: { n: int }", &["id", "a", "n"]);
    folder.write("pipeline.yaml", text.replace("profiles.csv", "profiles.ndjson"));
    folder.optin(&["run", "pipeline.yaml"]).done();
    let mut seen: Vec<(String, Json, Json)> = folder
        .read("out/profiles.ndjson")
        .lines()
        .map(|line| {
            let row: Json = serde_json::from_str(line).expect("a JSON object");
            (row["id"].as_str().expect("an id").to_owned(), row["a"].clone(), row["n"].clone())
        })
        .collect();
    seen.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(seen.len(), 5);
    for (id, a, n) in seen {
        assert_eq!(a, Json::Null, "{id}");
        assert_eq!(n, if id == "5" { Json::from(7) } else { Json::Null }, "{id}");
    }
}

#[test]
fn in_a_single_column_an_empty_line_is_a_record() {
    let single = Intake { fields: &["id"], ..CSV };
    let (folder, run) = single.run(b"id\n1\n\n2\n");
    let account = &run.done().json()["account"]["customers"][0];
    assert_eq!(account["read"], 3);
    assert_eq!(account["kept"], 2);
    assert_eq!(account["quarantined_no_id"], 1);
    assert_eq!(rows_of(&folder.csv("out/profiles.csv")), [["1"], ["2"]]);
    assert_eq!(folder.csv("out/quarantine.csv").column("reason"), ["no id"]);
}

#[test]
fn a_blank_id_is_none_and_an_untrimmed_id_is_its_own() {
    let (folder, run) = CSV.run(b"id,a\n1,x\n 1,y\n  ,z\n,w\n");
    let account = &run.done().json()["account"]["customers"][0];
    assert_eq!(
        (account["kept"].as_u64(), account["quarantined_no_id"].as_u64()),
        (Some(2), Some(2))
    );
    // The field `id` is a field like any other: it shows what stands there.
    assert_eq!(rows_of(&folder.csv("out/profiles.csv")), [[" 1", "y"], ["1", "x"]]);
}

// Delimited text: what is refused.

#[test]
fn records_with_another_number_of_fields_are_refused() {
    CSV.refused("id,a\n1,x\n2,y,z\n", "field-count", Some(2), Some(3));
    CSV.refused("id,a\n1,x\n2\n3,z\n", "field-count", Some(2), Some(3));
    // A delimiter at the end is one more field.
    CSV.refused("id,a\n1,x,\n", "field-count", Some(1), Some(2));
    // The record is the second, although it begins on the fourth line.
    CSV.refused("id,a\n1,\"x\ny\"\n2,y,z\n", "field-count", Some(2), Some(4));
    // Blank lines are no records, but they are lines.
    CSV.refused("id,a\n\n\n1,x,y\n", "field-count", Some(1), Some(4));
    // The wrong delimiter: the mapped column is not there, which the pipeline file is to blame for.
    let (_, run) = CSV.run(b"id;a\n1;x\n");
    assert_eq!((run.code, &run.json()["faults"][0]["code"]), (2, &Json::from("unknown-column")));
}

#[test]
fn quotes_that_make_no_sense_are_refused() {
    CSV.refused("id,a\n1,x\n2,\"y\n3,z\n", "quote", Some(2), Some(3));
    CSV.refused("id,a\n1,x\"y\n", "quote", Some(1), Some(2));
    CSV.refused("id,a\n1,\"x\"y\n", "quote", Some(1), Some(2));
    CSV.refused("id,a\n1, \"x\"\n", "quote", Some(1), Some(2));
    CSV.refused("id,a\n1,\"x\" \n", "quote", Some(1), Some(2));
    // After quoted line breaks the place is still right.
    CSV.refused("id,a\n1,\"x\n\n\"\n2,\"y\n", "quote", Some(2), Some(5));
    CSV.refused("id,\"a\n1,x\n", "quote", Some(0), Some(1));
}

#[test]
fn what_is_not_utf8_is_refused() {
    CSV.refused(b"id,a\n1,x\n2,M\xFCller\n", "encoding", Some(2), Some(3));
    CSV.refused(b"id,a\n1,x\n2,M\xC3", "encoding", Some(2), Some(3));
    // Surrogates and overlong forms are no UTF-8.
    CSV.refused(b"id,a\n1,\xED\xA0\x80\n", "encoding", Some(1), Some(2));
    CSV.refused(b"id,a\n1,\xC0\xAF\n", "encoding", Some(1), Some(2));
    CSV.refused(b"id,a\n1,x\0y\n", "encoding", Some(1), Some(2));
    let text = "id,a\n1,x\n";
    for little in [true, false] {
        let mark = utf16("\u{feff}", little);
        CSV.refused([mark, utf16(text, little)].concat(), "encoding", None, None);
        CSV.refused(utf16(text, little), "encoding", Some(0), Some(1));
    }
    CSV.refused([&b"\xFF\xFE\0\0"[..], b"i\0\0\0"].concat(), "encoding", None, None);
    // A compressed file under the name of a plain one.
    let (_, run) = CSV.run(&gzip(text));
    assert_eq!((run.code, &only_fault(&run)["code"]), (1, &Json::from("encoding")));
}

#[test]
fn bare_carriage_returns_are_refused() {
    CSV.refused("id,a\r1,x\r2,y\r", "line-ends", None, None);
    CSV.refused("id,a\n1,x\r2,y\n", "line-ends", Some(1), Some(2));
    // In the header too: what follows it are cells, which must not be shown as names of columns.
    CSV.refused("id,a\r1,x\n2,y\n", "line-ends", Some(0), Some(1));
    CSV.refused("id,a\n1,x\r\r\n", "line-ends", Some(1), Some(2));
}

#[test]
fn headers_that_cannot_be_used_are_refused() {
    CSV.refused("", "header", None, None);
    CSV.refused("\u{feff}", "header", None, None);
    CSV.refused("\n", "header", Some(0), Some(1));
    CSV.refused("id,a,a\n1,x,y\n", "header", Some(0), Some(1));
    CSV.refused("id,a, a\n1,x,y\n", "header", Some(0), Some(1));
    CSV.refused("id,,a\n1,x,y\n", "header", Some(0), Some(1));
    CSV.refused("id,a,\n1,x,\n", "header", Some(0), Some(1));
    CSV.refused("\nid,a\n1,x\n", "header", Some(0), Some(1));
}

#[test]
fn values_that_do_not_read_as_their_type_are_refused_without_being_shown() {
    for (ty, good, bad) in [
        ("int", "7", "7.0"),
        ("int", "-7", "12345678901234567890"),
        ("float", "1e3", "NaN"),
        ("decimal", "12.5", "12.505"),
        ("bool", "TRUE", "yes"),
        ("date", "2024-02-29", "2026-02-29"),
        ("date", "2026-01-31", "31.01.2026"),
        ("datetime", "2026-01-31 10:00", "2026-01-31T24:00:01Z"),
    ] {
        let options = format!(", types: {{ a: {ty} }}");
        let typed = Intake { options: &options, ..CSV };
        assert_eq!(typed.rows(format!("id,a\n1,{good}\n2,\n")).len(), 2, "{ty} {good}");
        let (_, run) = typed.run(format!("id,a\n1,{good}\n2,{bad}\n").as_bytes());
        assert_eq!(run.code, 1, "{ty} {bad}");
        let fault = only_fault(&run);
        assert_eq!(fault["code"], "value-type", "{ty} {bad}");
        assert_eq!(fault["file"]["row"], 2, "{ty} {bad}");
        assert_eq!(fault["file"]["column"], "a", "{ty} {bad}");
        assert!(!run.stdout.contains(bad), "{ty}: the cell is shown: {}", run.stdout);
    }
}

// No records.

#[test]
fn a_customer_source_without_records_is_a_warning() {
    for (file, text) in [("data.csv", "id,a\n"), ("data.csv", "id,a"), ("data.csv", "id,a\r\n\r\n")]
    {
        let (folder, run) = Intake { file, ..CSV }.run(text.as_bytes());
        let record = run.done().json();
        assert_eq!(record["account"]["profiles"], 0);
        assert_eq!(record["warnings"][0]["code"], "empty-source", "{text:?}");
        assert_eq!(folder.read("out/profiles.csv"), "customer_id,id,a\n");
    }
}

/// A pipeline with a consent table and a suppression list beside the customers.
const GATED: &str = "
version: 1
name: gated
out: out
sources:
  - { name: people, path: people.csv }
  - { name: consent, path: consent.csv OPTIONS }
  - { name: stop, path: stop.csv OPTIONS }
keys: [{ field: email, normalize: email }]
customers: [{ source: people, id: id, fields: { email: email } }]
consent:
  purposes: [{ name: news, via: email, model: opt_in }]
  tables: [{ source: consent, match: { email: email }, values: { news: news } }]
  suppress: [{ source: stop, match: { email: email } }]
segments: [{ name: news, consent: news }]
outputs: { profiles: out/profiles.csv }
exports: [{ segment: news, path: out/news.csv }]
";

fn gated(consent: &str, stop: &str, options: &str) -> (Folder, Run) {
    let folder = Folder::with(&[
        ("people.csv", "id,email\n1,a@contoso.com\n"),
        ("consent.csv", consent),
        ("stop.csv", stop),
        ("pipeline.yaml", &GATED.replace("OPTIONS", options)),
    ]);
    let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
    (folder, run)
}

#[test]
fn a_consent_or_suppression_source_without_records_stops_the_run() {
    let (one, none) = ("email,news\na@contoso.com,yes\n", "email,news\n");
    let (listed, unlisted) = ("email\nb@contoso.com\n", "email\n");
    let (folder, run) = gated(one, listed, "");
    run.done();
    assert_eq!(folder.csv("out/news.csv").column("email"), ["a@contoso.com"]);
    for (consent, stop, file) in [
        (none, listed, "consent.csv"),
        (one, unlisted, "stop.csv"),
        ("email,news", listed, "consent.csv"),
    ] {
        let (folder, run) = gated(consent, stop, "");
        assert_eq!(run.code, 1);
        let fault = only_fault(&run);
        assert_eq!(fault["code"], "empty-source");
        assert!(fault["file"]["path"].as_str().expect("a file").ends_with(file), "{fault}");
        assert!(!folder.at("out").exists());
    }
    // Both at once are both reported.
    let (_, run) = gated(none, unlisted, "");
    assert_eq!(run.json()["faults"].as_array().expect("faults").len(), 2);
    // Allowed, an empty consent table empties every opt-in segment.
    let (folder, run) = gated(none, unlisted, ", allow_empty: true");
    let record = run.done().json();
    assert_eq!(record["account"]["purposes"][0]["unknown"], 1);
    assert_eq!(folder.read("out/news.csv"), "customer_id,email\n");
}

// Compressed text.

#[test]
fn all_members_of_a_gzip_file_and_all_frames_of_a_zstd_file_are_read() {
    let expected: &[&[&str]] = &[&["1", "x"], &["2", "y"], &["3", "z"]];
    let gz = Intake { file: "data.csv.gz", ..CSV };
    gz.gives([gzip("id,a\n1,x\n"), gzip("2,y\n3,"), gzip("z\n")].concat(), expected);
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 3).expect("memory takes it");
    let zst = Intake { file: "data.csv.zst", ..CSV };
    zst.gives([zstd("id,a\n1,x\n"), zstd("2,y\n3,"), zstd("z\n")].concat(), expected);
    let lines = Intake { file: "data.ndjson.gz", ..CSV };
    lines.gives(gzip("{\"id\":\"1\",\"a\":\"x\"}\n"), &[&["1", "x"]]);
}

#[test]
fn compressed_files_that_break_off_or_are_none_are_refused() {
    let text = "id,a\n1,some text that is long enough\n";
    let whole = gzip(text);
    let gz = Intake { file: "data.csv.gz", ..CSV };
    for end in [whole.len() - 1, whole.len() - 8, whole.len() / 2, 5] {
        gz.refused(&whole[..end], "unreadable-file", None, None);
    }
    // One bit of the checksum.
    let mut flipped = whole.clone();
    let at = whole.len() - 6;
    flipped[at] ^= 1;
    gz.refused(&flipped, "unreadable-file", None, None);
    // A second member that breaks off.
    gz.refused([&whole[..], &whole[..20]].concat(), "unreadable-file", None, None);
    gz.refused("id,a\n1,x\n", "unreadable-file", None, None);
    let whole = zstd::encode_all(text.as_bytes(), 3).expect("memory takes it");
    let zst = Intake { file: "data.csv.zst", ..CSV };
    zst.refused(&whole[..whole.len() - 1], "unreadable-file", None, None);
    zst.refused(&whole[..whole.len() / 2], "unreadable-file", None, None);
}

// NDJSON.

const NDJSON: Intake<'static> = Intake { file: "data.ndjson", ..CSV };

#[test]
fn members_may_be_missing_late_and_in_any_order() {
    let mut text = String::new();
    for n in 0..500 {
        let _ = writeln!(text, "{{\"id\": \"{n:03}\"}}");
    }
    // The member `a` is first seen in record 501.
    text.push_str("{\"a\": \"late\", \"id\": \"900\"}\n");
    let rows = NDJSON.rows(&text);
    assert_eq!(rows.len(), 501);
    assert_eq!(rows[0], ["000", ""]);
    assert_eq!(rows[500], ["900", "late"]);
}

#[test]
fn members_beyond_the_first_megabyte_are_read_if_they_are_declared() {
    let mut text = String::new();
    for n in 0..8000 {
        let _ = writeln!(text, "{{\"id\":\"{n:05}\",\"filler\":\"{}\"}}", "x".repeat(120));
    }
    text.push_str("{\"id\":\"99999\",\"a\":\"late\"}\n");
    assert!(text.len() > 1 << 20);
    let declared = Intake { options: ", types: { a: text }", ..NDJSON };
    let rows = declared.rows(&text);
    assert_eq!(rows.len(), 8001);
    assert_eq!(rows[8000], ["99999", "late"]);
    // Undeclared it is an unknown column, not an empty one.
    let (_, run) = NDJSON.run(text.as_bytes());
    assert_eq!((run.code, &run.json()["faults"][0]["code"]), (2, &Json::from("unknown-column")));
}

#[test]
fn plain_json_values_are_their_text() {
    NDJSON.gives(
        "\u{feff}{\"id\":1,\"a\":\"Zo\\u00eb\"}\r\n\n{\"id\":\"2\",\"a\":null}\n \n\
         {\"id\":3,\"a\":true}\n{\"id\":4,\"a\":-7}\n{\"id\":5,\"a\":2.5}\n\
         {\"id\":6,\"a\":\"x\\ny\"}\n{\"a\":\"\",\"id\":7}",
        &[
            &["1", "Zoë"],
            &["2", ""],
            &["3", "true"],
            &["4", "-7"],
            &["5", "2.5"],
            &["6", "x\ny"],
            &["7", ""],
        ],
    );
    // 64 bits keep all their digits.
    NDJSON.gives(
        "{\"id\":9223372036854775807,\"a\":18446744073709551615}\n",
        &[&["9223372036854775807", "18446744073709551615"]],
    );
    let typed = Intake { options: ", types: { a: int }, nulls: [\"N/A\"]", ..NDJSON };
    typed.gives(
        "{\"id\":\"1\",\"a\":\"12\"}\n{\"id\":\"2\",\"a\":12}\n{\"id\":\"3\",\"a\":\"N/A\"}\n",
        &[&["1", "12"], &["2", "12"], &["3", ""]],
    );
}

#[test]
fn lists_and_objects_are_refused_where_they_are_used_and_let_be_where_not() {
    NDJSON.gives(
        "{\"id\":\"1\",\"a\":\"x\",\"tags\":[1,{\"a\":2}],\"b\":{\"a\":[]}}\n",
        &[&["1", "x"]],
    );
    NDJSON.refused(
        "{\"id\":\"1\",\"a\":\"x\"}\n{\"id\":\"2\",\"a\":[\"y\"]}\n",
        "json-line",
        Some(2),
        Some(2),
    );
    NDJSON.refused(
        "{\"id\":\"1\",\"a\":\"x\"}\n\n{\"id\":\"2\",\"a\":{\"b\":1}}\n",
        "json-line",
        Some(2),
        Some(3),
    );
}

#[test]
fn lines_that_are_no_objects_are_refused() {
    let first = "{\"id\":\"1\",\"a\":\"x\"}\n";
    for line in [
        "[1]",
        "\"x\"",
        "7",
        "{\"id\":\"2\",\"a\":\"y\"",
        "{\"id\":\"2\",\"a\":\"y\"} {\"id\":\"3\"}",
        "{\"id\":\"2\",\"a\":\"y\"},",
        "{\"id\":\"2\",\"a\":\"y\",\"a\":\"z\"}",
        "{'id':'2'}",
        "{\"id\":\"2\",\"a\":NaN}",
        "id,a",
        // More digits than can be told apart: two ids must not become one.
        "{\"id\":123456789012345678901234,\"a\":\"y\"}",
    ] {
        NDJSON.refused(format!("{first}{line}\n"), "json-line", Some(2), Some(2));
    }
    NDJSON.refused(
        [first.as_bytes(), b"{\"id\":\"\xFC\"}\n"].concat(),
        "encoding",
        Some(1),
        Some(2),
    );
}

// Several files.

#[test]
fn the_files_of_a_glob_are_one_source() {
    let folder = Folder::with(&[
        ("in/part-2.csv", "id,a\n3,z\n"),
        ("in/part-1.csv", "id,a\n1,x\n2,y\n"),
        ("in/part-3.csv", "id,a\n"),
        ("in/other.csv", "no,such\n1,2\n"),
        ("pipeline.yaml", &pipeline("in/part-*.csv", "", &["id", "a"])),
    ]);
    let record = folder.optin(&["run", "pipeline.yaml", "--json"]).done().json();
    assert_eq!(rows_of(&folder.csv("out/profiles.csv")), [["1", "x"], ["2", "y"], ["3", "z"]]);
    let files = record["sources"][0]["files"].as_array().expect("files");
    let read: Vec<(&str, u64)> = files
        .iter()
        .map(|file| {
            let path = Path::new(file["path"].as_str().expect("a path"));
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            (name, file["rows"].as_u64().expect("rows"))
        })
        .collect();
    assert_eq!(read, [("part-1.csv", 2), ("part-2.csv", 1), ("part-3.csv", 0)]);
}

#[test]
fn the_files_of_a_glob_must_have_the_same_columns() {
    for header in ["id,b", "a,id", "id,a,b", "id"] {
        let folder = Folder::with(&[
            ("part-1.csv", "id,a\n1,x\n"),
            ("part-2.csv", &format!("{header}\n")),
            ("pipeline.yaml", &pipeline("part-*.csv", "", &["id", "a"])),
        ]);
        let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
        assert_eq!(run.code, 1, "{header}");
        let fault = only_fault(&run);
        assert_eq!(fault["code"], "schema-mismatch", "{header}");
        assert!(fault["file"]["path"].as_str().expect("a file").ends_with("part-2.csv"));
        assert!(!folder.at("out").exists());
    }
    // Members of NDJSON files are put together.
    let folder = Folder::with(&[
        ("part-1.ndjson", "{\"id\":\"1\"}\n"),
        ("part-2.ndjson", "{\"a\":\"y\",\"id\":\"2\"}\n"),
        ("pipeline.yaml", &pipeline("part-*.ndjson", "", &["id", "a"])),
    ]);
    folder.optin(&["run", "pipeline.yaml"]).done();
    assert_eq!(rows_of(&folder.csv("out/profiles.csv")), [["1", ""], ["2", "y"]]);
}

#[test]
fn a_fault_in_the_second_file_names_that_file() {
    let folder = Folder::with(&[
        ("part-1.csv", "id,a\n1,x\n"),
        ("part-2.csv", "id,a\n2,y\n3\n"),
        ("pipeline.yaml", &pipeline("part-*.csv", "", &["id", "a"])),
    ]);
    let fault = only_fault(&folder.optin(&["run", "pipeline.yaml", "--json"]));
    assert_eq!(fault["code"], "field-count");
    assert!(fault["file"]["path"].as_str().expect("a file").ends_with("part-2.csv"));
    assert_eq!(fault["file"]["row"], 2);
}

#[test]
fn a_source_that_is_not_there_is_a_fault() {
    for path in ["none.csv", "none-*.csv"] {
        let folder = Folder::with(&[("pipeline.yaml", &pipeline(path, "", &["id", "a"]))]);
        let run = folder.optin(&["run", "pipeline.yaml", "--json"]);
        assert_eq!((run.code, &only_fault(&run)["code"]), (1, &Json::from("missing-file")));
        let check = folder.optin(&["check", "pipeline.yaml", "--json"]);
        assert_eq!((check.code, &only_fault(&check)["code"]), (2, &Json::from("missing-file")));
    }
}
