//! Delimited text in stretches: one is cut while the next is read, and no more than two are in
//! memory. So a file takes the same memory whatever its size, compressed or not.

use std::io::{self, Read};

use super::text::{Delimited, Part, Wanted};
use crate::engine::tuning;

/// Reads records and gives what `make` makes of each part to `take`, in their order. `wanted` tells
/// from the header which cells are. False if the text has any fault, or the header is not the right
/// one.
///
/// # Errors
/// A file that cannot be read.
pub fn visit<'n, T: Send>(
    mut reader: impl Read + Send,
    (delimiter, quoted): (u8, bool),
    wanted: impl Fn(&[String]) -> Option<Wanted<'n>>,
    make: impl Fn(Part) -> T + Sync,
    mut take: impl FnMut(T),
) -> io::Result<bool> {
    let size = tuning::part(3 << 24, 100);
    let (mut bytes, mut next) = (Vec::new(), Vec::new());
    let mut at_end = fill(&mut reader, &mut bytes, size)?;
    while bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    let mut header: Option<(Vec<String>, Wanted<'n>)> = None;
    loop {
        let text = match &header {
            None => Delimited::unchecked(&bytes, delimiter, quoted),
            Some((header, _)) => Some(Delimited::rest(header.clone(), &bytes, delimiter, quoted)),
        };
        let bounds = text.as_ref().map(|text| text.bounds(at_end)).unwrap_or_default();
        if bounds.len() < 2 && !at_end {
            // Not even one record is whole.
            let more = bytes.len() + size;
            at_end = fill(&mut reader, &mut bytes, more)?;
            continue;
        }
        let Some(text) = text else { return Ok(false) };
        if header.is_none() {
            let Some(wanted) = wanted(&text.header) else { return Ok(false) };
            header = Some((text.header.clone(), wanted));
        }
        let Some((_, wanted)) = &header else { return Ok(false) };
        let end = bounds.last().copied().unwrap_or(bytes.len());
        next.clear();
        next.extend_from_slice(&bytes[end..]);
        let (ended, parts) = rayon::join(
            || {
                let upto = next.len() + size;
                if at_end { Ok(true) } else { fill(&mut reader, &mut next, upto) }
            },
            || text.cut_at(&bounds, wanted, &make),
        );
        let Some(parts) = parts else { return Ok(false) };
        parts.into_iter().for_each(&mut take);
        if at_end {
            return Ok(true);
        }
        at_end = ended?;
        std::mem::swap(&mut bytes, &mut next);
    }
}

/// Reads on until there are so many bytes; true if nothing is left to read.
fn fill(reader: &mut impl Read, bytes: &mut Vec<u8>, upto: usize) -> io::Result<bool> {
    bytes.reserve(upto.saturating_sub(bytes.len()));
    let wanted = upto.saturating_sub(bytes.len()) as u64;
    let read = reader.by_ref().take(wanted).read_to_end(bytes)?;
    Ok((read as u64) < wanted)
}
