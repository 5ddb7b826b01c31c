//! What the fuzz targets in `fuzz/` start from, judged here too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Folder;
use super::judge::judge;
use crate::spec::keys::{SECTIONS, in_order};

/// The words that specs are made of: keys, sections and their parts, choices, the keys of a range, and odd values.
pub(super) fn words() -> Vec<String> {
    let keys = in_order().map(|(path, _)| path).chain(SECTIONS.iter().map(|(section, _)| *section));
    let mut words: BTreeSet<&str> = keys.flat_map(|path| std::iter::once(path).chain(path.split('.'))).collect();
    words.extend(in_order().flat_map(|(_, rows)| rows.iter().flat_map(|row| row.kind.choices().unwrap_or_default())));
    words.extend([
        "min",
        "max",
        "scale",
        "log",
        "step",
        "points",
        "integer",
        "fresh",
        "cuda:1",
        "base.toml",
        "data.csv",
    ]);
    words.extend(["true", "inf", "nan", "-0.0", "5e-324", "1e308", "9223372036854775807", "9223372036854775808"]);
    words.extend(["1979-05-27", "0x1f", "1e-4", "0.5", "64", "[sweep.parameters]", "[[", "= {", "\"\"\"", "'''"]);
    words.into_iter().map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `RUNNER_BLESS=1 cargo test --release dictionary` writes it.
#[test]
fn the_dictionary_of_the_fuzz_targets_has_all_words() -> std::io::Result<()> {
    let path = root().join("fuzz/words.dict");
    let expected: String = words().iter().map(|word| format!("{word:?}\n")).collect();
    if std::env::var_os("RUNNER_BLESS").is_some() {
        std::fs::write(&path, expected)?;
    } else {
        let found = std::fs::read_to_string(&path)?;
        assert_eq!(found, expected, "stale: RUNNER_BLESS=1 cargo test --release dictionary");
    }
    Ok(())
}

#[test]
fn every_seed_of_the_fuzz_targets_and_every_first_half_of_one_is_judged() -> std::io::Result<()> {
    let folder = Folder::with("");
    let mut seeds: Vec<PathBuf> = Vec::new();
    for folder in ["experiments", "tests/broken"] {
        seeds.extend(std::fs::read_dir(root().join(folder))?.filter_map(|entry| Some(entry.ok()?.path())));
    }
    seeds.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    assert!(seeds.len() > 100, "{}", seeds.len());
    for seed in seeds {
        let bytes = std::fs::read(seed)?;
        for part in [&bytes[..], &bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
            std::fs::write(folder.path("moons.toml"), part)?;
            judge(&folder.path("moons.toml"), &[], 64);
        }
    }
    Ok(())
}
