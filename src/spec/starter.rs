//! The spec that `runner init` writes: every key of a toy's spec with its default, so that it says what is done without
//! it.

use std::fmt::Write;

use super::keys::{self, Fallback, Key, SECTIONS, split};
use super::variant::When;

const HEAD: &str = "\
# An experiment for runner. All keys stand here with their defaults: leave out what you do not change.
# Lines that start with `# ` before a key are about it; `#key = …` is a key that is not set.
";

/// A commented spec of two moons.
pub fn starter() -> String {
    let mut text = String::from(HEAD);
    for (section, doc) in
        std::iter::once(&("", "")).chain(SECTIONS).filter(|(section, _)| !section.starts_with("sweep"))
    {
        if !section.is_empty() {
            // Writing to a string has no way to fail.
            let _ = write!(text, "\n# {doc}\n[{section}]\n");
        }
        for (path, rows) in keys::in_order().filter(|(path, _)| split(path).0 == *section) {
            if let Some(row) = rows.iter().find(|row| in_use(&row.when)) {
                key(&mut text, split(path).1, path, row);
            }
        }
    }
    text.push_str(SWEEP);
    text
}

const SWEEP: &str = "
# To compare values of keys, take out the `#`:
#[sweep.parameters]
#\"model.depth\" = [4, 8, 16]
#\"optimizer.learning_rate\" = [5e-4, 1e-3, 2e-3]
";

fn key(text: &mut String, name: &str, path: &str, row: &Key) {
    let unit = if row.unit.is_empty() { String::new() } else { format!(" ({})", row.unit) };
    let takes = row.kind.to_string().replace('`', "");
    let _ = match (path, row.default) {
        ("dataset.name", _) => writeln!(text, "# {} `runner list --toys` shows them.\n{name} = \"moons\"", row.doc),
        (_, Fallback::Value(value)) => {
            writeln!(text, "# {}{unit} Takes {takes}.\n{name} = {}", row.doc, value.replace('\'', "\""))
        }
        _ => writeln!(text, "# {}{unit} Takes {takes}.\n#{name} =", row.doc),
    };
}

/// Whether two moons with all defaults use a row.
fn in_use(when: &When) -> bool {
    match *when {
        When::Always | When::Toy => true,
        When::Is("dataset.name", of) => of.contains(&"moons"),
        When::Is(path, of) => keys::default_word(path).is_some_and(|word| of.contains(&word)),
        When::Without(path) => path != "dataset.name",
        When::File | When::Format(_) | When::With(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use crate::plan::spec_hash;
    use crate::spec::Overrides;

    #[test]
    fn the_starter_says_what_is_done_without_it() {
        let load = |text: &str| Folder::with(text).load(Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
        let (starter, bare) = (load(&super::starter()), load("[dataset]\nname = \"moons\"\n"));
        assert_eq!(spec_hash(&starter.spec), spec_hash(&bare.spec));
        assert_eq!((starter.spec.name, starter.spec.seeds), (bare.spec.name, bare.spec.seeds));
        assert!(starter.warnings.is_empty());
        let set: toml::Table = toml::from_str(&super::starter()).expect("TOML");
        assert_eq!(set["model"]["depth"].as_integer(), Some(bare.spec.model.depth as i64));
    }

    #[test]
    fn its_sweep_is_one_when_it_is_taken_in() {
        let text = super::starter().replace("#[sweep", "[sweep").replace("\n#\"", "\n\"");
        assert_eq!(Folder::with(text).plan(Overrides::default()).expect("a sweep").trials.len(), 9);
    }
}
