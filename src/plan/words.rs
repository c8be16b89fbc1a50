//! The words by which consent tables grant and deny.

use serde::Serialize;

/// Words that grant, beside a table's own.
pub const GRANTED: [&str; 11] = [
    "true",
    "t",
    "yes",
    "y",
    "1",
    "granted",
    "allow",
    "allowed",
    "opt-in",
    "opted_in",
    "subscribed",
];

/// Words that deny, beside a table's own. A denial is read in more spellings than a grant.
pub const DENIED: [&str; 17] = [
    "false",
    "f",
    "no",
    "n",
    "0",
    "denied",
    "deny",
    "disallow",
    "opt-out",
    "opt_out",
    "opt out",
    "opted_out",
    "opted-out",
    "unsubscribed",
    "withdrawn",
    "revoked",
    "do not allow",
];

/// A table's own words for a decision, in lower case.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Words {
    /// Words that grant.
    pub granted: Vec<String>,
    /// Words that deny.
    pub denied: Vec<String>,
}
