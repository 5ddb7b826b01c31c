//! The rooms in the order in which data pass through them. No import runs back, and `ARCHITECTURE.md` knows them all.

use std::fs;
use std::path::{Path, PathBuf};

/// A room imports from its own row and from those above.
const ROOMS: &[&[&str]] = &[
    // Used everywhere, and knowing of no room.
    &[
        "atomic",
        "columns",
        "gamma",
        "hex",
        "locks",
        "matrix",
        "process",
        "quantity",
        "random",
        "shape",
        "statistics",
        "student_t",
    ],
    &["importance"],
    &["toys"],
    &["spec"],
    &["search"],
    &["plan"],
    &["data"],
    &["compute"],
    &["layers"],
    // A flow is trained in one go with its updates.
    &["optimizer"],
    &["flow"],
    &["kernel"],
    &["train"],
    &["diagnose"],
    // Listeners of training: the terminal's view, and the files.
    &["progress"],
    &["record"],
    &["report"],
    &["trial"],
    &["engine"],
    &["cli"],
];

/// The files of Rust below `path`, or `path` itself; those of tests left out.
fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().expect("a name").to_string_lossy();
    if path.is_dir() && name != "tests" {
        let entries = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
        return entries.flat_map(|path| files(&path)).collect();
    }
    let is_code = path.is_file() && name.ends_with(".rs") && !name.ends_with("tests.rs");
    is_code.then(|| path.to_owned()).into_iter().collect()
}

/// The rooms that a text of Rust names, its tests left out.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let after = code.split("crate::").skip(1);
    after.map(|rest| rest.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next().unwrap_or_default())
}

#[test]
fn no_import_runs_back() {
    let rank = |room: &str| ROOMS.iter().position(|row| row.contains(&room));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    for file in files(&source) {
        let place = file.strip_prefix(&source).expect("a file of the source");
        let room = place.iter().next().expect("a name").to_string_lossy();
        let room = room.trim_end_matches(".rs");
        if ["lib", "main", "rooms"].contains(&room) {
            continue;
        }
        let own = rank(room).unwrap_or_else(|| panic!("`{room}` stands in no row"));
        let text = fs::read_to_string(&file).expect("a file");
        for imported in named(&text) {
            let theirs = rank(imported).unwrap_or_else(|| panic!("{}: `crate::{imported}`", place.display()));
            assert!(theirs <= own, "{} imports from `{imported}`, which comes behind `{room}`", place.display());
            imports += 1;
        }
    }
    assert!(imports > 100, "{imports} imports found");
}

#[test]
fn every_path_of_the_architecture_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the page");
    // What stands between backticks; paths of results begin otherwise.
    let quoted = page.split('`').skip(1).step_by(2);
    let paths: Vec<&str> =
        quoted.filter(|it| ["src/", "tests/", "experiments/"].iter().any(|top| it.starts_with(top))).collect();
    for path in &paths {
        assert!(root.join(path).exists(), "ARCHITECTURE.md names `{path}`, which is not there");
    }
    for room in ROOMS.iter().flat_map(|row| *row).filter(|room| root.join("src").join(room).is_dir()) {
        assert!(paths.contains(&format!("src/{room}/").as_str()), "ARCHITECTURE.md does not name the room `{room}`");
    }
}
