//! The reference page of the spec, made from the table of [`keys`](super::keys).

use std::fmt::Write;

use super::keys::{Fallback, Key, SECTIONS, keys, split};
use super::variant::When;

/// The reference page: all keys as Markdown tables, one a section.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for (section, doc) in std::iter::once(&("", "")).chain(SECTIONS) {
        let rows: Vec<_> = keys().iter().filter(|key| split(key.path()).0 == *section).collect();
        if rows.is_empty() {
            continue;
        }
        // Writing to a string has no way to fail.
        let _ = match section.is_empty() {
            true => write!(page, "\n## Above all sections\n"),
            false => write!(page, "\n## [{section}]\n\n{doc}\n"),
        };
        page.push_str("\n| key | type and range | default | unit | meaning | used |\n|---|---|---|---|---|---|\n");
        for key in rows {
            let default = match key.default {
                Fallback::Required => "required".to_owned(),
                Fallback::Absent => "—".to_owned(),
                Fallback::Value(value) => format!("`{value}`"),
            };
            let cells = [key.path(), &key.kind.to_string(), &default, key.unit, key.doc, &used(key.when)];
            let [path, kind, default, unit, doc, used] = cells.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(page, "| `{path}` | {kind} | {default} | {unit} | {doc} | {used} |");
        }
    }
    page
}

const HEAD: &str = "\
# Keys of a spec

The specs in this folder are complete; each says at its top what it shows and what it should reach. Here are all keys. A
key that a variant does not use is an error there, and so are unknown keys, wrong types and values out of range:
`runner check SPEC` shows all of them at once. `runner schema` prints this table as a JSON Schema, with which Taplo and
Tombi complete and check specs in an editor.

This page is generated from the table that the program checks specs with, `src/spec/keys/`.
";

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
        When::Format(of) => of.join(", "),
        When::Is(path, values) => format!("`{path}` is {}", values.join(" or ")),
        When::Without(path) => format!("without `{path}`"),
        When::With(path) => format!("with `{path}`"),
        When::Both(one, other) => format!("{} and {}", used(*one), used(*other)),
    }
}

#[cfg(test)]
mod tests {
    /// `RUNNER_BLESS=1 cargo test --release reference` writes the page.
    #[test]
    fn experiments_hold_the_reference_of_all_keys() -> std::io::Result<()> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/README.md");
        let expected = super::reference();
        if std::env::var_os("RUNNER_BLESS").is_some() {
            std::fs::write(&path, expected)?;
        } else {
            let page = std::fs::read_to_string(&path)?;
            assert_eq!(page, expected, "the page is stale: RUNNER_BLESS=1 cargo test --release reference");
        }
        Ok(())
    }
}
