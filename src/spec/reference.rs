//! The reference table of the spec, made from the table of [`keys`](super::keys).

use std::fmt::Write;

use super::keys::{Fallback, Key, keys};
use super::variant::When;

/// All keys as a Markdown table: key, type, default, meaning and unit, and which specs use it.
pub fn reference() -> String {
    let mut table = String::from("| key | type and range | default | meaning | used |\n|---|---|---|---|---|\n");
    for key in keys() {
        let default = match key.default {
            Fallback::Required => "required".to_owned(),
            Fallback::Absent => "—".to_owned(),
            Fallback::Value(value) => format!("`{value}`"),
        };
        let kind = key.kind.to_string().replace('|', "\\|");
        // Writing to a string has no way to fail.
        let _ = writeln!(table, "| `{}` | {kind} | {default} | {} | {} |", key.path(), meaning(key), used(key.when));
    }
    table
}

/// What a key means, with its unit.
pub(super) fn meaning(key: &Key) -> String {
    if key.unit.is_empty() { key.doc.to_owned() } else { format!("{} ({})", key.doc, key.unit) }
}

/// Which specs use a key.
pub(super) fn used(when: When) -> String {
    match when {
        When::Always => "always".to_owned(),
        When::Toy => "toys".to_owned(),
        When::File => "files".to_owned(),
        When::Is(path, values) => format!("`{path}` is {}", values.join(" or ")),
        When::IsNot(path, value) => format!("`{path}` is not {value}"),
        When::Without(path) => format!("without `{path}`"),
    }
}

#[cfg(test)]
mod tests {
    /// `RUNNER_BLESS=1 cargo test --release reference` writes the table into the README.
    #[test]
    fn readme_holds_the_reference_of_all_keys() -> std::io::Result<()> {
        const BEGIN: &str = "<!-- keys: generated, see src/spec/reference.rs -->\n";
        const END: &str = "<!-- end of keys -->";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = std::fs::read_to_string(&path)?;
        let (before, rest) = readme.split_once(BEGIN).expect("the README marks where the keys begin");
        let (table, after) = rest.split_once(END).expect("the README marks where the keys end");
        let expected = super::reference();
        if std::env::var_os("RUNNER_BLESS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}"))?;
        } else {
            assert_eq!(table, expected, "the README is stale: RUNNER_BLESS=1 cargo test --release reference");
        }
        Ok(())
    }
}
