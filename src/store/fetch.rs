//! Objects as files: listed by a pattern, and fetched in ranges.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::task::JoinSet;

use super::Found;
use super::client::{Stores, told};
use crate::diagnostics::{Code, Diagnostic};
use crate::plan::address;

/// Bytes of one request.
const RANGE: u64 = 8 << 20;
/// Requests at once, of all objects together: 128 MiB of them.
pub(super) const AT_ONCE: usize = 16;
/// Characters that make a key a pattern.
const WILD: [char; 3] = ['*', '?', '['];

impl Stores {
    /// The objects that an address or a pattern names, sorted by their addresses. A `*` does not go over a slash,
    /// `**` does.
    ///
    /// # Errors
    /// A store that fails or refuses; what is no pattern.
    pub fn list(&self, address: &str) -> Result<Vec<Found>, Diagnostic> {
        let (bucket, key) = address::split(address)
            .map_err(|why| Diagnostic::error(Code::BadValue, format!("no address: {why}")))?;
        let found = |meta: ObjectMeta| {
            let etag = meta.e_tag.ok_or_else(|| {
                let message = format!("{bucket} does not say which state of an object it has");
                Diagnostic::error(Code::StoreFailed, message)
                    .help("without an ETag a run could read two states of one object: fetch the files first")
            })?;
            Ok(Found {
                address: format!("{bucket}/{}", meta.location),
                etag,
                bytes: meta.size,
                modified: meta.last_modified.into(),
            })
        };
        let Some(wild) = key.find(WILD) else {
            let (store, path) = self.at(address)?;
            return match self.runtime.block_on(store.head(&path)) {
                Ok(meta) => Ok(vec![found(meta)?]),
                Err(Error::NotFound { .. }) => Ok(Vec::new()),
                Err(error) => Err(told(address, &error)),
            };
        };
        let pattern = Pattern::new(key).map_err(|error| {
            Diagnostic::error(Code::BadValue, format!("not a glob: {}", error.msg))
        })?;
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let folder = key[..wild].rsplit_once('/').map_or("", |(folder, _)| folder);
        let (store, folder) = self.at(&format!("{bucket}/{folder}"))?;
        let all = store.list(Some(&folder)).try_collect::<Vec<ObjectMeta>>();
        let all = self.runtime.block_on(all).map_err(|error| told(address, &error))?;
        let mut all: Vec<Found> = all
            .into_iter()
            .filter(|meta| pattern.matches_with(meta.location.as_ref(), options))
            .map(found)
            .collect::<Result<_, Diagnostic>>()?;
        all.sort_unstable_by(|a, b| a.address.cmp(&b.address));
        Ok(all)
    }

    /// Ranges of an object, written at their places into a file, of the state that was found.
    ///
    /// # Errors
    /// A store that fails or refuses, an object that changed or is gone; a file that cannot be written.
    pub fn fetch(
        &self,
        found: &Found,
        ranges: &[Range<u64>],
        file: &File,
    ) -> Result<(), Diagnostic> {
        let (store, path) = self.at(&found.address)?;
        let cut = |range: &Range<u64>| {
            let end = range.end.min(found.bytes);
            (range.start..end)
                .step_by(usize::try_from(RANGE).unwrap_or(usize::MAX))
                .map(move |from| from..end.min(from + RANGE))
        };
        let mut due = ranges.iter().flat_map(cut);
        self.runtime.block_on(async {
            let mut running = JoinSet::new();
            loop {
                while running.len() < AT_ONCE {
                    let Some(range) = due.next() else { break };
                    let turns = Arc::clone(&self.turns);
                    let get = get(Arc::clone(&store), path.clone(), found.etag.clone(), range);
                    running.spawn(async move {
                        let turn = turns.acquire_owned().await;
                        get.await.map(|got| (turn, got))
                    });
                }
                let Some(done) = running.join_next().await else { return Ok(()) };
                // Its turn ends when its bytes are written.
                let (_turn, (at, bytes)) = done
                    .map_err(|_| Diagnostic::error(Code::EngineFault, "a request did not end"))?
                    .map_err(|error| told(&found.address, &error))?;
                file.write_all_at(bytes.as_ref(), at).map_err(|error| {
                    Diagnostic::error(
                        Code::WriteFailed,
                        format!("{} cannot be written down here: {}", found.address, error.kind()),
                    )
                    .help(crate::diagnostics::advice(&error))
                })?;
            }
        })
    }
}

/// A range of an object, and where it begins.
async fn get(
    store: Arc<dyn ObjectStore>,
    path: Path,
    etag: String,
    range: Range<u64>,
) -> Result<(u64, impl AsRef<[u8]> + Send + use<>), Error> {
    let from = range.start;
    let length = range.end - range.start;
    let options = GetOptions {
        range: Some(GetRange::Bounded(range)),
        if_match: Some(etag),
        ..GetOptions::default()
    };
    let bytes = store.get_opts(&path, options).await?.bytes().await?;
    if bytes.len() as u64 == length {
        return Ok((from, bytes));
    }
    // Shorter than it was when it was found.
    let changed = "another length".into();
    Err(Error::Precondition { path: path.to_string(), source: changed })
}
