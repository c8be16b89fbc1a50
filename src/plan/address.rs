//! Addresses of objects in buckets.

/// The schemes, and what each is: those that clients of the stores themselves use.
const SCHEMES: [&str; 6] = ["s3", "s3a", "gs", "az", "abfs", "abfss"];

/// True if a path is an address: `SCHEME://...`, whatever the scheme.
#[must_use]
pub fn is_address(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
    })
}

/// The bucket's address and the key in it: `s3://bucket` and `folder/file.csv`.
///
/// # Errors
/// Why it is none, without its text: it may hold what nobody else should see.
pub fn split(address: &str) -> Result<(&str, &str), &'static str> {
    let Some((scheme, rest)) = address.split_once("://") else {
        return Err("it has no scheme");
    };
    if !SCHEMES.contains(&scheme) {
        return Err("the scheme is none of s3, s3a, gs, az, abfs, abfss");
    }
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    // abfss://container@account.dfs.core.windows.net/key has a sign that elsewhere ends a password.
    let (name, host) = bucket.split_once('@').unwrap_or((bucket, ""));
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.is_empty() || !name.chars().chain(host.chars()).all(is_host) {
        return Err("behind :// stands the name of a bucket alone; no user, password or port");
    }
    if !host.is_empty() && !scheme.starts_with("abfs") {
        return Err("behind :// stands the name of a bucket alone; no user, password or port");
    }
    if key.contains(['\\', '#']) || key.chars().any(char::is_control) {
        return Err("the key has a character that is not taken here: \\, # or a control character");
    }
    if key.split_once('?').is_some_and(|(_, rest)| rest.contains('=')) {
        return Err("a `?` before a `=` is how addresses are signed; in a pattern write `*`");
    }
    if key.split('/').any(|part| matches!(part, "." | ".."))
        || key.starts_with('/')
        || key.contains("//")
    {
        return Err("a part of the key is empty, `.` or `..`");
    }
    Ok((&address[..scheme.len() + 3 + bucket.len()], key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_behind_the_bucket() {
        assert_eq!(split("s3://b/a/b.csv"), Ok(("s3://b", "a/b.csv")));
        assert_eq!(split("gs://b"), Ok(("gs://b", "")));
        let lake = "abfss://c@a.dfs.core.windows.net/x/*.parquet";
        assert_eq!(split(lake), Ok(("abfss://c@a.dfs.core.windows.net", "x/*.parquet")));
        for no in [
            "http://b/a",
            "s3://KEY:SECRET@b/a",
            "s3://key@b/a",
            "s3:///a",
            "s3://b:9000/a",
            "s3://b/a/../c",
            "s3://b//a",
            "s3://b/a\nb",
            "az://b/a.csv?sv=1&sig=x",
        ] {
            assert!(split(no).is_err(), "{no}");
        }
    }

    #[test]
    fn paths_are_no_addresses() {
        assert!(is_address("s3://b/a") && is_address("https://host/a"));
        assert!(!is_address("data/a.csv") && !is_address("a b://c") && !is_address("://"));
    }
}
