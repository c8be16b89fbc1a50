//! Objects in buckets as sources and as copies, on the servers that `OPTIN_S3` and `OPTIN_AZURE` name
//! (`tests/servers/with-stores` starts them); without them those tests say that they skip it. And Delta tables.

use std::fs;
#[cfg(feature = "delta")]
use std::path::Path;

#[cfg(feature = "delta")]
use crate::support::files;
use crate::support::{Folder, root};

/// An example that needs a bucket or a table.
fn example(name: &str) -> String {
    let path = root().join(format!("pipelines/external/{name}.yaml"));
    fs::read_to_string(path).expect("an example")
}

/// All files below a folder but those that hold times.
#[cfg(feature = "delta")]
fn results(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = files(folder).into_iter();
    let names = names.filter(|name| !name.ends_with("run.json") && !name.ends_with("report.html"));
    names.map(|name| (name.clone(), fs::read(folder.join(&name)).expect("a file"))).collect()
}

#[cfg(not(feature = "objects"))]
#[test]
fn what_is_not_built_in_is_said() {
    let text = example("object-store");
    let folder = Folder::with(&[("p.yaml", &text)]);
    let run = folder.optin(&["check", "p.yaml"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("error[not-built-in]"), "{}", run.stderr);
    assert!(run.stderr.contains("--features objects"), "{}", run.stderr);
    assert!(run.stderr.contains("p.yaml:19:"), "{}", run.stderr);
}

#[cfg(not(feature = "delta"))]
#[test]
fn delta_that_is_not_built_in_is_said() {
    let text = example("delta").replace("../../data", "data");
    let folder = Folder::with(&[("p.yaml", &text)]);
    folder.link_data();
    let run = folder.optin(&["check", "p.yaml"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("error[not-built-in]"), "{}", run.stderr);
    assert!(run.stderr.contains("--features delta"), "{}", run.stderr);
}

#[test]
fn addresses_that_are_none_are_told_before_anything_is_asked() {
    let text = example("object-store");
    let told = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let folder = Folder::with(&[("p.yaml", &text.replace(from, to))]);
        let run = folder.optin(&["check", "p.yaml"]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(!run.stderr.contains("SECRET"), "{}", run.stderr);
        run.stderr
    };
    let source = "s3://my-company/contoso/newsletter_consent.csv";
    for (from, to, wanted) in [
        (source, "s3://KEY:SECRET@my-company/a.csv", "no user, password or port"),
        (source, "https://my-company.s3.amazonaws.com/a.csv", "the scheme is none of"),
        (source, "s3://my-company/../a.csv", "a part of the key is empty"),
        (source, "s3://my-company", "names no object"),
        (source, "s3://my-company/consent", "cannot be told from its name"),
        (
            "s3://my-company/mailing-house/newsletter_de.csv",
            "s3://my-company/x/",
            "no name of an object",
        ),
        (
            "{ object: s3://my-company/mailing-house/newsletter_de.csv }",
            "{ table: news }",
            "`database` and `table`, or `object`",
        ),
        ("path: out/newsletter_de.csv", "path: ../newsletter_de.csv", "leads out of this folder"),
        ("out: out\n", "", "the run record goes to ../out/NAME"),
        ("copy_to: s3://my-company/runs/latest", "copy_to: out/copy", "it has no scheme"),
        (source, "az://c/a.csv?sv=1&sig=SECRET", "is how addresses are signed"),
        (source, "https://a.blob.core.windows.net/c/a.csv?sig=SECRET", "the scheme is none of"),
        (source, "s3://SECRET@my-company/a.csv", "no user, password or port"),
        ("path: out/newsletter_de.csv", "path: s3://my-company/a.csv", "is a file of this machine"),
        ("out: out\n", "out: s3://my-company/out\n", "is a file of this machine"),
        (
            "path: out/newsletter_de.csv\n",
            "path: out/newsletter_de\n    partition_by: [first_name]\n",
            "a folder of partitions is not put into a bucket",
        ),
        ("    delimiter: \";\"\n", "    table_version: 3\n", "goes with Delta tables only"),
    ] {
        let said = told(from, to);
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn below_a_root_no_bucket_is_asked() {
    let text = example("object-store");
    let folder = Folder::with(&[("p.yaml", &text)]);
    let run = folder.optin(&["run", "p.yaml", "--root", "."]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    // Two sources, the earlier identity table, an object, and the copies of all files.
    assert_eq!(run.stderr.matches("error[outside-root]").count(), 5, "{}", run.stderr);
    assert!(!run.stderr.contains("not-built-in"), "{}", run.stderr);
}

#[test]
fn elsewhere_nothing_is_put_into_a_bucket() {
    let text = example("object-store");
    let from = text.find("identity:").expect("a part");
    let to = text.find("consent:\n").expect("a part");
    let text =
        text.replace(&text[from..to], "").replace("s3://my-company/contoso/", "data/contoso/");
    let folder = Folder::with(&[("p.yaml", &text)]);
    folder.link_data();
    let run = folder.optin(&["run", "p.yaml", "--out", "there", "--json"]).done();
    assert_eq!(run.stdout.matches("\"not-copied\"").count(), 2, "{}", run.stdout);
}

#[test]
fn sql_refuses_what_is_in_a_bucket() {
    let text = example("object-store").replace("s3://my-company/contoso/", "data/contoso/");
    let from = text.find("  # Ids are handed on").expect("a part");
    let to = text.find("consent:\n").expect("a part");
    let text = text.replace(&text[from..to], "");
    let folder = Folder::with(&[("p.yaml", &text)]);
    folder.link_data();
    let run = folder.optin(&["compile", "p.yaml", "--dialect", "duckdb"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    for wanted in ["copies of all files in a bucket", "a copy into s3://my-company/mailing-house"] {
        assert!(run.stderr.contains(wanted), "{wanted}: {}", run.stderr);
    }
}

#[cfg(feature = "objects")]
mod with_servers {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::path::Path as Key;
    use object_store::{ObjectStore, ObjectStoreExt as _};
    use optin::store::{Stores, Upload};

    use super::*;
    use crate::support::files;

    /// A store with a folder of its own for a test.
    struct Bucket {
        address: String,
        folder: &'static str,
        store: Arc<dyn ObjectStore>,
        runtime: tokio::runtime::Runtime,
    }

    impl Bucket {
        /// All that there are, or a line that says that there are none.
        fn all(folder: &'static str) -> Vec<Self> {
            let mut all: Vec<(String, Arc<dyn ObjectStore>)> = Vec::new();
            if let Ok(address) = std::env::var("OPTIN_S3") {
                let store = AmazonS3Builder::from_env().with_url(&address).build();
                all.push((address, Arc::new(store.expect("a store"))));
            }
            if let Ok(address) = std::env::var("OPTIN_AZURE") {
                let store = MicrosoftAzureBuilder::from_env().with_url(&address).build();
                all.push((address, Arc::new(store.expect("a store"))));
            }
            if all.is_empty() {
                eprintln!("skipped {folder}: no object store (OPTIN_S3 and OPTIN_AZURE name some)");
            }
            all.into_iter()
                .map(|(bucket, store)| {
                    eprintln!("{folder}: {bucket}");
                    let mut runtime = tokio::runtime::Builder::new_multi_thread();
                    let runtime = runtime.worker_threads(1).enable_all().build();
                    let runtime = runtime.expect("a thread");
                    Self { address: format!("{bucket}/{folder}"), folder, store, runtime }
                })
                .collect()
        }

        fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
            let key = Key::parse(format!("{}/{name}", self.folder)).expect("a key");
            let put = self.store.put(&key, bytes.into().into());
            self.runtime.block_on(put).expect("an object is put");
        }

        fn get(&self, name: &str) -> Option<Vec<u8>> {
            let key = Key::parse(format!("{}/{name}", self.folder)).expect("a key");
            let got = self.runtime.block_on(async { self.store.get(&key).await?.bytes().await });
            got.ok().map(|bytes| bytes.to_vec())
        }

        fn put_folder(&self, folder: &Path, below: &str) {
            for name in files(folder) {
                self.put(&format!("{below}/{name}"), fs::read(folder.join(&name)).expect("a file"));
            }
        }

        /// True if uploads wait for their end; of S3 alone, where that can be asked for.
        fn has_parts(&self) -> bool {
            use std::io::{Read as _, Write as _};
            let Ok(server) = std::env::var("AWS_ENDPOINT_URL") else { return false };
            if !self.address.starts_with("s3://") {
                return false;
            }
            let host = server.trim_start_matches("http://");
            let mut stream = std::net::TcpStream::connect(host).expect("the server");
            write!(stream, "GET /optin?uploads HTTP/1.0\r\nHost: {host}\r\n\r\n").expect("asked");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert!(answer.contains("ListMultipartUploadsResult"), "{answer}");
            answer.contains(&format!("<Key>{}/", self.folder))
        }

        /// Names and contents of all objects of the test.
        fn objects(&self) -> BTreeMap<String, Vec<u8>> {
            let stores = Stores::open().expect("stores");
            let found = stores.list(&format!("{}/**/*", self.address)).expect("a list");
            let names = found.into_iter().map(|found| {
                found.address.strip_prefix(&format!("{}/", self.address)).expect("below").to_owned()
            });
            names.map(|name| (name.clone(), self.get(&name).expect(&name))).collect()
        }
    }

    #[test]
    fn sources_in_a_bucket_give_what_files_give() {
        for bucket in Bucket::all("sources") {
            for name in ["contoso", "consent-examples", "related"] {
                bucket.put_folder(&root().join("data").join(name), &format!("data/{name}"));
            }
            for name in [
                "contoso",
                "consent-single-table",
                "related",
                "measures",
                "audiences",
                "campaign",
                "quickstart",
            ] {
                let text = fs::read_to_string(root().join(format!("pipelines/{name}.yaml")));
                let text = text.expect("a pipeline");
                let elsewhere = text.replace("../data/", &format!("{}/data/", bucket.address));
                assert_ne!(text, elsewhere);
                let folder = Folder::with(&[("p/here.yaml", &text), ("p/there.yaml", &elsewhere)]);
                folder.link_data();
                folder.optin(&["run", "p/here.yaml", "--out", "here", "--quiet"]).done();
                folder.optin(&["run", "p/there.yaml", "--out", "there", "--quiet"]).done();
                let (here, there) = (results(&folder.at("here")), results(&folder.at("there")));
                assert!(here == there && !here.is_empty(), "{name}, {}", bucket.address);
            }
        }
    }

    /// Binary sources of which a part is fetched: profiles of one run are the customers of the next.
    #[test]
    fn of_parquet_the_columns_in_use_are_fetched() {
        const MAKE: &str = "version: 1
name: make
as_of: 2026-11-24T00:00:00Z
out: out
sources: [{ name: shop, path: data/contoso/shop.csv, delimiter: \";\" }]
customers: [{ source: shop, id: CustomerNo, fields: { email: Email, first_name: FirstName, last_name: LastName, street: Street, zip: Zip, city: City, country: Country } }]
outputs: { profiles: out/people.FORMAT }
";
        const USE: &str = "version: 1
name: use
as_of: 2026-11-24T00:00:00Z
sources:
  - { name: people, path: PLACE/people*.FORMAT }
  - { name: consent, path: data/contoso/newsletter_consent.csv }
keys: [{ field: email, normalize: email }]
customers: [{ source: people, id: customer_id, fields: { email: email, first: first_name } }]
consent:
  purposes: [{ name: newsletter, via: email, model: opt_in }]
  tables: [{ source: consent, match: { email: Email }, values: { newsletter: Newsletter }, unmatchable: report, at_missing: report }]
segments: [{ name: news, consent: newsletter }]
exports: [{ segment: news, path: news.csv, columns: [customer_id, email, first] }]
";
        for bucket in Bucket::all("parquet") {
            for format in ["parquet", "ipc", "ndjson"] {
                let folder = Folder::with(&[("make.yaml", &MAKE.replace("FORMAT", format))]);
                folder.link_data();
                folder.optin(&["run", "make.yaml", "--quiet"]).done();
                let people = folder.bytes(&format!("out/people.{format}"));
                bucket.put(&format!("x/people.{format}"), people.clone());
                bucket.put("x/other.txt", "no such file");
                bucket.put(&format!("x/deeper/people.{format}"), "not matched");
                let text = USE.replace(", at_missing: report", "").replace("FORMAT", format);
                folder.write("here.yaml", text.replace("PLACE", "out"));
                folder.write("there.yaml", text.replace("PLACE", &format!("{}/x", bucket.address)));
                folder.optin(&["run", "here.yaml", "--out", "here", "--quiet"]).done();
                folder.optin(&["run", "there.yaml", "--out", "there", "--quiet"]).done();
                assert_eq!(results(&folder.at("here")), results(&folder.at("there")));
                let record = folder.json("there/run.json");
                let file = &record["sources"][0]["files"][0];
                let address = format!("{}/x/people.{format}", bucket.address);
                assert_eq!(file["path"], address, "{file}");
                assert_eq!(file["bytes"], people.len());
                assert!(file["state"].is_string(), "{file}");
                let here = folder.json("here/run.json");
                // Holes make another digest, which tells that not all was fetched.
                let same = file["xxh3"] == here["sources"][0]["files"][0]["xxh3"];
                assert_eq!(same, format != "parquet", "{format}");
                let verify = folder.optin(&["verify", "there/run.json"]).done();
                assert!(verify.stdout.contains("elsewhere, not asked again"), "{}", verify.stdout);
                // Who asks about a person reads all columns.
                let someone = folder.csv("here/news.csv").column("email")[0].to_owned();
                let asked = format!("email={someone}");
                let of =
                    |file: &str| folder.optin(&["why", file, "--customer", &asked]).done().stdout;
                let local = of("here.yaml").replace("out/people", "PEOPLE");
                let address = format!("{}/x/people", bucket.address);
                assert_eq!(of("there.yaml").replace(&address, "PEOPLE"), local);
                let (mine, theirs) = ("here.yaml", "there.yaml");
                let of =
                    |file: &str| folder.optin(&["simulate", file, "--as-of", "2027-01-01"]).stdout;
                assert_eq!(of(mine), of(theirs));
            }
        }
    }

    /// Of two records of one id all values decide which stays: then columns are read that nothing else asks for.
    #[test]
    fn repeated_ids_are_read_whole() {
        const TEXT: &str = "version: 1
name: twice
as_of: 2026-11-24T00:00:00Z
sources: [{ name: people, path: PLACE/people.parquet }]
customers: [{ source: people, id: id, fields: { email: mail, first: first, city: city } }]
profile: { keep: importance }
segments: [{ name: all, consent: none, because: a test }]
exports: [{ segment: all, path: all.csv, columns: [customer_id, first] }]
";
        for bucket in Bucket::all("twice") {
            let rows = "id,mail,first,city\n1,,Ann,\n1,a@x.org,Ann,Wien\n2,b@x.org,Bob,\n";
            let make = "version: 1\nname: make\nout: out\nsources: [{ name: people, path: people.csv }]\n\
                customers: [{ source: people, id: row, fields: { id: id, mail: mail, first: first, city: city } }]\n\
                outputs: { profiles: out/people.parquet }\n";
            let numbered: Vec<String> = rows
                .lines()
                .enumerate()
                .map(
                    |(at, line)| {
                        if at == 0 { format!("row,{line}") } else { format!("{at},{line}") }
                    },
                )
                .collect();
            let folder = Folder::with(&[
                ("people.csv", &numbered.join("\n")),
                ("make.yaml", make),
                ("here.yaml", &TEXT.replace("PLACE", "out")),
                ("there.yaml", &TEXT.replace("PLACE", &bucket.address)),
            ]);
            folder.optin(&["run", "make.yaml", "--quiet"]).done();
            bucket.put("people.parquet", folder.bytes("out/people.parquet"));
            folder.optin(&["run", "here.yaml", "--out", "here", "--quiet"]).done();
            folder.optin(&["run", "there.yaml", "--out", "there", "--quiet"]).done();
            let (here, there) = (results(&folder.at("here")), results(&folder.at("there")));
            assert!(here == there && folder.csv("here/all.csv").rows.len() == 2);
        }
    }

    /// What a run puts somewhere is not what it reads, and no two of them are one object.
    #[test]
    fn objects_are_not_put_over_each_other_or_over_sources() {
        for bucket in Bucket::all("over") {
            let text = example("object-store").replace("s3://my-company", &bucket.address);
            bucket.put_folder(&root().join("data/contoso"), "contoso");
            let mail = format!("{}/mailing-house/newsletter_de.csv", bucket.address);
            let other = |to: &str| text.replace(&mail, &format!("{}/{to}", bucket.address));
            for (text, wanted) in [
                (
                    other("contoso/newsletter_consent.csv"),
                    "where source `newsletter_consent` is read",
                ),
                (other("contoso/shop_new.csv"), "where source `shop` is read"),
                (other("runs/latest/out/newsletter_de.csv"), "would be one object"),
                (other("runs/latest/out/run.json"), "would be one object"),
            ] {
                let line = text.lines().position(|line| line.contains("{ object: "));
                let place = format!("--> p.yaml:{}:", line.expect("a copy") + 1);
                let folder = Folder::with(&[("p.yaml", &text)]);
                let run = folder.optin(&["check", "p.yaml"]);
                assert_eq!(run.code, 2, "{wanted}: {}", run.stderr);
                assert!(run.stderr.contains(wanted), "{wanted}: {}", run.stderr);
                assert!(run.stderr.contains(&place), "{place}: {}", run.stderr);
            }
        }
    }

    #[test]
    fn all_files_of_a_run_are_put_into_a_bucket() {
        for bucket in Bucket::all("copies") {
            let text = example("object-store").replace("s3://my-company", &bucket.address);
            bucket.put_folder(&root().join("data/contoso"), "contoso");
            let folder = Folder::with(&[("p.yaml", &text)]);
            let check = folder.optin(&["check", "p.yaml"]).done();
            assert!(!check.stderr.contains("warning"), "{}", check.stderr);
            let run = folder.optin(&["run", "p.yaml"]).done();
            assert!(run.stdout.contains("all files of the run, too: "), "{}", run.stdout);
            let mut objects = bucket.objects();
            objects.retain(|name, _| !name.starts_with("contoso/"));
            let mailed = objects.remove("mailing-house/newsletter_de.csv").expect("an object");
            assert_eq!(mailed, folder.bytes("out/newsletter_de.csv"));
            assert!(mailed.len() > 1000);
            let here: BTreeMap<_, _> = files(&folder.at("out"))
                .into_iter()
                .map(|name| {
                    (format!("runs/latest/out/{name}"), folder.bytes(&format!("out/{name}")))
                })
                .collect();
            assert!(here.len() == 4 && here == objects, "{:?} {:?}", here.keys(), objects.keys());
            // On another machine the ids go on.
            let elsewhere = Folder::with(&[("p.yaml", &text)]);
            elsewhere.optin(&["run", "p.yaml", "--quiet"]).done();
            let record = elsewhere.json("out/run.json");
            let previous = record["sources"].as_array().expect("sources").iter();
            let previous = previous.filter(|of| of["name"] == "identity.previous").count();
            assert_eq!(previous, 1, "{record}");
            assert_eq!(elsewhere.bytes("out/newsletter_de.csv"), mailed);
            // A run that fails when parts are there already changes nothing, and takes them back.
            let before = bucket.objects();
            let bucket_name = bucket.address.split('/').nth(2).expect("a bucket");
            let nowhere = bucket.address.replacen(bucket_name, "no-such-bucket", 1);
            let exports = text.find("exports:").expect("a part") + "exports:".len();
            let more = format!(
                "{}\n  - segment: newsletter_de\n    path: out/again.csv\n    copy_to: {{ object: {nowhere}/a.csv }}\n",
                &text[exports..]
            );
            folder.write("p.yaml", format!("{}{more}", &text[..exports]));
            let run = folder.optin(&["run", "p.yaml", "--quiet"]);
            assert_eq!(run.code, 1, "{}", run.stderr);
            assert!(run.stderr.contains("error[store-failed]"), "{}", run.stderr);
            assert!(before == bucket.objects() && !folder.at("out/again.csv").exists());
            assert!(!bucket.has_parts(), "{}", bucket.address);
            // Where files go on from those of the run before, those must be here.
            let history =
                text.replace("outputs:\n", "outputs:\n  memberships: out/memberships.csv\n");
            folder.write("p.yaml", &history);
            folder.optin(&["run", "p.yaml", "--quiet"]).done();
            let elsewhere = Folder::with(&[("p.yaml", &history)]);
            let run = elsewhere.optin(&["run", "p.yaml", "--quiet"]);
            assert_eq!(run.code, 1, "{}", run.stderr);
            assert!(run.stderr.contains("and not on this machine"), "{}", run.stderr);
        }
    }

    #[test]
    fn parts_are_seen_when_all_are_there() {
        for bucket in Bucket::all("parts") {
            let folder = Folder::new();
            // Three parts.
            let large: Vec<u8> = (0..20_000_000_u32).map(|at| (at % 251) as u8).collect();
            folder.write("large.parquet", &large);
            folder.write("run.json", "{}");
            bucket.put("run.json", "old");
            let large_at = folder.at("large.parquet");
            let record_at = folder.at("run.json");
            let files = [
                Upload { file: &large_at, address: format!("{}/large.parquet", bucket.address) },
                Upload { file: &record_at, address: format!("{}/run.json", bucket.address) },
            ];
            let mark = format!("{}/run.json", bucket.address);
            let pending =
                Stores::open().expect("stores").put(&files, Some(&mark)).expect("uploads");
            assert_eq!(bucket.objects().keys().collect::<Vec<_>>(), ["run.json"]);
            assert!(bucket.has_parts() || !bucket.address.starts_with("s3"));
            drop(pending);
            assert!(!bucket.has_parts());
            assert_eq!(bucket.get("run.json").as_deref(), Some(&b"old"[..]), "taken back");
            assert_eq!(bucket.get("large.parquet"), None);
            let pending =
                Stores::open().expect("stores").put(&files, Some(&mark)).expect("uploads");
            pending.commit().expect("seen");
            assert_eq!(bucket.get("run.json").as_deref(), Some(&b"{}"[..]));
            assert!(bucket.get("large.parquet").is_some_and(|got| got == large));
            // And fetched again, in ranges.
            let stores = Stores::open().expect("stores");
            let found = stores.list(&files[0].address).expect("a list");
            let whole: Vec<_> = std::iter::once(0..found[0].bytes).collect();
            let copy = fs::File::create(folder.at("copy")).expect("a file");
            stores.fetch(&found[0], &whole, &copy).expect("fetched");
            assert!(folder.bytes("copy") == large);
            // Of the state that was found, or not at all.
            bucket.put("large.parquet", large[1..].to_vec());
            let fault = stores.fetch(&found[0], &whole, &copy).expect_err("it changed");
            assert!(fault.message.contains("changed"), "{}", fault.message);
        }
    }

    #[test]
    fn what_a_store_refuses_is_told() {
        for bucket in Bucket::all("refused") {
            let stores = Stores::open().expect("stores");
            let nowhere = bucket.address.replace("://optin", "://no-such-bucket");
            let fault = stores.list(&format!("{nowhere}/*.csv")).expect_err("no bucket");
            assert!(fault.message.contains("there is no"), "{}", fault.message);
            assert!(
                stores.list(&format!("{}/none.csv", bucket.address)).expect("a list").is_empty()
            );
            assert!(
                stores.list(&format!("{}/none/*.csv", bucket.address)).expect("a list").is_empty()
            );
            let text = example("object-store").replace("s3://my-company", &bucket.address);
            let folder = Folder::with(&[("p.yaml", &text)]);
            let run = folder.optin(&["check", "p.yaml"]);
            assert_eq!(run.stderr.matches("error[missing-file]").count(), 2, "{}", run.stderr);
            assert!(!run.stderr.contains("identity.previous"), "{}", run.stderr);
        }
    }
}

#[cfg(feature = "delta")]
#[test]
fn a_delta_table_gives_what_its_rows_give() {
    let text = example("delta").replace("../../data", "data").replace("../../out/delta", "out");
    let csv = text.replace(
        "path: data/delta/newsletter_consent\n    format: delta",
        "path: data/contoso/newsletter_consent.csv\n    timezone: Europe/Berlin\n    types: { \"Recorded at\": datetime }",
    );
    assert_ne!(text, csv);
    let folder = Folder::with(&[("delta.yaml", &text), ("csv.yaml", &csv)]);
    folder.link_data();
    folder.optin(&["run", "delta.yaml", "--out", "delta", "--quiet"]).done();
    folder.optin(&["run", "csv.yaml", "--out", "csv", "--quiet"]).done();
    let (delta, rows) = (results(&folder.at("delta")), results(&folder.at("csv")));
    assert!(delta == rows && delta.len() == 2);
    let record = folder.json("delta/run.json");
    let file = &record["sources"][1]["files"][0];
    assert_eq!(file["state"], "version 3", "{file}");
    assert_eq!(file["path"], "./data/delta/newsletter_consent");
    assert_eq!(record["sources"][0]["files"][0]["path"], "./data/contoso/shop.csv");
    assert_eq!(record["sources"][1]["rows"], 7129);
    let verify = folder.optin(&["verify", "delta/run.json"]).done();
    assert!(verify.stdout.contains("elsewhere, not asked again"), "{}", verify.stdout);
    // As it was: half of the rows.
    let old = text.replace("# table_version: 3", "table_version: 0");
    folder.write("old.yaml", &old);
    folder.optin(&["run", "old.yaml", "--out", "old", "--quiet"]).done();
    let record = folder.json("old/run.json");
    assert_eq!(record["sources"][1]["rows"], 7129 / 2);
    folder.write("none.yaml", old.replace("table_version: 0", "table_version: 9"));
    let run = folder.optin(&["check", "none.yaml"]);
    assert!(
        run.stderr.contains("error[missing-file]") && run.stderr.contains("version"),
        "{}",
        run.stderr
    );
}

#[cfg(feature = "delta")]
#[test]
fn no_file_of_a_delta_table_is_written_over() {
    let folder = Folder::new();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([root().join("data/contoso"), root().join("data/delta"), folder.path().to_path_buf()])
        .status();
    assert!(copied.expect("a copy").success());
    let text = example("delta").replace("../../data/", "").replace("../../out/delta", "out");
    for target in ["delta/newsletter_consent/new.csv", "delta/newsletter_consent/year=2026/a.csv"] {
        folder.write("p.yaml", text.replace("out/newsletter_de.csv", target));
        let before = files(folder.path());
        let run = folder.optin(&["run", "p.yaml", "--json"]);
        assert_eq!(run.json()["faults"][0]["code"], "output-path", "{target}");
        assert_eq!(files(folder.path()), before);
    }
}

#[cfg(feature = "delta")]
#[test]
fn what_a_delta_table_deleted_and_renamed_is_its_to_know() {
    let pipeline = "version: 1
name: mapped
as_of: 2026-11-24T00:00:00Z
sources: [{ name: rows, path: mapped, format: delta, types: { price: decimal(2) } }]
keys: [{ field: email, normalize: email }]
customers: [{ source: rows, id: Mail address, fields: { email: Mail address, price: price, shop: shop name, born: born, decided: decided } }]
consent:
  purposes: [{ name: news, via: email, model: opt_in }]
  tables: [{ source: rows, match: { email: Mail address }, values: { news: granted }, at: decided }]
segments: [{ name: news, consent: news }]
exports: [{ segment: news, path: news.csv, columns: [email, price, shop, born, decided] }]
outputs: { profiles: profiles.csv }
";
    let folder = Folder::with(&[("p.yaml", &pipeline.replace("decimal(2)", "{ decimal: 2 }"))]);
    std::os::unix::fs::symlink(root().join("tests/delta/mapped"), folder.at("mapped"))
        .expect("a link");
    folder.optin(&["run", "p.yaml", "--out", "out", "--quiet"]).done();
    let mut rows = folder.csv("out/news.csv").rows;
    rows.sort_unstable();
    // Bob said no later; `gone` was deleted by a vector; of the older file `born` is null.
    assert_eq!(
        rows,
        [
            ["ann@example.com", "12.50", "Am Markt 1", "", "2026-01-01T10:00:00Z"],
            ["dan@example.com", "7.00", "Am Markt 1", "", "2026-01-01T10:00:00Z"],
            ["eva@example.com", "3.00", "", "1990-05-01", "2026-02-01T00:00:00Z"],
        ]
    );
    let profiles = folder.read("out/profiles.csv");
    assert!(!profiles.contains("gone") && profiles.contains("bob"), "{profiles}");
    folder.write(
        "u.yaml",
        pipeline
            .replace("path: mapped", "path: unknown")
            .replace(", types: { price: decimal(2) }", ""),
    );
    std::os::unix::fs::symlink(root().join("tests/delta/unknown"), folder.at("unknown"))
        .expect("a link");
    let run = folder.optin(&["check", "u.yaml"]);
    assert!(run.stderr.contains("timeFolding"), "{}", run.stderr);
    folder.write("n.yaml", pipeline.replace("path: mapped", "path: ."));
    let run = folder.optin(&["check", "n.yaml"]);
    assert!(run.stderr.contains("_delta_log"), "{}", run.stderr);
}
