//! Queries of `PostgreSQL` as sources: each is asked what columns it has, and then written down as a file
//! that is read as any other.
//!
//! Where a database is stands in a variable of the environment, never in a pipeline file, and is never said.
//! All queries of one database are asked in one read-only transaction, so that they see it at one moment.
//! The server writes every value as text (`COPY ... TO STDOUT`); nothing of a row is worked on here.

pub mod staging;
pub mod table;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postgres::config::SslMode;
use postgres::error::{DbError, SqlState};
use postgres::types::Type as Stored;
use postgres::{Client, Config, Error, IsolationLevel, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::diagnostics::{Code, Diagnostic, Outcome, Span};
use crate::plan::catalog::{Column, ColumnType};
use crate::plan::{Database, Type};

/// How long a server may take to answer at all, unless its address says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// How values are written: the same whatever the server's own settings are.
const SESSION: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; \
     SET extra_float_digits = 1; SET bytea_output = 'hex'; SET client_encoding = 'UTF8'";

/// The queries of a pipeline.
#[derive(Default)]
pub struct Queries {
    asked: Vec<Asked>,
    clients: Mutex<BTreeMap<String, Client>>,
}

/// A query that was asked what columns it has.
#[derive(Debug)]
struct Asked {
    source: String,
    database: Database,
    span: Span,
    columns: Vec<String>,
    file: PathBuf,
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queries").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Queries {
    /// Asks a query what columns it has; gives them. `file` is where its rows will stand: a header as yet.
    ///
    /// # Errors
    /// A variable that is not set, a server that cannot be reached or refuses the query.
    pub fn describe(
        &mut self,
        source: &str,
        database: &Database,
        span: Span,
        file: PathBuf,
    ) -> Result<Vec<Column>, Diagnostic> {
        let columns = self.with_client(database, span, |client| {
            let statement = client.prepare(&format!("SELECT * FROM (\n{}\n) q", database.query))?;
            let columns = statement.columns().iter();
            Ok(columns
                .map(|column| Column {
                    name: column.name().to_owned(),
                    ty: type_of(column.type_(), column.type_modifier()),
                })
                .collect::<Vec<_>>())
        })?;
        let asked = Asked {
            source: source.to_owned(),
            database: database.clone(),
            span,
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            file,
        };
        let header: Vec<String> = asked.columns.iter().map(|name| quoted(name)).collect();
        new_file(&asked.file)
            .and_then(|mut made| writeln!(made, "{}", header.join(",")))
            .map_err(|error| Diagnostic::unwritable(&asked.file, &error))?;
        self.asked.push(asked);
        Ok(columns)
    }

    /// Writes down the rows of all queries that were asked, as they are now.
    ///
    /// # Errors
    /// A server that fails or refuses; a file that cannot be written.
    pub fn fetch(&self) -> Outcome<()> {
        let mut by_database: BTreeMap<&str, Vec<&Asked>> = BTreeMap::new();
        for asked in &self.asked {
            by_database.entry(&asked.database.variable).or_default().push(asked);
        }
        for queries in by_database.values() {
            let Some(first) = queries.first() else { continue };
            self.with_client(&first.database, first.span, |client| copy(client, queries))??;
        }
        Ok(())
    }

    fn with_client<T>(
        &self,
        database: &Database,
        span: Span,
        ask: impl FnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, Diagnostic> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.remove(&database.variable) {
            Some(client) => client,
            None => connect(&database.variable, span)?,
        };
        let client = clients.entry(database.variable.clone()).or_insert(client);
        ask(client).map_err(|error| told(&database.variable, span, &error))
    }
}

/// Asks all queries of a database in one transaction. The inner error is of this machine.
fn copy(client: &mut Client, queries: &[&Asked]) -> Result<Result<(), Diagnostic>, Error> {
    let mut moment = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()?;
    for asked in queries {
        tracing::info!(source = asked.source, "asked of the database");
        let cells: Vec<String> = asked
            .columns
            .iter()
            .map(|name| format!("CAST({0} AS text) AS {0}", quoted(name)))
            .collect();
        let query = format!(
            "COPY (SELECT {} FROM (\n{}\n) q) TO STDOUT (FORMAT csv, HEADER true)",
            cells.join(", "),
            asked.database.query
        );
        let mut rows = moment.copy_out(&query)?;
        let written = new_file(&asked.file).and_then(|file| {
            let mut file = BufWriter::with_capacity(1 << 20, file);
            io::copy(&mut rows, &mut file)?;
            file.flush()
        });
        drop(rows);
        match written {
            Ok(()) => {}
            // What the server says comes through the reader.
            Err(error) => match error.downcast::<Error>() {
                Ok(error) => return Err(error),
                Err(error) => return Ok(Err(Diagnostic::unwritable(&asked.file, &error))),
            },
        }
    }
    moment.commit()?;
    Ok(Ok(()))
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// A name in double quotes, in SQL and in CSV alike.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a column's values are read as, unless the pipeline file says otherwise.
fn type_of(stored: &Stored, modifier: i32) -> ColumnType {
    let parsed = |ty| ColumnType::Parsed { ty, format: None };
    match *stored {
        Stored::BOOL => parsed(Type::Bool),
        Stored::INT2 | Stored::INT4 | Stored::INT8 | Stored::OID => parsed(Type::Int),
        Stored::FLOAT4 | Stored::FLOAT8 => parsed(Type::Float),
        Stored::DATE => parsed(Type::Date),
        Stored::TIMESTAMP | Stored::TIMESTAMPTZ => parsed(Type::Datetime),
        // The modifier of numeric(p, s): p << 16 | s, and four bytes of a head (numeric.c).
        Stored::NUMERIC => match u8::try_from((modifier - 4) & 0x7ff) {
            Ok(scale @ 0..=18) if modifier >= 4 => parsed(Type::Decimal(scale)),
            _ => parsed(Type::Text),
        },
        Stored::BYTEA => ColumnType::Unusable("bytea".to_owned()),
        _ => parsed(Type::Text),
    }
}

fn connect(variable: &str, span: Span) -> Result<Client, Diagnostic> {
    let address = std::env::var(variable).map_err(|_| {
        Diagnostic::error(Code::MissingVariable, format!("the variable {variable} is not set"))
            .at(span, "where the database is")
            .help(format!("export {variable}=postgresql://USER:PASSWORD@HOST/DATABASE"))
    })?;
    if address.contains("sslmode=verify") || address.contains("sslrootcert=") {
        return Err(Diagnostic::error(
            Code::MissingVariable,
            format!("the address in {variable} has an option that is not known here"),
        )
        .at(span, "where the database is")
        .help("write sslmode=require: a certificate is always held against those of SSL_CERT_FILE or of the system, by its name, too"));
    }
    let mut config: Config = address.parse().map_err(|_| {
        // Its own words quote the address.
        Diagnostic::error(
            Code::MissingVariable,
            format!("the variable {variable} is no address of a database"),
        )
        .at(span, "where the database is")
        .help("it looks like postgresql://USER:PASSWORD@HOST/DATABASE; it is not shown here")
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    config.application_name("optin");
    let client = if config.get_ssl_mode() == SslMode::Disable {
        config.connect(NoTls)
    } else {
        config.connect(tls())
    };
    let mut client = client.map_err(|error| told(variable, span, &error))?;
    client.batch_execute(SESSION).map_err(|error| told(variable, span, &error))?;
    Ok(client)
}

/// Certificates are held against those that the system trusts.
fn tls() -> MakeRustlsConnect {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (_, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(ignored, "certificates that cannot be used");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|config| config.with_root_certificates(roots).with_no_client_auth());
    match config {
        Ok(config) => MakeRustlsConnect::new(config),
        // The provider has all versions that it is asked for.
        Err(error) => unreachable!("{error}"),
    }
}

/// What a server said, as far as it cannot quote a row.
fn told(variable: &str, span: Span, error: &Error) -> Diagnostic {
    let what = format!("the database of {variable}");
    let fault = |message: String, help: &str| {
        Diagnostic::error(Code::DatabaseFailed, message).at(span, "this source").help(help)
    };
    let Some(said) = error.as_db_error() else {
        // Words of the client, which has seen no row.
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        return if cause.contains("does not support TLS") {
            fault(
                format!("{what} offers no encryption, and its address requires it"),
                "have the server encrypt, or, where nobody listens between, write ?sslmode=disable behind the address",
            )
        } else if cause.contains("password missing") {
            fault(
                format!("the address of {what} has no password, and the server asks for one"),
                "write postgresql://USER:PASSWORD@HOST/DATABASE into the variable",
            )
        } else if cause.contains("certificate") {
            fault(
                format!("the certificate of {what} is not trusted here"),
                "have the system trust who signed it (SSL_CERT_FILE names others), or, where \
                 nobody listens between, write ?sslmode=disable behind the address",
            )
        } else {
            fault(
                format!("{what} cannot be reached, or broke off"),
                "see that it runs, and is reached from here with this address",
            )
        };
    };
    let code = said.code().code();
    if ["28", "3D"].iter().any(|class| code.starts_with(class)) {
        // Its words name the user, the database and addresses.
        return fault(
            format!("{what} does not let this user in ({code})"),
            "look at the user, the password and the name of the database in the variable, and at what the server allows",
        );
    }
    if is_about_the_query(said) {
        return fault(
            format!("{what} refuses: {} ({code})", said.message()),
            "the query must run by itself, with the rights of this user; it is asked as a subquery",
        );
    }
    let help = "SQLSTATE codes are in the manual of PostgreSQL; its own words are withheld, as they \
                could quote data";
    fault(format!("{what} ended a query with {code}"), help)
}

/// True for faults that speak of the query, of names and of rights, and never of a row.
fn is_about_the_query(said: &DbError) -> bool {
    let code = said.code();
    // 42: syntax, names and rights; 3F: schemas; 2B: what depends on a table; 55: locks;
    // 23: constraints, whose rows stand in another part; 25006: it would write.
    ["42", "3F", "2B", "55", "23"].iter().any(|class| code.code().starts_with(class))
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let of = |stored, modifier| type_of(&stored, modifier).usable();
        // numeric(10, 2): 10 << 16 | 2, and four.
        assert_eq!(of(Stored::NUMERIC, ((10 << 16) + 2) + 4), Some(Type::Decimal(2)));
        assert_eq!(of(Stored::NUMERIC, -1), Some(Type::Text));
        assert_eq!(of(Stored::NUMERIC, ((30 << 16) + 20) + 4), Some(Type::Text));
        assert_eq!(of(Stored::UUID, -1), Some(Type::Text));
        assert_eq!(of(Stored::BYTEA, -1), None);
    }

    #[test]
    fn what_is_no_address_is_not_said() {
        // A path is no address; the variable is always there.
        let fault = connect("PATH", Span::default()).err().expect("it is no address");
        assert_eq!(fault.code, Code::MissingVariable);
        let said = format!("{fault:?}");
        assert!(!said.contains("/bin"), "{said}");
        let fault = connect("OPTIN_NO_SUCH_VARIABLE", Span::default()).err().expect("not set");
        assert!(fault.message.contains("is not set"));
    }
}
