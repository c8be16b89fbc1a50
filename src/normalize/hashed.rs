//! Digests of keys, for lists of people that do not say who they are.
//!
//! An entry is the SHA-256 digest of a text in UTF-8: of a key, or of a looser form by which a denial
//! looks for people ([`Loose`]). It reaches a value that has such a key or form. So a digest of a key
//! alone reaches the values of this key and those whose looser form it is; an entry that is to reach
//! as far as the value itself would is one digest for each of [`Loose::entry_digests`].

use sha2::{Digest as _, Sha256};

use super::Loose;

/// A SHA-256 digest.
pub type Sha = [u8; 32];

/// The digest of a key or form.
#[must_use]
pub fn sha(text: &str) -> Sha {
    Sha256::digest(text.as_bytes()).into()
}

/// Reads a digest: 64 hexadecimal digits of any case; white space at the ends does not count.
#[must_use]
pub fn read_sha(text: &str) -> Option<Sha> {
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut sha = [0; 32];
    for (at, byte) in sha.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(sha)
}

impl Loose<'_> {
    /// The digests by which an entry for this value reaches whom the value itself would: of its key and
    /// of its forms as a denial.
    #[must_use]
    pub fn entry_digests(&self) -> Vec<Sha> {
        let forms = self.denial.iter().flatten().map(AsRef::as_ref);
        std::iter::once(self.key.as_ref()).chain(forms).map(sha).collect()
    }

    /// The digests by which this value is found: of its key and of its forms as a contact point.
    #[must_use]
    pub fn target_digests(&self) -> Vec<Sha> {
        let forms = self.target.iter().flatten().map(AsRef::as_ref);
        std::iter::once(self.key.as_ref()).chain(forms).map(sha).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::{Chain, EmailOptions, Region, Step};

    /// As published with the standard (FIPS 180-4), and what two cells of a list may look like.
    #[test]
    fn digests_are_read_as_they_are_published() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(read_sha(abc), Some(sha("abc")));
        assert_eq!(read_sha(&format!(" {}\n", abc.to_uppercase())), Some(sha("abc")));
        let (short, wrong) = (&abc[1..], abc.replace('b', "g"));
        for no in ["", "abc", short, wrong.as_str(), "ann@example.com"] {
            assert_eq!(read_sha(no), None, "{no}");
        }
    }

    /// An entry of digests reaches exactly whom the value would reach.
    #[test]
    fn digests_reach_as_far_as_the_value() {
        let mail = Chain::new(vec![Step::Email(EmailOptions::default())]);
        let phone = Chain::new(vec![Step::Phone]);
        let mails = [
            "ann@example.com",
            "Ann+news@example.com",
            "ann+other@example.com",
            "bob@example.com",
            "b.o.b@gmail.com",
            "bob+x@googlemail.com",
            "bob@gmail.com",
        ];
        let phones = [
            "+49 170 1234567",
            "0170 1234567",
            "170 1234567",
            "491701234567",
            "0491701234567",
            "+43 170 1234567",
            "+49 30 1234567",
        ];
        for (chain, texts) in [(&mail, mails), (&phone, phones)] {
            let mut reached = 0;
            for region in [None, Region::parse("DE")] {
                for entry in texts {
                    for target in texts {
                        let entry = chain.apply_loose(entry, region).expect("a key");
                        let target = chain.apply_loose(target, None).expect("a key");
                        let found = target.target_digests();
                        let hits = entry.entry_digests().iter().any(|of| found.contains(of));
                        assert_eq!(hits, entry.reaches(&target), "{entry:?} {target:?}");
                        reached += usize::from(hits);
                    }
                }
            }
            assert!(reached > texts.len(), "looser matches are looked at, too");
        }
    }
}
