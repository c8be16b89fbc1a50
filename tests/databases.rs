//! Queries of `PostgreSQL` as sources, and its tables as copies of exports, on the server that `OPTIN_POSTGRES`
//! names (`tests/servers/with-postgres` starts one); without it those tests say that they skip it.

use postgres::{Client, NoTls};

use crate::support::{Folder, Run, command, root};

const PIPELINE: &str = "version: 1
name: shop
as_of: 2026-11-24T00:00:00Z
out: out/shop
sources:
  - { name: people, path: env:SHOP_DATABASE, query: \"SELECT * FROM SCHEMA.people;\" }
  - { name: consents, path: env:SHOP_DATABASE, query: \"SELECT mail, granted, decided FROM SCHEMA.consents WHERE kind = 'newsletter' -- no others\" }
keys: [{ field: email, normalize: email }]
customers:
  - { source: people, id: id, fields: { email: Mail, born: born, seen: seen, price: price, score: score, vip: vip, note: note } }
consent:
  purposes: [{ name: newsletter, via: email, model: opt_in }]
  tables:
    - { source: consents, match: { email: mail }, values: { newsletter: granted }, at: decided }
segments: [{ name: news, consent: newsletter, where: \"vip AND price > 10\" }]
exports:
  - { segment: news, path: out/news.csv, columns: [customer_id, email, born, seen, price, score, vip, note], guard_formulas: false, copy_to: { database: env:SHOP_DATABASE, table: SCHEMA.news } }
outputs: { profiles: out/profiles.csv }
";

const TABLES: &str = "CREATE TABLE SCHEMA.people (id integer, \"Mail\" varchar(80), born date, seen timestamptz, price numeric(10, 2), score double precision, vip boolean, note text);
INSERT INTO SCHEMA.people VALUES
  (1, 'ann@example.com', '1980-02-29', '2026-11-01 10:05:07.25+01', 12.50, 0.1, true, E'=1+1 \"quoted\"\\nand, more\\r\\n'),
  (2, 'Bob@Example.com', NULL, NULL, 99.99, 1e-7, true, ''),
  (3, 'cid@example.com', '2000-01-01', '2026-01-01', 99, 5, false, NULL),
  (4, 'dan@example.com', '2000-01-01', '2026-01-01', 99, 5, true, '\\.');
CREATE TABLE SCHEMA.consents (mail text, kind text, granted boolean, decided timestamptz);
INSERT INTO SCHEMA.consents VALUES
  ('ann@example.com', 'newsletter', true, '2026-01-01'), ('bob@example.com', 'newsletter', true, '2026-01-01'),
  ('cid@example.com', 'newsletter', true, '2026-01-01'), ('dan@example.com', 'newsletter', true, '2026-01-01'),
  ('dan@example.com', 'newsletter', false, '2026-02-01'), ('ann@example.com', 'product', false, '2026-03-01');";

/// The server, and a schema of its own for a test.
struct Server {
    address: String,
    client: Client,
    schema: &'static str,
}

impl Server {
    /// None, and a line that says so, where there is none.
    fn new(schema: &'static str) -> Option<Self> {
        let Ok(address) = std::env::var("OPTIN_POSTGRES") else {
            eprintln!("skipped {schema}: no PostgreSQL (OPTIN_POSTGRES names one)");
            return None;
        };
        let address = format!("{address}?sslmode=disable");
        let mut client = Client::connect(&address, NoTls).expect("the server answers");
        client
            .batch_execute(&format!(
                "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
            ))
            .expect("a schema");
        Some(Self { address, client, schema })
    }

    fn does(&mut self, query: &str) {
        self.client.batch_execute(&query.replace("SCHEMA", self.schema)).expect(query);
    }

    /// The rows of a query as texts.
    fn rows(&mut self, query: &str) -> Vec<String> {
        let query = query.replace("SCHEMA", self.schema);
        let rows = self.client.simple_query(&query).expect("rows");
        let text = |row: &postgres::SimpleQueryRow| {
            let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("null").to_owned());
            cells.collect::<Vec<_>>().join("|")
        };
        rows.iter()
            .filter_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => Some(text(row)),
                _ => None,
            })
            .collect()
    }

    fn shop(&mut self) -> Folder {
        self.does(TABLES);
        Folder::with(&[("p.yaml", &PIPELINE.replace("SCHEMA", self.schema))])
    }

    fn optin(&self, folder: &Folder, args: &[&str]) -> Run {
        ask(folder, args, &[("SHOP_DATABASE", &self.address)])
    }

    /// Somebody else, in a transaction.
    fn somebody(&self, does: &str) -> Client {
        let mut client = Client::connect(&self.address, NoTls).expect("the server answers");
        let query = format!("BEGIN; {}", does.replace("SCHEMA", self.schema));
        client.batch_execute(&query).expect(does);
        client
    }

    /// Waits until a statement that begins so waits for somebody else.
    fn waits(&mut self, statement: &str, is_over: impl Fn() -> bool) {
        let begin = statement.replace("SCHEMA", &format!("\"{}\"", self.schema));
        let query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND starts_with(query, $1)";
        while self.client.query_one(query, &[&begin]).expect("a row").get::<_, i64>(0) == 0 {
            assert!(!is_over(), "it never waited: {begin}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// The pipeline with one more export, into a table.
fn with_copy(columns: &str, variable: &str, table: &str) -> String {
    let more = format!(
        "  - {{ segment: news, path: out/more.csv, columns: [{columns}], guard_formulas: false, copy_to: {{ database: env:{variable}, table: {table} }} }}
outputs:"
    );
    PIPELINE.replace("outputs:", &more)
}

/// Columns of a table for [`PIPELINE`].
const COLUMNS: &str = "customer_id text, email text, born date, seen timestamptz, price numeric, score float8, vip boolean, note text";

fn ask(folder: &Folder, args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = command(folder.path());
    command.args(args).env_remove("SHOP_DATABASE");
    for (name, value) in variables {
        command.env(name, value);
    }
    let output = command.output().expect("the program starts");
    Run {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn no_rows_are_left() -> bool {
    let of_tests = std::fs::read_dir(std::env::temp_dir()).expect("a folder");
    !of_tests.flatten().any(|entry| {
        let is_ours = entry.file_name().to_string_lossy().starts_with("optin-rows-");
        is_ours
            && entry.metadata().is_ok_and(|found| {
                found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 600))
            })
    })
}

#[test]
fn where_a_database_is_stands_in_a_variable() {
    let folder = Folder::new();
    let told = |pipeline: &str, variables: &[(&str, &str)]| {
        folder.write("p.yaml", pipeline.replace("SCHEMA", "public"));
        let run = ask(&folder, &["check", "p.yaml"], variables);
        assert_ne!(run.code, 0, "{}", run.stdout);
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
        run.stderr
    };
    for (from, to, wanted) in [
        (
            "env:SHOP_DATABASE, query",
            "postgresql://u:x@h/d, query",
            "stands in a variable of the environment",
        ),
        (", query: \"SELECT * FROM SCHEMA.people;\"", "", "a database needs a `query`"),
        ("env:SHOP_DATABASE, query", "env:SHOP-DATABASE, query", "no variable of the environment"),
        (
            "env:SHOP_DATABASE, query",
            "env:SHOP_DATABASE, delimiter: \";\", query",
            "goes with files only",
        ),
        ("table: SCHEMA.news", "table: a.b.c", "no name of a table"),
        ("guard_formulas: false, ", "", "says whether formulas are guarded"),
        ("out/news.csv", "out/news.parquet", "a table is a copy of a CSV file"),
    ] {
        let said = told(&PIPELINE.replace(from, to), &[]);
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let said = told(PIPELINE, &[]);
    assert!(said.starts_with("error[missing-variable]"), "{said}");
    assert!(said.contains("p.yaml:6:27"), "{said}");
    let said = told(PIPELINE, &[("SHOP_DATABASE", "user:secret@host")]);
    assert!(said.starts_with("error[missing-variable]"), "{said}");
    let nowhere = "postgresql://u:secret@127.0.0.1:1/d";
    let said = told(PIPELINE, &[("SHOP_DATABASE", nowhere)]);
    assert!(said.starts_with("error[database-failed]"), "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
}

#[test]
fn below_a_root_no_database_is_asked() {
    let folder = Folder::with(&[("p.yaml", &PIPELINE.replace("SCHEMA", "public"))]);
    let variables = [("SHOP_DATABASE", "postgresql://u:secret@127.0.0.1:1/d")];
    let run = ask(&folder, &["run", "p.yaml", "--root", "."], &variables);
    assert_eq!(run.code, 2, "{}", run.stderr);
    // Two sources and a table; no connection was tried.
    assert_eq!(run.stderr.matches("error[outside-root]").count(), 3, "{}", run.stderr);
    assert!(!run.stderr.contains("database-failed"), "{}", run.stderr);
}

#[test]
fn rows_come_from_a_database_and_go_into_a_table() {
    let Some(mut server) = Server::new("optin_both") else { return };
    let folder = server.shop();
    let check = server.optin(&folder, &["check", "p.yaml"]).done();
    assert!(check.stdout.contains("2 sources"), "{}", check.stdout);
    assert!(server.rows("SELECT to_regclass('SCHEMA.news')::text")[0] == "null");
    server.optin(&folder, &["run", "p.yaml", "--quiet"]).done();
    let rows = server.rows("SELECT email, born, seen AT TIME ZONE 'UTC', price, score, vip, encode(note::bytea, 'hex') FROM SCHEMA.news ORDER BY email COLLATE \"C\"");
    let note = "=1+1 \"quoted\"\nand, more\r\n";
    let hex = optin::plan::hex(note.as_bytes());
    assert_eq!(
        rows,
        [
            "Bob@Example.com|null|null|99.99|1e-07|t|null".to_owned(),
            format!("ann@example.com|1980-02-29|2026-11-01 09:05:07.25|12.50|0.1|t|{hex}"),
        ]
    );
    assert_eq!(
        server.rows("SELECT string_agg(data_type, ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = 'SCHEMA' AND table_name = 'news'"),
        ["text, text, date, timestamp with time zone, numeric, double precision, boolean, text"]
    );
    // Where rows came from is named by its variable, in the record and by who asks.
    let record = folder.json("out/shop/run.json");
    assert_eq!(record["sources"][0]["files"][0]["path"], "env:SHOP_DATABASE", "{record}");
    assert_eq!(record["sources"][0]["rows"], 4);
    assert_eq!(record["exports"][0]["copied"]["table"], "optin_both.news");
    let text = folder.read("out/shop/run.json");
    assert!(!text.contains("postgresql://") && !text.contains("optin-rows-"), "{text}");
    let verify = server.optin(&folder, &["verify", "out/shop/run.json"]).done();
    assert!(verify.stdout.contains("elsewhere, not asked again"), "{}", verify.stdout);
    let why = server.optin(&folder, &["why", "p.yaml", "--customer", "email=dan@example.com"]);
    assert!(why.stdout.contains("denied"), "{}{}", why.stdout, why.stderr);
    assert!(no_rows_are_left());
}

#[test]
fn the_example_runs() {
    let Some(mut server) = Server::new("optin_example") else { return };
    server.does("DROP DATABASE IF EXISTS optin_example");
    server.does("CREATE DATABASE optin_example");
    let shop = server.address.replace("/postgres?", "/optin_example?");
    let folder = Folder::new();
    for name in ["postgresql.yaml", "postgresql.sql"] {
        let text = std::fs::read(root().join("pipelines/external").join(name));
        folder.write(&format!("pipelines/external/{name}"), text.expect("a file"));
    }
    let mut client = Client::connect(&shop, NoTls).expect("the server answers");
    client.batch_execute(&folder.read("pipelines/external/postgresql.sql")).expect("it is filled");
    let variables = [("SHOP_DATABASE", shop.as_str()), ("MARKETING_DATABASE", shop.as_str())];
    let run = ["run", "pipelines/external/postgresql.yaml", "--quiet"];
    ask(&folder, &run, &variables).done();
    let rows =
        client.query("SELECT email, revenue::text FROM newsletter_de", &[]).expect("a table");
    let rows: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [("Ann@Example.com".to_owned(), "120.50".to_owned())]);
}

#[test]
fn a_table_keeps_what_it_has_beside_its_rows() {
    let Some(mut server) = Server::new("optin_kept") else { return };
    let folder = server.shop();
    server.does("CREATE TABLE SCHEMA.news (note text, email varchar(80) PRIMARY KEY, customer_id text, born date, seen timestamptz, price numeric, score float8, vip boolean DEFAULT false);
        INSERT INTO SCHEMA.news (email) VALUES ('old@example.com');
        CREATE INDEX by_born ON SCHEMA.news (born, email) WHERE vip; CREATE INDEX by_born_too ON SCHEMA.news (born);
        DO $$ BEGIN CREATE ROLE optin_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        DO $$ BEGIN CREATE ROLE optin_other; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        GRANT SELECT ON SCHEMA.news TO optin_reader; GRANT SELECT (email) ON SCHEMA.news TO optin_other;
        ALTER DEFAULT PRIVILEGES in schema SCHEMA GRANT SELECT, DELETE ON TABLES TO optin_other, optin_reader");
    server.optin(&folder, &["run", "p.yaml", "--quiet"]).done();
    assert_eq!(
        server.rows("SELECT email FROM SCHEMA.news ORDER BY email COLLATE \"C\""),
        ["Bob@Example.com", "ann@example.com"]
    );
    assert_eq!(
        server.rows("SELECT has_table_privilege('optin_reader', 'SCHEMA.news', 'SELECT')"),
        ["t"]
    );
    // Nobody may more than before, whatever new tables are given to by default.
    assert_eq!(
        server.rows("SELECT has_table_privilege('optin_other', 'SCHEMA.news', 'SELECT'), has_table_privilege('optin_reader', 'SCHEMA.news', 'DELETE'), has_column_privilege('optin_other', 'SCHEMA.news', 'email', 'SELECT')"),
        ["f|f|t"]
    );
    assert_eq!(server.rows("SELECT count(*) FROM pg_index WHERE indrelid = 'SCHEMA.news'::regclass AND indisprimary"), ["1"]);
    assert_eq!(
        server.rows("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE i.indrelid = 'SCHEMA.news'::regclass"),
        ["by_born by_born_too news_pkey"]
    );
    let left = server.rows("SELECT relname FROM pg_class WHERE relname LIKE 'optin\\_new%'");
    assert!(left.is_empty(), "{left:?}");
    // A run that is led elsewhere leaves it alone, and says so.
    server.does("DELETE FROM SCHEMA.news");
    let run = server.optin(&folder, &["run", "p.yaml", "--out", "trial", "--json"]).done();
    assert!(run.stdout.contains("not-copied"), "{}", run.stdout);
    assert!(server.rows("SELECT * FROM SCHEMA.news").is_empty());
}

#[test]
fn what_cannot_be_exchanged_stays_and_nothing_is_published() {
    let Some(mut server) = Server::new("optin_stays") else { return };
    let folder = server.shop();
    for (table, wanted) in [
        ("CREATE TABLE SCHEMA.news (email text)", "error[schema-mismatch]"),
        ("CREATE VIEW SCHEMA.news AS SELECT 'old@example.com' AS email", "cannot be exchanged"),
        (
            "CREATE TABLE SCHEMA.news (customer_id text, email text, born date, seen timestamptz, price numeric, score float8, vip boolean, note text NOT NULL)",
            "23502",
        ),
        (
            "CREATE TABLE SCHEMA.news (customer_id text, email text, born date, seen timestamptz, price numeric, score float8, vip boolean, note text); CREATE VIEW SCHEMA.seen AS SELECT * FROM SCHEMA.news",
            "2BP01",
        ),
        (
            "CREATE TABLE SCHEMA.news (customer_id text, email text, born date, seen timestamptz, price int, score float8, vip boolean, note text)",
            "22P02",
        ),
        (
            "CREATE TABLE SCHEMA.news (customer_id text, email varchar(14), born date, seen timestamptz, price numeric, score float8, vip boolean, note text)",
            "does not hold the values of `email`",
        ),
        (
            "CREATE TABLE SCHEMA.news (customer_id text, email text, born date, seen timestamptz, price numeric(10, 1), score float8, vip boolean, note text)",
            "does not hold the values of `price`",
        ),
        (
            "CREATE TABLE SCHEMA.news (customer_id text, email text, born date, seen date, price numeric, score float8, vip boolean, note text)",
            "does not hold the values of `seen`",
        ),
        (
            "CREATE TABLE SCHEMA.news (customer_id text, email text, born date, seen timestamptz, price float8, score float8, vip boolean, note text)",
            "does not hold the values of `price`",
        ),
        (
            "CREATE TABLE SCHEMA.heir (); CREATE TABLE SCHEMA.news (customer_id text, email text, born date, seen timestamptz, price numeric, score float8, vip boolean, note text); ALTER TABLE SCHEMA.news INHERIT SCHEMA.heir",
            "cannot be exchanged",
        ),
    ] {
        server.does("DROP VIEW IF EXISTS SCHEMA.seen");
        server.does("DO $$ BEGIN DROP TABLE IF EXISTS SCHEMA.news; EXCEPTION WHEN wrong_object_type THEN DROP VIEW SCHEMA.news; END $$");
        server.does("DROP TABLE IF EXISTS SCHEMA.heir");
        server.does(table);
        let run = server.optin(&folder, &["run", "p.yaml", "--quiet"]);
        assert_eq!(run.code, 1, "{table}: {}", run.stderr);
        assert!(run.stderr.contains(wanted), "{table}: {}", run.stderr);
        assert!(
            !run.stderr.contains("example.com") && !run.stderr.contains("12.50"),
            "{}",
            run.stderr
        );
        assert!(
            !folder.at("out").exists() || folder.files().iter().all(|file| !file.contains("news")),
            "{table}"
        );
    }
}

#[test]
fn a_table_that_was_not_looked_at_is_not_dropped() {
    let Some(mut server) = Server::new("optin_unseen") else { return };
    let folder = server.shop();
    let pipeline = with_copy("customer_id", "SHOP_DATABASE", "SCHEMA.other");
    folder.write("p.yaml", pipeline.replace("SCHEMA", server.schema));
    server.does("CREATE TABLE SCHEMA.other (customer_id text)");
    let address = server.address.clone();
    let run = || ask(&folder, &["run", "p.yaml", "--quiet"], &[("SHOP_DATABASE", &address)]);
    let mut holder = server.somebody("LOCK TABLE SCHEMA.other IN SHARE UPDATE EXCLUSIVE MODE");
    let stopped = std::thread::scope(|scope| {
        let running = scope.spawn(run);
        // It has seen that there is no table `news`, and waits for `other`.
        let statement = "LOCK TABLE SCHEMA.\"other\" IN SHARE UPDATE";
        server.waits(statement, || running.is_finished());
        server.does("CREATE TABLE SCHEMA.news AS SELECT 'mine' AS note");
        holder.batch_execute("COMMIT").expect("it ends");
        running.join().expect("it ends")
    });
    assert_eq!(stopped.code, 1, "{}", stopped.stderr);
    let told = "somebody else made or changed optin_unseen.news of SHOP_DATABASE";
    assert!(stopped.stderr.contains(told), "{}", stopped.stderr);
    assert_eq!(server.rows("SELECT note FROM SCHEMA.news"), ["mine"]);
    assert_eq!(server.rows("SELECT count(*) FROM SCHEMA.other"), ["0"]);
    assert!(!folder.at("out/news.csv").exists() && !folder.at("out/shop/run.json").exists());
    // Nothing is left of what was made.
    assert_eq!(
        server.rows("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'SCHEMA'::regnamespace AND relkind = 'r'"),
        ["consents news other people"]
    );
    server.does("DROP TABLE SCHEMA.news");
    run().done();
    assert_eq!(server.rows("SELECT count(*) FROM SCHEMA.news"), ["2"]);
}

#[test]
fn runs_at_once_do_not_stop_each_other() {
    let Some(mut server) = Server::new("optin_at_once") else { return };
    let [one, two, apart] = [server.shop(), Folder::new(), Folder::new()];
    let pipeline = one.read("p.yaml");
    two.write("p.yaml", &pipeline);
    apart.write("p.yaml", pipeline.replace("optin_at_once.news", "optin_at_once.apart"));
    let address = server.address.clone();
    let run = |folder: &Folder| {
        ask(folder, &["run", "p.yaml", "--quiet"], &[("SHOP_DATABASE", &address)])
    };
    run(&one).done();
    let mut reader = server.somebody("SELECT * FROM SCHEMA.news");
    let both = std::thread::scope(|scope| {
        let first = scope.spawn(|| run(&one));
        server.waits("LOCK TABLE SCHEMA.\"news\" IN ACCESS", || first.is_finished());
        let second = scope.spawn(|| run(&two));
        server.waits("LOCK TABLE SCHEMA.\"news\" IN SHARE", || second.is_finished());
        // Another table of the same schema waits for nobody.
        run(&apart).done();
        reader.batch_execute("COMMIT").expect("it ends");
        [first.join().expect("it ends"), second.join().expect("it ends")]
    });
    for run in both {
        run.done();
    }
    assert_eq!(server.rows("SELECT count(*) FROM SCHEMA.news"), ["2"]);
    assert_eq!(server.rows("SELECT count(*) FROM SCHEMA.apart"), ["2"]);
}

#[test]
fn two_variables_may_name_one_database() {
    let Some(mut server) = Server::new("optin_one") else { return };
    let folder = server.shop();
    let address = server.address.clone();
    let variables = ["SHOP_DATABASE", "OTHER_DATABASE"].map(|name| (name, address.as_str()));
    let run = |table: &str| {
        let pipeline = with_copy("customer_id", "OTHER_DATABASE", table);
        folder.write("p.yaml", pipeline.replace("SCHEMA", "optin_one"));
        ask(&folder, &["run", "p.yaml", "--quiet"], &variables)
    };
    let refused = run("SCHEMA.news");
    assert_ne!(refused.code, 0);
    let told = "two exports would be the table optin_one.news of SHOP_DATABASE";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    run("SCHEMA.more").done();
    run("SCHEMA.more").done();
    let query = "SELECT count(*) FROM SCHEMA.news JOIN SCHEMA.more USING (customer_id)";
    assert_eq!(server.rows(query), ["2"]);
}

#[test]
fn where_one_database_refuses_none_is_changed() {
    let Some(mut server) = Server::new("optin_none") else { return };
    server.does("DROP DATABASE IF EXISTS optin_none");
    server.does("CREATE DATABASE optin_none");
    let second = server.address.replace("/postgres?", "/optin_none?");
    let folder = server.shop();
    // Databases come in the order of their variables.
    let pipeline = with_copy("customer_id, vip", "WAREHOUSE_DATABASE", "more");
    folder.write("p.yaml", pipeline.replace("SCHEMA", server.schema));
    server.does(&format!(
        "CREATE TABLE SCHEMA.news ({COLUMNS}); INSERT INTO SCHEMA.news (email) VALUES ('old@example.com')"
    ));
    let first = server.address.clone();
    let variables = [("SHOP_DATABASE", first.as_str()), ("WAREHOUSE_DATABASE", second.as_str())];
    let run = || ask(&folder, &["run", "p.yaml", "--quiet"], &variables);
    let mut warehouse = Client::connect(&second, NoTls).expect("the server answers");
    for (table, wanted) in [
        // Refused when the table is made, and when the tables change places.
        ("(customer_id text, vip boolean UNIQUE)", "23505"),
        ("(customer_id text, vip boolean); CREATE VIEW seen AS SELECT * FROM more", "2BP01"),
    ] {
        let made = format!("DROP TABLE IF EXISTS more CASCADE; CREATE TABLE more {table}");
        warehouse.batch_execute(&made).expect(table);
        let refused = run();
        assert_eq!(refused.code, 1, "{table}: {}", refused.stderr);
        for said in [wanted, "the database of WAREHOUSE_DATABASE", "nothing was published"] {
            assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
        }
        assert!(!refused.stderr.contains("subquery"), "{}", refused.stderr);
        assert_eq!(server.rows("SELECT email FROM SCHEMA.news"), ["old@example.com"]);
        assert!(!folder.at("out/news.csv").exists());
    }
    warehouse.batch_execute("DROP TABLE more CASCADE").expect("it goes");
    run().done();
    let more = warehouse.query_one("SELECT count(*) FROM more", &[]).expect("a row");
    assert_eq!(more.get::<_, i64>(0), 2);
    assert_eq!(server.rows("SELECT count(*) FROM SCHEMA.news WHERE email LIKE 'old%'"), ["0"]);
}

#[test]
fn a_table_takes_any_cell_and_names_that_it_can_hold() {
    let Some(mut server) = Server::new("optin_cells") else { return };
    let folder = server.shop();
    // Alone in its line this ends the data of a `COPY`.
    server.does("UPDATE SCHEMA.people SET note = '\\.' WHERE id = 1");
    let columns = "customer_id, email, born, seen, price, score, vip, note], guard";
    let pipeline = PIPELINE.replace(columns, "note], guard").replace("SCHEMA", server.schema);
    folder.write("p.yaml", pipeline);
    for _ in 0..2 {
        server.optin(&folder, &["run", "p.yaml", "--quiet"]).done();
        let rows = server.rows("SELECT note FROM SCHEMA.news ORDER BY note NULLS LAST");
        assert_eq!(rows, ["\\.", "null"]);
    }
    server.does("DROP TABLE SCHEMA.news");
    let named = |bytes: usize| {
        let name = "n".repeat(bytes);
        let pipeline = PIPELINE
            .replace("note: note }", &format!("{name}: note }}"))
            .replace("vip, note]", &format!("vip, {name}]"));
        folder.write("p.yaml", pipeline.replace("SCHEMA", "optin_cells"));
    };
    named(63);
    for _ in 0..2 {
        server.optin(&folder, &["run", "p.yaml", "--quiet"]).done();
    }
    named(64);
    let refused = server.optin(&folder, &["check", "p.yaml"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("no name of a column of a table"), "{}", refused.stderr);
    assert!(refused.stderr.contains("p.yaml:17:"), "{}", refused.stderr);
}

#[test]
fn two_exports_are_not_one_table() {
    let Some(mut server) = Server::new("optin_twice") else { return };
    let folder = server.shop();
    let again = "  - { segment: news, path: out/again.csv, columns: [customer_id], guard_formulas: false, copy_to: { database: env:SHOP_DATABASE, table: SCHEMA.news } }
outputs:";
    folder.write("p.yaml", PIPELINE.replace("outputs:", again).replace("SCHEMA", server.schema));
    let run = server.optin(&folder, &["run", "p.yaml", "--quiet"]);
    assert!(
        run.stderr.contains("two exports would be the table optin_twice.news"),
        "{}",
        run.stderr
    );
    assert_eq!(server.rows("SELECT to_regclass('SCHEMA.news')::text"), ["null"]);
    assert!(!folder.at("out/news.csv").exists());
}

#[test]
fn who_may_not_come_in_is_told_without_names() {
    let Some(mut server) = Server::new("optin_wrong") else { return };
    let folder = server.shop();
    for (from, to) in [
        ("optin:", "optin:x"),
        ("/postgres?", "/nowhere?"),
        ("sslmode=disable", "sslmode=verify-full"),
    ] {
        let address = server.address.replace(from, to);
        let run = ask(&folder, &["check", "p.yaml"], &[("SHOP_DATABASE", &address)]);
        assert_ne!(run.code, 0);
        let is_known = run.stderr.contains("does not let this user in (28P01)")
            || run.stderr.contains("does not let this user in (3D000)")
            || run.stderr.contains("an option that is not known here");
        assert!(is_known, "{to}: {}", run.stderr);
        assert!(
            !run.stderr.contains("nowhere") && !run.stderr.contains("127.0.0.1"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_query_that_is_refused_is_told_and_a_row_is_not() {
    let Some(mut server) = Server::new("optin_refused") else { return };
    let folder = server.shop();
    let pipeline = PIPELINE.replace("SCHEMA", server.schema);
    let query = "SELECT * FROM optin_refused.people;";
    for (to, wanted, place) in [
        ("SELECT * FROM optin_refused.nobody", "does not exist (42P01)", true),
        ("SELEKT 1", "syntax error", true),
        ("SELECT *, 1 AS id FROM optin_refused.people", "ambiguous (42702)", true),
        (
            "SELECT id, \\\"Mail\\\"::int AS \\\"Mail\\\", born, seen, price, score, vip, note FROM optin_refused.people",
            "22P02",
            true,
        ),
        (
            "SELECT id, \\\"Mail\\\", 'infinity'::date AS born, seen, price, score, vip, note FROM optin_refused.people",
            "the query of people",
            false,
        ),
        ("DELETE FROM optin_refused.people RETURNING *", "error[database-failed]", true),
    ] {
        folder.write("p.yaml", pipeline.replace(query, to));
        let run = server.optin(&folder, &["run", "p.yaml", "--quiet"]);
        assert_ne!(run.code, 0, "{to}");
        assert!(run.stderr.contains(wanted), "{to}: {}", run.stderr);
        assert_eq!(run.stderr.contains("p.yaml:6:"), place, "{to}: {}", run.stderr);
        assert!(
            !run.stderr.contains("ann@") && !run.stderr.contains("optin-rows-"),
            "{}",
            run.stderr
        );
        assert!(!folder.at("out/news.csv").exists());
    }
    assert_eq!(server.rows("SELECT count(*) FROM SCHEMA.people"), ["4"]);
}

#[test]
fn a_certificate_is_held_against_those_that_are_trusted() {
    let Some(mut server) = Server::new("optin_tls") else { return };
    let folder = server.shop();
    let (Ok(address), Ok(signed)) =
        (std::env::var("OPTIN_POSTGRES"), std::env::var("OPTIN_POSTGRES_CA"))
    else {
        panic!("with-postgres gives both")
    };
    let required = format!("{address}?sslmode=require");
    let run = ask(&folder, &["check", "p.yaml"], &[("SHOP_DATABASE", &required)]);
    assert!(
        run.stderr.contains("certificate of the database of SHOP_DATABASE is not trusted"),
        "{}",
        run.stderr
    );
    let trusted = [("SHOP_DATABASE", required.as_str()), ("SSL_CERT_FILE", signed.as_str())];
    ask(&folder, &["run", "p.yaml", "--quiet"], &trusted).done();
    assert_eq!(server.rows("SELECT count(*) FROM SCHEMA.news"), ["2"]);
}

#[test]
fn two_sources_of_a_database_are_seen_at_one_moment() {
    let Some(mut server) = Server::new("optin_moment") else { return };
    let folder = server.shop();
    // Reading people takes a while, in which Ann denies, and her consent is taken back.
    folder.write(
        "p.yaml",
        PIPELINE
            .replace(
                "SELECT * FROM SCHEMA.people;",
                "SELECT p.* FROM SCHEMA.people p, (SELECT pg_sleep(3)) s",
            )
            .replace("SCHEMA", server.schema),
    );
    let run = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            ask(&folder, &["run", "p.yaml", "--quiet"], &[("SHOP_DATABASE", &server.address)])
        });
        let mut other = Client::connect(&server.address, NoTls).expect("the server answers");
        let query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%pg_sleep%' AND pid <> pg_backend_pid()";
        while other.query_one(query, &[]).expect("a row").get::<_, i64>(0) == 0 {
            assert!(!running.is_finished(), "it was never seen");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        other.batch_execute("INSERT INTO optin_moment.consents VALUES ('ann@example.com', 'newsletter', false, '2026-05-01')").expect("a row");
        running.join().expect("it ends")
    });
    run.done();
    // As it was when the first query was asked.
    assert!(folder.read("out/news.csv").contains("ann@example.com"));
    server.optin(&folder, &["run", "p.yaml", "--quiet"]).done();
    assert!(!folder.read("out/news.csv").contains("ann@example.com"));
}
