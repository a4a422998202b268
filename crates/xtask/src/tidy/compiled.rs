//! Crates that may not be compiled in.

/// Each with its reason.
const BANNED: [(&str, &str); 7] = [
    ("openssl", "rustls on aws-lc-rs is the one TLS library"),
    ("openssl-sys", "rustls on aws-lc-rs is the one TLS library"),
    ("native-tls", "rustls on aws-lc-rs is the one TLS library"),
    ("ring", "aws-lc-rs is the one provider of cryptography"),
    ("rsa", "aws-lc-rs is the one provider of cryptography"),
    ("async-std", "tokio is the one runtime"),
    ("rust_decimal", "no column is a decimal number; a default feature brings it"),
];

/// What to ask cargo for: the crates that are really built. The lock file also names what no feature asks for.
pub(super) const LIST: [&str; 7] = ["tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}"];

/// What is wrong with the answer to [`LIST`]: a name, a space and more on each line.
pub(super) fn check(listing: &str) -> Vec<String> {
    let built = |name: &str| listing.lines().any(|line| line.split(' ').next() == Some(name));
    let banned = BANNED.iter().filter(|(name, _)| built(name));
    banned.map(|(name, why)| format!("`{name}` is banned: {why} (`cargo tree --workspace -i {name}`)")).collect()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_banned_crate_is_named_with_its_reason() {
        let complaints = check("serde v1.0.0\nring v0.17.14\n").concat();
        assert!(complaints.starts_with("`ring` is banned: aws-lc-rs"), "{complaints}");
    }

    #[test]
    fn a_name_that_only_contains_a_banned_one_passes() {
        assert_eq!(check("string-rsa v1.0.0\nringbuffer v1.0.0 (*)\n"), Vec::<String>::new());
    }
}
