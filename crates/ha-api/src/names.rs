//! User and group names from `/etc/passwd` and `/etc/group`.
//!
//! Deliberately not through the name service switch: a directory server that cannot be reached during an
//! outage must not make the daemon wait.

use crate::limits::NAMES_BYTES_MAX;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// The user's name.
pub(crate) fn user(uid: u32) -> Option<String> {
    name_of("/etc/passwd", uid)
}

/// The group's name.
pub(crate) fn group(gid: u32) -> Option<String> {
    name_of("/etc/group", gid)
}

/// The number of a group, by name or by number.
pub(crate) fn group_number(group: &str) -> Option<u32> {
    group.parse().ok().or_else(|| entries("/etc/group").find(|(name, _)| name == group).map(|(_, gid)| gid))
}

fn name_of(file: &str, number: u32) -> Option<String> {
    entries(file).find(|(_, id)| *id == number).map(|(name, _)| name)
}

/// Name and number of each entry (`name:x:number:…`, passwd(5), group(5)).
fn entries(file: &str) -> impl Iterator<Item = (String, u32)> {
    File::open(file)
        .ok()
        .into_iter()
        .flat_map(|file| BufReader::new(file.take(NAMES_BYTES_MAX)).lines().map_while(Result::ok))
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let number = fields.nth(1)?.parse().ok()?;
            Some((name, number))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_the_system_accounts() {
        assert_eq!(user(0).as_deref(), Some("root"));
        assert_eq!(group(0).as_deref(), Some("root"));
        assert_eq!(group_number("root"), Some(0));
        assert_eq!(group_number("4711"), Some(4711), "a number stands for itself");
        assert_eq!(group_number("no-such-group"), None);
        assert_eq!(user(u32::MAX - 7), None);
    }
}
