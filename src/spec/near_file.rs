//! The file that was meant by a path where none is.

use std::path::{Path, PathBuf};

use super::suggest::nearest;

/// The path of a file in the same folder whose name is near that of `path`: another stem with the same extension, or else the
/// same stem with another.
pub(crate) fn near_file(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let names = std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let (stem, end) = parts(name);
    let stems = names.iter().map(|other| parts(other)).filter(|(_, other)| *other == end).map(|(stem, _)| stem);
    let same_stem = || names.iter().find(|other| parts(other).0 == stem).cloned();
    let found = nearest(stem, stems).map(|stem| format!("{stem}{end}")).or_else(same_stem)?;
    Some(path.with_file_name(found))
}

/// What stands before the first dot behind the start of a name, and the rest.
fn parts(name: &str) -> (&str, &str) {
    let dot = name.char_indices().skip(1).find(|(_, letter)| *letter == '.').map_or(name.len(), |(at, _)| at);
    name.split_at(dot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_near_name_in_the_same_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["lakes.csv", "lakes.toml", "rivers.csv.gz", "a.csv"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let cases = [
            ("lake.csv", Some("lakes.csv")),
            ("lakse.toml", Some("lakes.toml")),
            ("river.csv.gz", Some("rivers.csv.gz")),
            ("rivers.csv", Some("rivers.csv.gz")),
            ("b.csv", None),
            ("oceans.csv", None),
        ];
        for (name, expected) in cases {
            let found = near_file(&folder.path().join(name));
            assert_eq!(found, expected.map(|name| folder.path().join(name)), "{name}");
        }
        assert_eq!(near_file(&folder.path().join("none/lakes.csv")), None);
    }
}
