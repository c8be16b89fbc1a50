//! What to do about what the system says of a file.

use std::io::{Error, ErrorKind};

// Numbers of Linux, `errno.h`, for which the standard library has no stable kind.
const EIO: i32 = 5;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ELOOP: i32 = 40;

/// What whoever runs the program can do about a file that cannot be read or written; without a full
/// stop.
#[must_use]
pub fn advice(error: &Error) -> &'static str {
    match error.raw_os_error() {
        Some(ELOOP) => return "links lead to each other in a circle: name the file itself",
        Some(EMFILE | ENFILE) => return "too many files are open: raise the limit (ulimit -n)",
        Some(EIO) => return "the disk or its connection is at fault: look at the system's log",
        _ => {}
    }
    match error.kind() {
        ErrorKind::StorageFull => "make room on the disk that holds this folder, then run again",
        ErrorKind::QuotaExceeded => "the quota is used up: make room or raise it, then run again",
        ErrorKind::FileTooLarge => "the file system takes no file of this size: use another one",
        ErrorKind::ReadOnlyFilesystem => {
            "this file system is read-only: name another folder, or mount it for writing"
        }
        ErrorKind::PermissionDenied => {
            "whoever runs this lacks a right: to the file, or to a folder above it"
        }
        ErrorKind::NotFound => "it is not there: check the spelling, or see what became of it",
        ErrorKind::AlreadyExists => "something else has that name: move it away, or name another",
        ErrorKind::IsADirectory => "a folder stands there: name a file, or remove the folder",
        ErrorKind::NotADirectory => {
            "a part of the path is a file and no folder: name another path, or remove that file"
        }
        ErrorKind::InvalidFilename => "the name is too long, or not one this file system takes",
        ErrorKind::InvalidInput => "the path is not one that the system takes: name another",
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            "the file is damaged or cut off: have it written anew"
        }
        ErrorKind::Unsupported => {
            "name a regular file; what a pipe gives must be written to one first"
        }
        ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => {
            "something else is using it: run again when that has ended"
        }
        ErrorKind::StaleNetworkFileHandle => "the network file system lost the file: run again",
        _ => "see that the file can be used by whoever runs this, then run again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_faults_have_advice_of_their_own() {
        let general = advice(&Error::other("x"));
        // EIO, ENOENT, EACCES, EEXIST, ENOTDIR, EISDIR, EINVAL, EMFILE, ETXTBSY, EFBIG, ENOSPC, EROFS,
        // ENAMETOOLONG, ELOOP, ESTALE, EDQUOT.
        for number in [5, 2, 13, 17, 20, 21, 22, 24, 26, 27, 28, 30, 36, 40, 116, 122] {
            assert_ne!(advice(&Error::from_raw_os_error(number)), general, "{number}");
        }
    }
}
