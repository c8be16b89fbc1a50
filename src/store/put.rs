//! Files put into buckets: uploaded in parts, and seen when all of them are there.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, MultipartUpload, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions,
};
use tokio::task::JoinSet;

use super::Upload;
use super::client::{Stores, told};
use crate::diagnostics::{Code, Diagnostic, Outcome};

/// The fewest bytes of a part; S3 takes none below 5 MiB but the last, and no more than 10,000.
const PART: u64 = 8 << 20;
/// The most parts of an object.
const PARTS: u64 = 9_000;
/// Parts under way at once.
const AT_ONCE: usize = 4;

/// Objects whose parts are there, and that nobody sees yet. What is not committed is taken back.
pub struct Pending {
    stores: Stores,
    begun: Vec<Begun>,
    /// The object that says that all are of one run; it is away while they are exchanged.
    mark: Option<String>,
}

struct Begun {
    address: String,
    store: Arc<dyn ObjectStore>,
    path: Path,
    upload: Box<dyn MultipartUpload>,
    bytes: u64,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("objects", &self.begun.len()).finish_non_exhaustive()
    }
}

impl Stores {
    /// Uploads files, the last of them last. Nobody sees them before they are committed. `mark` is the address of
    /// the object that is to be away meanwhile.
    ///
    /// # Errors
    /// A store that fails or refuses, a file that cannot be read; then what was begun is taken back.
    pub fn put(self, files: &[Upload<'_>], mark: Option<&str>) -> Outcome<Pending> {
        let mut pending =
            Pending { stores: self, begun: Vec::new(), mark: mark.map(str::to_owned) };
        for file in files {
            pending.begin(file)?;
        }
        Ok(pending)
    }
}

impl Pending {
    fn begin(&mut self, file: &Upload<'_>) -> Outcome<()> {
        let (store, path) = self.stores.at(&file.address)?;
        let failed = |error: &Error| told(&file.address, error);
        let unreadable = |error: std::io::Error| Diagnostic::unwritable(file.file, &error);
        let mut content = File::open(file.file).map_err(unreadable)?;
        let bytes = content.metadata().map_err(unreadable)?.len();
        let options =
            PutMultipartOptions { attributes: attributes(&file.address), ..Default::default() };
        let runtime = &self.stores.runtime;
        let upload = runtime
            .block_on(store.put_multipart_opts(&path, options))
            .map_err(|error| failed(&error))?;
        let address = file.address.clone();
        self.begun.push(Begun { address, store, path, upload, bytes });
        let Some(begun) = self.begun.last_mut() else { return Ok(()) };
        let size = PART.max(bytes.div_ceil(PARTS));
        runtime.block_on(async {
            let mut running = JoinSet::new();
            let mut left = bytes;
            loop {
                while running.len() < AT_ONCE && left > 0 {
                    let mut part = vec![0; usize::try_from(size.min(left)).unwrap_or(usize::MAX)];
                    content.read_exact(&mut part).map_err(unreadable)?;
                    left -= part.len() as u64;
                    running.spawn(begun.upload.put_part(part.into()));
                }
                let Some(done) = running.join_next().await else { return Ok(()) };
                done.map_err(|_| Diagnostic::error(Code::EngineFault, "an upload did not end"))?
                    .map_err(|error| failed(&error))?;
            }
        })
    }

    /// Lets all of them be seen, one after the other.
    ///
    /// # Errors
    /// A store that fails or refuses: what was seen before stays.
    pub fn commit(mut self) -> Outcome<()> {
        if let Some(mark) = &self.mark {
            let (store, path) = self.stores.at(mark)?;
            match self.stores.runtime.block_on(store.delete(&path)) {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(told(mark, &error).into()),
            }
        }
        let all = self.begun.len();
        let mut begun = std::mem::take(&mut self.begun).into_iter();
        for (at, mut object) in begun.by_ref().enumerate() {
            let done = self.stores.runtime.block_on(async {
                object.upload.complete().await?;
                object.store.head(&object.path).await
            });
            let fault = match done {
                Ok(meta) if meta.size == object.bytes => continue,
                Ok(_) => Diagnostic::error(
                    Code::VerifyFailed,
                    format!("{} has another size than was put there", object.address),
                )
                .help("does somebody else write to it?"),
                Err(error) => told(&object.address, &error),
            };
            let record = if self.mark.is_some() { ", and run.json is away" } else { "" };
            let seen = format!(
                "; {at} of {all} objects were exchanged before it, it may be, the others are as they were{record}"
            );
            // Its parts are taken back, if it is not there.
            self.begun.push(object);
            self.begun.extend(begun);
            return Err(Diagnostic { message: fault.message + &seen, ..fault }.into());
        }
        tracing::info!(objects = all, "put into buckets");
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for object in &mut self.begun {
            // Who cannot take it back leaves parts that nobody sees; the store is told when to forget such.
            let done = self.stores.runtime.block_on(object.upload.abort());
            tracing::debug!(taken_back = done.is_ok(), "an upload");
        }
    }
}

/// What a browser is told of a file, by its name.
fn attributes(address: &str) -> Attributes {
    let kind = match address.rsplit('.').next() {
        Some("csv") => "text/csv; charset=utf-8",
        Some("tsv") => "text/tab-separated-values; charset=utf-8",
        Some("json") => "application/json",
        Some("ndjson") => "application/x-ndjson",
        Some("html") => "text/html; charset=utf-8",
        Some("parquet") => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    };
    Attributes::from_iter([(Attribute::ContentType, kind)])
}
