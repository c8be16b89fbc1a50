//! Files that are no text of a pipeline: other encodings, other line ends, other files.

use std::path::Path;

use super::shape;
use crate::diagnostics::{Code, Diagnostic, Site};

/// The bytes of a pipeline file as text.
///
/// # Errors
/// They are not UTF-8; the line is told, and nothing of it is shown.
pub fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String, Diagnostic> {
    String::from_utf8(bytes).map_err(|error| {
        let bytes = error.as_bytes();
        let mut site = Site { file: path.to_path_buf(), ..Site::default() };
        if [[0xff_u8, 0xfe], [0xfe, 0xff]].iter().any(|mark| bytes.starts_with(mark)) {
            return utf16().in_file(site);
        }
        let before = &bytes[..error.utf8_error().valid_up_to()];
        site.line = Some(memchr::memchr_iter(b'\n', before).count() as u64 + 1);
        Diagnostic::error(Code::PipelineUnreadable, "the pipeline file is not UTF-8")
            .in_file(site)
            .help("convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`")
    })
}

/// The fault for what is no pipeline file. It may be a data file: none of its lines is shown.
pub(super) fn other_file(source: &str) -> Diagnostic {
    // Of UTF-16 every second byte of plain text is a NUL.
    if memchr::memchr_iter(0, source.as_bytes()).count() * 3 > source.len() {
        return utf16();
    }
    if !source.contains('\n') && shape::is_pipeline(&source.replace('\r', "\n")) {
        return Diagnostic::error(
            Code::PipelineUnreadable,
            "the lines of the pipeline file end in CR alone",
        )
        .help("convert it, for example with `tr '\\r' '\\n'`");
    }
    Diagnostic::error(
        Code::PipelineUnreadable,
        "this is no pipeline file: sections such as `version` and `sources` are not there",
    )
    .help("a pipeline file begins with `version: 1`; was a data file given in its place?")
}

fn utf16() -> Diagnostic {
    Diagnostic::error(Code::PipelineUnreadable, "the pipeline file is UTF-16, and not UTF-8")
        .help("convert it, for example with `iconv -f UTF-16 -t UTF-8`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_encodings_and_line_ends_are_told() {
        let path = Path::new("p.yaml");
        let told = |bytes: &[u8]| text_of(path, bytes.to_vec()).expect_err("no UTF-8");
        let latin = told(b"version: 1\nname: caf\xe9\n");
        assert_eq!(latin.site.as_ref().and_then(|site| site.line), Some(2));
        assert!(told(b"\xff\xfev\0e\0").message.contains("UTF-16"));
        assert_eq!(text_of(path, b"a: 1\n".to_vec()), Ok("a: 1\n".to_owned()));
        let of = |text: &str| other_file(text).message;
        assert!(of("v\0e\0r\0s\0i\0o\0n\0:\0").contains("UTF-16"));
        assert!(of("version: 1\rname: p\rsources: []\r").contains("CR alone"));
        assert!(of("id,mail\r1,ann@x.com\r").contains("no pipeline file"));
        assert!(of("").contains("no pipeline file"));
    }
}
