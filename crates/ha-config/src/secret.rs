//! Which options hold secrets, by their names. A secret typed into a file is refused and never shown.

/// Parts of an option's name that make its value a secret. (`community` is SNMP's password,
/// `headers` of an HTTP switch hold its token.)
const SECRET_WORDS: [&str; 10] = [
    "passwd",
    "password",
    "passphrase",
    "community",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "headers",
];
/// Endings that say that the value is the place of a secret, not the secret.
const PLACE_ENDINGS: [&str; 4] = ["_file", "_script", "_path", "_prot"];

/// Whether a literal value of this option would be a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| name.contains(word))
        && !PLACE_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["passwd", "Password", "community", "snmp_priv_passwd", "snmp-auth-passwd", "auth_token"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["community_file", "passwd_script", "password_file", "ip", "snmp_priv_prot", "identity_file"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }
}
