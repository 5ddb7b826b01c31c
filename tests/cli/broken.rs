//! Broken specs: `tests/broken/*.toml`, each beside what is said about it, `*.stderr`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workplace::Workplace;

fn files(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension() == Some(OsStr::new(extension))).collect();
    files.sort();
    files
}

/// `RUNNER_BLESS=1 cargo test --release broken` writes what is said; read the difference before it is kept.
#[test]
fn every_broken_spec_is_refused_with_the_words_expected_and_nothing_is_written() {
    let here = Workplace::new();
    for path in files("csv").iter().chain(&files("txt")) {
        here.write(&path.file_name().expect("a name").to_string_lossy(), fs::read(path).expect("data"));
    }
    let specs = files("toml");
    assert!(specs.len() >= 60, "{}", specs.len());
    for path in &specs {
        here.write(&path.file_name().expect("a name").to_string_lossy(), fs::read(path).expect("a spec"));
    }
    let before = here.files();
    let mut wrong = Vec::new();
    for path in &specs {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let ended = here.runner(&name).expect(2);
        assert_eq!(ended.stdout, "", "{name}");
        let expected = path.with_extension("stderr");
        if std::env::var_os("RUNNER_BLESS").is_some() {
            fs::write(&expected, &ended.stderr).expect("written");
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&ended.stderr) {
            wrong.push(format!("{}\n{}", expected.display(), ended.stderr));
        }
    }
    assert!(wrong.is_empty(), "{} cases say something else:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(here.files(), before, "something was written");
}
