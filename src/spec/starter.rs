//! The spec that `runner init` writes: every key with its default, or with the value that suits a file, so that it says what is done
//! without it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::fit::fits_the_run;
use super::keys::{self, Fallback, Key, SECTIONS, split};
use super::variant::When;

const HEAD: &str = "\
# An experiment for runner. All keys stand here with their defaults: leave out what you do not change.
# Lines that start with `# ` before a key are about it; `#key = …` is a key that is not set, with its default, if it has one,
# which is made to fit where the run is short or the training rows are few.
";

/// What a spec for a file says beside the defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileStart {
    /// Name of the file's format.
    pub format: &'static str,
    /// Keys with their values.
    pub values: BTreeMap<&'static str, toml::Value>,
    /// What was seen in the file, a sentence each.
    pub seen: Vec<String>,
}

/// A commented spec of two moons, in which the keys for files stand too, or of a file.
pub fn starter(file: Option<&FileStart>) -> String {
    let mut text = String::from(HEAD);
    for (section, doc) in
        std::iter::once(&("", "")).chain(SECTIONS).filter(|(section, _)| !section.starts_with("sweep"))
    {
        if !section.is_empty() {
            // Writing to a string has no way to fail.
            let _ = write!(text, "\n# {doc}\n[{section}]\n");
        }
        if *section == "dataset" {
            file.iter().flat_map(|file| &file.seen).for_each(|seen| text.push_str(&format!("# Seen: {seen}\n")));
        }
        let rows = || keys::in_order().filter(|(path, _)| split(path).0 == *section);
        let used = |rows: &[&'static Key]| rows.iter().copied().find(|row| in_use(&row.when, file));
        for (path, rows) in rows() {
            if let Some(row) = used(rows) {
                key(&mut text, path, row, file);
            }
        }
        if *section == "dataset" && file.is_none() {
            text.push_str(FILES);
            for (path, rows) in rows().filter(|(_, rows)| used(rows).is_none()) {
                if let Some(row) =
                    rows.iter().find(|row| !matches!(row.when, When::Is(..) | When::Both(..) | When::Toy))
                {
                    commented(&mut text, split(path).1, row);
                }
            }
        }
    }
    text.push_str(SWEEP);
    text
}

const FILES: &str = "
# To learn a file instead of a toy, take out the keys of the toy above and the `#` before `path`; `runner init --data FILE` writes a
# spec that suits the file. The other keys for files:
";

const SWEEP: &str = "
# To compare values of keys, take out the `#`:
#[sweep.parameters]
#\"model.depth\" = [4, 8, 16]
#\"optimizer.learning_rate\" = [5e-4, 1e-3, 2e-3]
";

fn key(text: &mut String, path: &str, row: &Key, file: Option<&FileStart>) {
    let name = split(path).1;
    let value = match (path, file) {
        (_, Some(file)) if file.values.contains_key(path) => file.values[path].to_string(),
        ("dataset.name", None) => "\"moons\"".to_owned(),
        _ => match row.default {
            // Set, it would not fit a shorter run.
            Fallback::Value(_) if fits_the_run(path) => return commented(text, name, row),
            Fallback::Value(value) => value.replace('\'', "\""),
            Fallback::Required | Fallback::Absent => return commented(text, name, row),
        },
    };
    let _ = writeln!(text, "{}\n{name} = {value}", about(path, row));
}

/// A key that is not set.
fn commented(text: &mut String, name: &str, row: &Key) {
    let value = match row.default {
        Fallback::Value(value) => format!(" {}", value.replace('\'', "\"")),
        Fallback::Required | Fallback::Absent => String::new(),
    };
    let _ = writeln!(text, "{}\n#{name} ={value}", about(name, row));
}

fn about(path: &str, row: &Key) -> String {
    let unit = if row.unit.is_empty() { String::new() } else { format!(" ({})", row.unit) };
    match path {
        "dataset.name" => format!("# {} `runner list --toys` shows them.", row.doc),
        _ => format!("# {}{unit} Takes {}.", row.doc, row.kind.to_string().replace('`', "")),
    }
}

/// Whether two moons, or the file, with all defaults use a row.
fn in_use(when: &When, file: Option<&FileStart>) -> bool {
    match (*when, file) {
        (When::Always, _) => true,
        (When::Toy, _) => file.is_none(),
        (When::File, _) => file.is_some(),
        (When::Format(of), file) => file.is_some_and(|file| of.contains(&file.format)),
        (When::Is("dataset.name", of), _) => file.is_none() && of.contains(&"moons"),
        (When::Is(path, of), file) => {
            let said = file.and_then(|file| file.values.get(path)).and_then(toml::Value::as_str);
            said.or(keys::default_word(path)).is_some_and(|word| of.contains(&word))
        }
        (When::Without("dataset.name"), _) => file.is_some(),
        (When::Without(_), _) => true,
        (When::With(path), file) => file.is_some_and(|file| file.values.contains_key(path)),
        (When::Both(one, other), _) => in_use(one, file) && in_use(other, file),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;
    use crate::plan::spec_hash;
    use crate::spec::Overrides;

    #[test]
    fn the_starter_says_what_is_done_without_it() {
        let load = |text: &str| Folder::with(text).load(Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
        let (starter, bare) = (load(&super::starter(None)), load("[dataset]\nname = \"moons\"\n"));
        assert_eq!(spec_hash(&starter.spec), spec_hash(&bare.spec));
        assert_eq!((starter.spec.name, starter.spec.seeds), (bare.spec.name, bare.spec.seeds));
        assert!(starter.warnings.is_empty());
        let set: toml::Table = toml::from_str(&super::starter(None)).expect("TOML");
        assert_eq!(set["model"]["depth"].as_integer(), Some(bare.spec.model.depth as i64));
    }

    #[test]
    fn a_files_starter_says_what_suits_the_file_and_else_the_defaults() {
        let values = BTreeMap::from([("dataset.path", "data.csv".into()), ("dataset.drop", vec!["b"].into())]);
        let file = FileStart { format: "csv", values, seen: vec!["`b` is the same in every row".to_owned()] };
        let text = super::starter(Some(&file));
        let load = |text: &str| Folder::with(text).load(Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
        let (starter, bare) = (load(&text), load("[dataset]\npath = \"data.csv\"\ndrop = [\"b\"]\n"));
        assert_eq!(spec_hash(&starter.spec), spec_hash(&bare.spec));
        assert!(text.contains("# Seen: `b` is the same in every row\n"), "{text}");
    }

    #[test]
    fn the_keys_for_files_stand_in_every_starter() {
        let text = super::starter(None);
        for key in ["path", "format", "drop", "label", "missing", "dequantize", "logit", "bounds"] {
            assert!(text.contains(&format!("\n#{key} =")), "{key}");
        }
    }

    #[test]
    fn its_sweep_is_one_when_it_is_taken_in() {
        let text = super::starter(None).replace("#[sweep", "[sweep").replace("\n#\"", "\n\"");
        assert_eq!(Folder::with(text).plan(Overrides::default()).expect("a sweep").trials.len(), 9);
    }
}
