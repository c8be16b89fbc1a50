//! A session of a server of Spark Connect: tables are kept in a folder that it sees, and what it says is
//! not passed on.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use spark_connect::{DataFrame, DataType, SparkError, SparkSession};

use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::sql::spark::{Job, Read, Rounds, Step, name, reading};

/// A session, and the folder in which it keeps tables.
pub struct Server {
    session: SparkSession,
    work: String,
    tables: usize,
    views: usize,
    guards: Vec<String>,
    /// The version of Spark that it says it is.
    pub version: String,
}

impl Server {
    /// Begins a session. `work` is a folder that the server sees under the same name.
    ///
    /// # Errors
    /// A server that cannot be reached, or that refuses a session.
    pub fn connect(remote: &str, work: &Path, job: &Job) -> Outcome<Self> {
        let guards = guards(job);
        let shown = without_parameters(remote);
        let what = format!("the server {shown} cannot be used");
        if !answers(shown) {
            return Err(Diagnostic::error(
                Code::ServerFailed,
                format!("{what}: nothing answers there"),
            )
            .help("see that it runs, and is reached from here; write `sc://host:port`")
            .into());
        }
        let begin = || {
            let session = SparkSession::builder().remote(remote).get_or_create()?;
            session.conf().set("spark.sql.session.timeZone", "UTC")?;
            session.conf().set("spark.sql.ansi.enabled", "true")?;
            let version = session.version()?;
            Ok((session, version))
        };
        let (session, version) = begin().map_err(|error| {
            failed(&guards, &what, &error)
                .help("see that it runs, speaks Spark Connect, and is reached from here")
        })?;
        let work = work.display().to_string();
        Ok(Self { session, work, tables: 0, views: 0, guards, version })
    }

    /// Ends the session. What cannot be ended ends by itself.
    pub fn stop(&self) {
        if self.session.stop().is_err() {
            tracing::debug!("the session was not ended");
        }
    }

    fn failed(&self, what: &str, error: &SparkError) -> Diagnostic {
        failed(&self.guards, &format!("{what} failed"), error)
    }

    /// The rows of a query, each a list of texts; null is an empty one.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn ask(&self, what: &str, query: &str) -> Outcome<Vec<Vec<String>>> {
        let rows = self.session.sql(query).and_then(|rows| rows.collect());
        let rows = rows.map_err(|error| self.failed(what, &error))?;
        let text = |value: &spark_connect::row::Value| {
            if value.is_null() { String::new() } else { value.to_string() }
        };
        Ok(rows.iter().map(|row| row.values().iter().map(text).collect()).collect())
    }

    /// A number that a query gives.
    ///
    /// # Errors
    /// As [`Self::ask`]; an answer that is no number.
    pub fn count(&self, what: &str, query: &str) -> Outcome<u64> {
        let rows = self.ask(what, query)?;
        let number = rows.first().and_then(|row| row.first()).and_then(|cell| cell.parse().ok());
        number.ok_or_else(|| {
            Diagnostic::error(Code::ServerFailed, format!("{what}: the server gave no number"))
                .into()
        })
    }

    /// Whether a query gives true.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn holds(&self, what: &str, query: &str) -> Outcome<bool> {
        let rows = self.session.sql(query).and_then(|rows| rows.collect());
        let rows = rows.map_err(|error| self.failed(what, &error))?;
        let first = rows.first().and_then(|row| row.get(0));
        Ok(first.and_then(spark_connect::row::Value::as_bool) == Some(true))
    }

    /// Gives rows a name, whatever is in it: servers differ in how they take names of views.
    fn view(&mut self, called: &str, rows: &DataFrame) -> Result<(), SparkError> {
        self.views += 1;
        let plain = format!("optin_{}", self.views);
        rows.create_or_replace_temp_view(&plain)?;
        let view =
            format!("CREATE OR REPLACE TEMPORARY VIEW {} AS SELECT * FROM {plain}", name(called));
        self.session.sql(&view)?.collect().map(|_| ())
    }

    /// Writes rows down as a table, and reads it with their schema: a server may write no file where
    /// there are no rows.
    fn keep(&mut self, called: &str, rows: &DataFrame) -> Result<(), SparkError> {
        self.tables += 1;
        let path = format!("{}/{:04}", self.work, self.tables);
        let schema = rows.schema()?.json();
        rows.write().mode("error").format("parquet").save(Some(&path))?;
        let kept = self.session.read().format("parquet").schema(schema).load(Some(&path));
        self.view(called, &kept)
    }

    fn files(&self, read: &Read) -> Option<DataFrame> {
        let (format, options, columns) = reading(&read.format);
        let one = |file: &String| {
            let mut reader = self.session.read().format(format);
            for (key, value) in &options {
                reader = reader.option(key, value);
            }
            let reader = match &columns {
                Some(columns) => reader.schema(columns.clone()),
                None => reader,
            };
            reader.load(Some(file))
        };
        let mut all = read.files.iter().map(one);
        let first = all.next()?;
        Some(all.fold(first, |rows, more| rows.union_by_name(&more)))
    }

    /// Files become a table. Text is written down: it is slow to read twice.
    fn read(&mut self, read: &Read) -> Result<(), SparkError> {
        let Some(rows) = self.files(read) else { return Ok(()) };
        match reading(&read.format).0 {
            "csv" | "json" => self.keep(&read.table, &rows),
            _ => self.view(&read.table, &rows),
        }
    }

    /// A query becomes a table.
    ///
    /// # Errors
    /// What the server refuses; a guard in the query.
    pub fn table(&mut self, table: &str, query: &str) -> Outcome<()> {
        tracing::debug!(table, "asked");
        let rows = self.session.sql(query);
        let kept = rows.and_then(|rows| self.keep(table, &rows));
        kept.map_err(|error| self.failed(&format!("the table `{table}`"), &error).into())
    }

    /// Plays a step that is not an output.
    ///
    /// # Errors
    /// What the server refuses; a guard.
    pub fn play(&mut self, step: &Step) -> Outcome<()> {
        match step {
            Step::Heading(text) => tracing::info!("{text}"),
            Step::Comment(_) | Step::Write(_) => {}
            Step::Read(read) => {
                let outcome = self.read(read);
                let what = format!("reading the files of `{}`", read.table);
                outcome.map_err(|error| self.failed(&what, &error))?;
            }
            Step::Table { table, query } => self.table(table, query)?,
            Step::Expect { any, otherwise } => {
                let mut holds = false;
                for query in any {
                    holds = holds || self.holds("a guard", query)?;
                }
                if !holds {
                    return Err(guarded(otherwise).into());
                }
            }
            Step::Rounds(Rounds { table, start, again, done }) => {
                self.table(table, start)?;
                while !self.holds(&format!("the table `{table}`"), done)? {
                    self.table(table, again)?;
                }
            }
        }
        Ok(())
    }

    /// The columns of a table.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn schema(&self, table: &str) -> Outcome<DataType> {
        let rows = self.session.sql(&format!("SELECT * FROM {}", name(table)));
        let schema = rows.and_then(|rows| rows.schema());
        schema.map_err(|error| self.failed(&format!("the table `{table}`"), &error).into())
    }

    /// Writes the rows of a table as files into a folder that is not there yet.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn write(
        &self,
        table: &str,
        format: &str,
        options: &[(&'static str, &'static str)],
        folder: &str,
    ) -> Outcome<()> {
        let written = self.session.sql(&format!("SELECT * FROM {}", name(table)));
        let written = written.and_then(|rows| {
            let mut writer = rows.write().mode("error").format(format);
            for (key, value) in options {
                writer = writer.option(key, value);
            }
            writer.save(Some(folder))
        });
        written.map_err(|error| self.failed(&format!("writing the table `{table}`"), &error).into())
    }

    /// Files of a folder as a view, with the columns of a schema.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn read_back(
        &mut self,
        view: &str,
        format: &str,
        options: &[(&'static str, &'static str)],
        schema: &DataType,
        folder: &str,
    ) -> Outcome<()> {
        let mut reader = self.session.read().format(format).schema(schema.json());
        for (key, value) in options {
            reader = reader.option(key, value);
        }
        let rows = reader.load(Some(folder));
        let seen = self.view(view, &rows);
        seen.map_err(|error| self.failed("reading back what was written", &error).into())
    }
}

/// Where a server is, without what follows: a token could stand there.
pub fn without_parameters(remote: &str) -> &str {
    remote.split("/;").next().unwrap_or_default()
}

/// True if somebody listens there. The client itself would try for minutes.
fn answers(remote: &str) -> bool {
    let Some(host) = remote.strip_prefix("sc://") else { return false };
    let host = host.trim_end_matches('/');
    // As the client: without a port it is this one.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port { host.to_owned() } else { format!("{host}:15002") };
    let Ok(addresses) = host.to_socket_addrs() else { return false };
    let wait = Duration::from_secs(10);
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, wait).is_ok())
}

/// A guard ended the job.
fn guarded(text: &str) -> Diagnostic {
    Diagnostic::error(Code::JobGuard, format!("the job ended: {text}")).help(
        "nothing was published; run this pipeline without `--engine spark`, or change the data",
    )
}

/// What a server says may quote cells, so it is told which guard of the job it names, or the class of
/// its error alone.
fn failed(guards: &[String], what: &str, error: &SparkError) -> Diagnostic {
    let said = [error.message.as_str(), &error.message()].concat();
    // The longest, should one begin like another.
    let guard = guards.iter().filter(|guard| said.contains(guard.as_str())).max_by_key(|g| g.len());
    if let Some(guard) = guard {
        return guarded(guard.trim_start_matches("optin: "));
    }
    let is_class = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    let class = error.get_condition().filter(|class| class.chars().all(is_class));
    let class =
        class.filter(|class| !class.is_empty()).unwrap_or_else(|| format!("{:?}", error.kind));
    Diagnostic::error(Code::ServerFailed, format!("{what}: {class}"))
        .help("nothing was published; the server's log says more, and may quote data")
}

/// The texts of all guards in the queries of a job.
fn guards(job: &Job) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut find = |query: &str| {
        for (at, _) in query.match_indices("'optin: ") {
            let rest = &query[at + 1..];
            let mut text = String::new();
            let mut chars = rest.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\'' => break,
                    '\\' => text.extend(chars.next()),
                    c => text.push(c),
                }
            }
            all.push(text);
        }
    };
    for step in &job.steps {
        match step {
            Step::Table { query, .. } => find(query),
            Step::Expect { any, .. } => {
                for query in any {
                    find(query);
                }
            }
            Step::Rounds(Rounds { start, again, done, .. }) => {
                for query in [start, again, done] {
                    find(query);
                }
            }
            Step::Write(write) => find(&write.query),
            Step::Heading(_) | Step::Comment(_) | Step::Read(_) => {}
        }
    }
    all.sort();
    all.dedup();
    all
}
