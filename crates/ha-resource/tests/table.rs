//! The documented table is the one that the code follows.

use std::path::Path;

/// After a wanted change: `UPDATE_TABLE=1 cargo test -p ha-resource --test table`, and read the difference.
#[test]
fn the_documented_table_is_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/resource-states.md");
    let table = ha_resource::state_table();
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(&path, &table).expect("the reference can be written");
    }
    let documented = std::fs::read_to_string(&path).expect("the reference exists");
    assert_eq!(documented, table, "docs/reference/resource-states.md differs from the code");
}
