//! The files in a folder of partitions.

use std::fs;
use std::io;
use std::path::Path;

/// A file, by its path in the whole folder with `/` between names, and its size in bytes.
pub type Leaf = (String, u64);

/// All files in a folder and in those below it, sorted by their paths.
///
/// # Errors
/// What the disk says; something that is neither a file nor a folder with files, such as a link.
pub fn files(folder: &Path) -> io::Result<Vec<Leaf>> {
    let mut found = Vec::new();
    walk(folder, "", &mut found)?;
    found.sort_unstable();
    Ok(found)
}

fn walk(folder: &Path, above: &str, found: &mut Vec<Leaf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let odd = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| odd("the name of a file in it is no text"))?;
        let path = format!("{above}{name}");
        // A link is not followed.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let before = found.len();
            walk(&entry.path(), &format!("{path}/"), found)?;
            if found.len() == before {
                return Err(odd("a folder in it holds nothing"));
            }
        } else if kind.is_file() {
            found.push((path, entry.metadata()?.len()));
        } else {
            return Err(odd("it holds something that is no file"));
        }
    }
    Ok(())
}
