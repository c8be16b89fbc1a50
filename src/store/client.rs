//! The stores, by the addresses of their buckets, and what is told of their faults.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{ClientConfigKey, Error, ObjectStore, RetryConfig};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::fetch::AT_ONCE;

use crate::diagnostics::{Code, Diagnostic};
use crate::plan::address;

/// How long a request is tried again for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often.
const TRIES: usize = 6;

/// The stores that were asked for something, and the threads that wait for them.
pub struct Stores {
    pub(super) runtime: Runtime,
    /// Bounds how much of all objects together is on its way, and so in memory.
    pub(super) turns: Arc<Semaphore>,
    known: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

impl Stores {
    /// Asks nothing yet.
    ///
    /// # Errors
    /// A system that gives no threads.
    pub fn open() -> Result<Self, Diagnostic> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).thread_name("stores").enable_all().build();
        let runtime = runtime.map_err(|error| {
            let message = format!("no thread that waits for stores: {}", error.kind());
            Diagnostic::error(Code::StoreFailed, message)
                .help("the system may limit threads (ulimit -u)")
        })?;
        Ok(Self { runtime, turns: Arc::new(Semaphore::new(AT_ONCE)), known: Mutex::default() })
    }

    /// The store of an address, and the key there.
    pub(super) fn at(&self, address: &str) -> Result<(Arc<dyn ObjectStore>, Path), Diagnostic> {
        let no_address =
            |why: &str| Diagnostic::error(Code::BadValue, format!("no address in a bucket: {why}"));
        let (bucket, key) = address::split(address).map_err(no_address)?;
        let key = Path::parse(key).map_err(|_| no_address("its key is none that stores take"))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(bucket) {
            return Ok((Arc::clone(store), key));
        }
        let store = build(bucket).map_err(|error| told(bucket, &error))?;
        known.insert(bucket.to_owned(), Arc::clone(&store));
        Ok((store, key))
    }
}

/// A client of a bucket, as the variables of the environment say.
fn build(bucket: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let retry =
        RetryConfig { max_retries: TRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
    // A part takes its time on a slow line; what says nothing for long is gone.
    let limits =
        [(ClientConfigKey::Timeout, "10 minutes"), (ClientConfigKey::ReadTimeout, "1 minute")];
    let scheme = bucket.split("://").next().unwrap_or_default();
    Ok(match scheme {
        "s3" | "s3a" => {
            let builder = AmazonS3Builder::from_env().with_url(bucket).with_retry(retry);
            let builder = limits.into_iter().fold(builder, |builder, (key, limit)| {
                builder.with_config(AmazonS3ConfigKey::Client(key), limit)
            });
            Arc::new(builder.build()?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(bucket).with_retry(retry);
            let builder = limits.into_iter().fold(builder, |builder, (key, limit)| {
                builder.with_config(GoogleConfigKey::Client(key), limit)
            });
            Arc::new(builder.build()?)
        }
        _ => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(bucket).with_retry(retry);
            let builder = limits.into_iter().fold(builder, |builder, (key, limit)| {
                builder.with_config(AzureConfigKey::Client(key), limit)
            });
            Arc::new(builder.build()?)
        }
    })
}

/// What a store said, as far as it cannot quote a row, a key or a signature.
pub(super) fn told(address: &str, error: &Error) -> Diagnostic {
    let bucket = address::split(address).map_or("", |(bucket, _)| bucket);
    let fault = |message: String, help: &str| {
        Diagnostic::error(Code::StoreFailed, message).help(help.to_owned())
    };
    // Its own words quote addresses, which may be signed; what they are about is looked for in them.
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words} {next}");
        cause = next.source();
    }
    let is = |part: &str| words.contains(part);
    match error {
        Error::Precondition { .. } | Error::NotModified { .. } => fault(
            format!("an object changed in {bucket} while it was read"),
            "run again when nothing writes to it; nothing was published",
        ),
        _ if is("NoSuchBucket")
            || is("ContainerNotFound")
            || is("specified bucket does not exist") =>
        {
            fault(
                format!("there is no {bucket}"),
                "look at its name, and at the server's address and region",
            )
        }
        Error::NotFound { .. } => fault(
            format!("{address} is not there, or the bucket is not"),
            "see what became of it; objects of a folder are named by a pattern such as folder/*.csv",
        ),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => fault(
            format!("{bucket} does not let this user in, or not do this"),
            "look at the keys in the variables of the environment, and at what the bucket allows: to list, get, put and delete",
        ),
        _ if is("169.254.169.254") || is("metadata.google.internal") || is("must be specified") => {
            fault(
                format!("there are no keys for {bucket}"),
                "set the variables that its own tools use: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION; \
                 AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY; GOOGLE_SERVICE_ACCOUNT",
            )
        }
        _ if is("URL scheme is not allowed") || is("BadScheme") => fault(
            format!("the address of the server of {bucket} is not encrypted"),
            "where nobody listens between, set AWS_ALLOW_HTTP=true (AZURE_ALLOW_HTTP, GOOGLE_ALLOW_HTTP)",
        ),
        _ if is("certificate") => fault(
            format!("the certificate of the server of {bucket} is not trusted here"),
            "have the system trust who signed it",
        ),
        _ => fault(
            format!("{bucket} cannot be reached, or broke off"),
            "see that its server is reached from here, and that the variables of the environment name the right one; \
             its own words are withheld, as they could quote keys",
        ),
    }
}
