//! Names and hashes that tell trials apart: from what a trial is, never from its place in a list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::spec::Spec;
use crate::spec::keys::{self, Key};

/// Longest readable part of an id, in bytes; file systems take names of 255.
const LONGEST: usize = 150;

/// SHA-256, as 64 hex digits, of the resolved spec without `name` and `seeds`: equal for trials that compute the same. A
/// data file counts with its path as the spec writes it, so that the same study has the same ids on every machine. A key that
/// came after the first release counts only where it is not what there was before it, so that an upgrade leaves ids as they are.
pub fn spec_hash(spec: &Spec) -> String {
    hash(spec)
}

/// As [`spec_hash`], but wherever the data files are: `spec.toml` in a run's folder names them by absolute paths, the spec it
/// was trained from need not.
pub fn settings_hash(spec: &Spec) -> String {
    hash(&spec.with_files(|_| PathBuf::from("data")))
}

/// The spec that has the [`spec_hash`] `expected`, where it is `spec` but for the paths of its data files: `spec.toml` in a run's
/// folder names them by absolute paths, whose ends are what was written.
pub fn as_written(spec: &Spec, expected: &str) -> Option<Spec> {
    let files = spec.dataset.files();
    let folders = files.iter().flat_map(|(_, path)| path.ancestors().skip(1));
    let relative_to = |folder: &Path, start: &str| {
        let shorten = |path: &Path| {
            path.strip_prefix(folder).map_or_else(|_| path.to_owned(), |rest| Path::new(start).join(rest))
        };
        Spec { folder: folder.to_owned(), ..spec.with_files(shorten) }
    };
    let relative = folders.flat_map(|folder| ["", "."].map(|start| relative_to(folder, start)));
    std::iter::once(spec.clone()).chain(relative).find(|spec| hash(spec) == expected)
}

fn hash(spec: &Spec) -> String {
    // A spec is plain data with string keys and finite numbers, so it has a JSON form.
    let value = serde_json::to_value(spec).expect("a spec has a JSON form");
    digest(&value, |path| keys::rows(path).map(|(_, rows)| rows[0]))
}

/// The hash of a spec given as JSON; `row` is the table of keys.
fn digest<'a>(spec: &serde_json::Value, row: impl Fn(&str) -> Option<&'a Key>) -> String {
    let mut leaves = BTreeMap::new();
    flatten("", spec, &mut leaves);
    let hashed = |(path, value): (String, &serde_json::Value)| match row(&path) {
        _ if path == "name" || path == "seeds" => None,
        Some(key) => key.hashed(value).map(|(path, value)| (path.to_owned(), value)),
        None => Some((path, value.to_string())),
    };
    // Sorted lines: neither the order of fields in the types nor that in the file may change an id.
    let lines: BTreeMap<String, String> = leaves.into_iter().filter_map(hashed).collect();
    let text: String = lines.iter().map(|(path, value)| format!("{path} = {value}\n")).collect();
    hex(&Sha256::digest(text.as_bytes()))
}

fn flatten<'a>(prefix: &str, value: &'a serde_json::Value, leaves: &mut BTreeMap<String, &'a serde_json::Value>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&path, value, leaves);
            }
        }
        leaf => {
            leaves.insert(prefix.to_owned(), leaf);
        }
    }
}

/// For every dotted key the shortest end of it that no other key shares: `depth` for `model.depth`, but
/// `optimizer.name` beside `dataset.name`.
pub(crate) fn short_names<'a>(keys: &BTreeSet<&'a str>) -> BTreeMap<&'a str, &'a str> {
    let shared = |end: &str, own: &str| {
        keys.iter()
            .any(|key| *key != own && (*key == end || key.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))))
    };
    let shortest = |key: &'a str| {
        let starts = key.match_indices('.').map(|(i, _)| i + 1).rev();
        starts.map(|start| &key[start..]).find(|end| !shared(end, key)).unwrap_or(key)
    };
    keys.iter().map(|key| (*key, shortest(key))).collect()
}

/// The readable part of an id: `depth=8,width=128`, or `base` without overrides. Safe as a folder's name.
pub(crate) fn readable(overrides: &BTreeMap<String, toml::Value>, names: &BTreeMap<&str, &str>) -> String {
    let pairs: Vec<_> = overrides
        .iter()
        .map(|(key, value)| {
            let name = names.get(key.as_str()).copied().unwrap_or(key);
            safe(&format!("{name}={}", plain(value)))
        })
        .collect();
    if pairs.is_empty() {
        return "base".to_owned();
    }
    let mut text = pairs.join(",");
    if text.len() > LONGEST {
        // Only ASCII is left, so every byte is a boundary; the hash tells apart what is cut off.
        text.truncate(LONGEST - 1);
        text.push('~');
    }
    text
}

/// A value as it is shown in an id: text without quotes, numbers as a spec writes them.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        // As in a spec: 0.001, and 1e-5 rather than 0.00001.
        toml::Value::Float(value) if *value != 0.0 && !(1e-3..1e6).contains(&value.abs()) => format!("{value:e}"),
        toml::Value::Float(value) => value.to_string(),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("+"),
        other => other.to_string(),
    }
}

fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "=._+-".contains(c) { c } else { '_' }).collect()
}

/// The number of hash digits needed to tell all `ids`, pairs of readable part and hash, apart: 8, or more where two hashes
/// begin alike.
pub(crate) fn digits_needed(ids: &[(String, String)]) -> usize {
    let unique = |digits: &usize| {
        let short: BTreeSet<_> = ids.iter().map(|(text, hash)| (text.as_str(), &hash[..*digits])).collect();
        let full: BTreeSet<_> = ids.iter().collect();
        short.len() == full.len()
    };
    [8, 16, 32].into_iter().find(unique).unwrap_or(64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Trial;
    use crate::spec::Defaults;
    use crate::spec::keys::{Fallback, Since, choice, row};
    use crate::spec::tests::plan_of;

    const BATCH_NORM: &str = "[dataset]\nname = \"pinwheel\"\ntrain = 3_000\n[model]\nmask = \"random\"\nnormalization = \"batch\"\n\
                              [optimizer]\nname = \"sgd\"\nschedule = \"step\"\n[training]\nepochs = 3\n\
                              kernel = \"composed\"\n";

    /// Hashes that runner 0.1.0 gave, with which it named its results.
    const HASHES: [(&str, &str); 3] = [
        ("[dataset]\nname = \"moons\"\n", "7be43e4c1c28577ed3b0d1858edf4b7f341455a8c581a29da4a7c917e8cfec3d"),
        (BATCH_NORM, "080167561990e32b28720456bfbf27c63ac4492584952d268722928122d18a8c"),
        (
            "[dataset]\npath = \"data.csv\"\ndecimal = \",\"\ndelimiter = \";\"\ntrain = 0.5\nlogit = 0.05\n\
             dequantize = [1, 0]\n[optimizer]\nname = \"rmsprop\"\nmomentum = 0.5\n",
            "355a82b2f00651d42f2da92789bb26645e017067ab3b57f0a26cbb235c0b4aff",
        ),
    ];

    /// The trial of a spec with the defaults of the first release.
    fn first(text: &str) -> Trial {
        plan_of(Defaults::First, text).expect("a plan").trials.remove(0)
    }

    #[test]
    fn specs_have_the_hashes_that_the_first_release_gave_them() {
        for (text, hash) in HASHES {
            assert_eq!(first(text).spec_hash, hash, "{text}");
        }
    }

    #[test]
    fn keys_that_a_later_release_adds_leave_hashes_as_they_are_until_they_are_used() {
        let precision = row("training.precision", choice(&["f32", "tf32"]), Fallback::Value("'f32'"), "", "");
        let added = precision.since(Since::Later).key();
        let table =
            |path: &str| Some(&added).filter(|key| key.path() == path).or(keys::rows(path).map(|(_, rows)| rows[0]));
        let hash_with = |normalization: &str, precision: &str| {
            let mut spec: Value = serde_json::to_value(first(HASHES[0].0).spec).expect("JSON");
            spec["model"]["normalization"] = json!(normalization);
            spec["training"]["precision"] = json!(precision);
            digest(&spec, table)
        };
        assert_eq!(hash_with("none", "f32"), HASHES[0].1);
        let used = [hash_with("act", "f32"), hash_with("batch", "f32"), hash_with("none", "tf32")];
        let different: BTreeSet<&str> = used.iter().map(String::as_str).chain([HASHES[0].1]).collect();
        assert_eq!(different.len(), 4);
    }

    /// As the first release stored them: with `batch_norm`, and without keys that came later.
    #[test]
    fn stored_specs_of_the_first_release_have_the_hashes_that_it_gave_them() {
        for ((text, hash), batch_norm) in HASHES.iter().zip([false, true, false]) {
            let mut stored = serde_json::to_value(first(text).spec).expect("JSON");
            let model = stored["model"].as_object_mut().expect("a table");
            model.retain(|key, _| {
                keys::rows(&format!("model.{key}")).is_some_and(|(_, rows)| rows[0].since == Since::First)
            });
            model.insert("batch_norm".to_owned(), json!(batch_norm));
            let toml = toml::to_string(&stored).expect("TOML");
            for spec in [toml::from_str::<Spec>(&toml).expect(&toml), serde_json::from_value(stored).expect("a spec")] {
                assert_eq!(spec_hash(&spec), *hash, "{toml}");
            }
        }
    }

    #[test]
    fn keys_are_called_by_the_shortest_name_that_is_theirs_alone() {
        let cases: [(&[&str], &[&str]); 4] = [
            (&["model.depth", "model.width"], &["depth", "width"]),
            (&["dataset.name", "optimizer.name"], &["dataset.name", "optimizer.name"]),
            (&["optimizer.name", "optimizer.schedule.name"], &["optimizer.name", "schedule.name"]),
            (&["dataset.seed", "model.depth"], &["seed", "depth"]),
        ];
        for (keys, expected) in cases {
            let set: BTreeSet<_> = keys.iter().copied().collect();
            let names = short_names(&set);
            assert_eq!(keys.iter().map(|key| names[key]).collect::<Vec<_>>(), expected, "{keys:?}");
        }
    }

    #[test]
    fn readable_parts_are_safe_folder_names_of_bounded_length() {
        let float = toml::Value::Float;
        let cases: Vec<(&str, toml::Value, &str)> = vec![
            ("depth", 8.into(), "depth=8"),
            ("rate", float(0.001), "rate=0.001"),
            ("rate", float(1e-5), "rate=1e-5"),
            ("rate", float(1.0), "rate=1"),
            ("rate", float(0.0), "rate=0"),
            ("path", "../data/ü b.csv".into(), "path=.._data___b.csv"),
            ("betas", vec![float(0.9), float(0.99)].into(), "betas=0.9+0.99"),
            ("norm", true.into(), "norm=true"),
        ];
        for (key, value, expected) in cases {
            assert_eq!(readable(&BTreeMap::from([(key.to_owned(), value)]), &BTreeMap::new()), expected);
        }
        let long = readable(&BTreeMap::from([("key".to_owned(), "x".repeat(1_000).into())]), &BTreeMap::new());
        assert_eq!(long.len(), LONGEST);
        assert_eq!(readable(&BTreeMap::new(), &BTreeMap::new()), "base");
    }

    #[test]
    fn ids_get_longer_only_where_short_hashes_meet() {
        let id = |text: &str, hash: &str| (text.to_owned(), format!("{hash:0<64}"));
        assert_eq!(digits_needed(&[id("a", "12345678"), id("a", "12345679"), id("b", "12345678")]), 8);
        assert_eq!(digits_needed(&[id("a", "12345678aa"), id("a", "12345678bb")]), 16);
    }
}
