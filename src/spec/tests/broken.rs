//! Broken specs, one by one in `tests/broken`, and here several problems at once.

use super::Folder;
#[cfg(not(feature = "cuda"))]
use super::{plan, shown};
use crate::spec::{Overrides, load};

const MOONS: &str = "[dataset]\nname = \"moons\"\n";

/// The texts of `tests/broken`.
pub(super) fn texts() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let specs = files.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    specs.map(|path| std::fs::read_to_string(path).expect("text")).collect()
}

#[test]
fn five_typos_in_one_file_give_five_diagnostics_with_suggestions() {
    let text = "sedes = [1]\n\n[dataset]\nname = \"mons\"\n\n[model]\nwdith = 4\nmask = \"haf\"\n\n[training]\nbatchsize = 5\n";
    let folder = Folder::with(text);
    let problems = folder.load(Overrides::default()).expect_err("five typos");
    let places: Vec<_> = problems.iter().map(|d| (d.line, d.column, d.help.as_deref().unwrap_or_default())).collect();
    let expected = [
        (1, 1, "did you mean `seeds`?"),
        (4, 8, "did you mean `moons`?"),
        (7, 1, "did you mean `width`?"),
        (8, 8, "did you mean `half`?"),
        (11, 1, "did you mean `batch_size`?"),
    ];
    assert_eq!(places, expected);
    let text = problems.to_string();
    for (line, column, help) in expected {
        let place = format!("{}:{line}:{column}", folder.path("moons.toml").display());
        assert!(text.contains(&place) && text.contains(help), "{text}");
    }
}

#[test]
fn all_files_and_overrides_are_reported_in_one_pass_in_source_order() {
    let folder = Folder::with("[dataset]\nname = \"moons\"\n[model]\ndepht = 1\n");
    let second = folder.add("circles.toml", "[dataset]\nname = \"circles\"\n[training]\nsteps = 0\n");
    let paths = [folder.path("moons.toml"), folder.path("gone.toml"), second];
    let overrides = Overrides::default().set("model.witdh=3").set("optimizer.name=adm");
    let problems = load(&paths, overrides).expect_err("five problems");
    let found: Vec<_> = problems.iter().map(|d| (d.file.rsplit('/').next(), d.line, d.column)).collect();
    let expected = [
        (Some("moons.toml"), 4, 1),
        (Some("gone.toml"), 1, 1),
        (Some("circles.toml"), 4, 9),
        (Some("--set"), 1, 7),
        (Some("--set"), 1, 16),
    ];
    assert_eq!(found, expected, "{problems}");
    assert!(problems.to_string().contains("cannot read the spec"), "{problems}");
}

#[test]
fn two_specs_of_one_name_in_one_command_are_refused() {
    let folder = Folder::with(MOONS);
    let second = folder.add("other.toml", &format!("name = \"moons\"\n{MOONS}"));
    let problems = load(&[folder.path("moons.toml"), second], Overrides::default()).expect_err("one name");
    assert_eq!(problems.len(), 1);
    let text = problems.to_string();
    assert!(text.contains("other.toml:1:8") && text.contains("experiment `moons` is in"), "{text}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_was_not_compiled_in_says_how_to_build_it() {
    let problems = plan(&format!("device = \"cuda:1\"\n{MOONS}")).expect_err("no CUDA here");
    let found = shown(&problems);
    assert!(
        found[0].starts_with("1:10 `cuda:1` is not in this build") && found[0].contains("--features cuda"),
        "{found:?}"
    );
}
