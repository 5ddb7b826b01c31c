//! Where a command writes, looked at before its work begins: no command writes over what it reads, over the data of a run, or over
//! what the program keeps in `results/`.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::record::{is_events_file, read_runs};
use crate::trial::{SPEC, SavedRun, is_of_run};

/// Folders of a run within the results: `<experiment>/<trial>/seed-<n>`.
const RUN_DEPTH: usize = 3;

/// Refuses `target` where that would replace one of the files `read`, hide among the images of a folder of them, or replace a file
/// of an experiment's or a run's own. Links and other spellings of a path do not matter.
pub(super) fn spare(target: &Path, read: &[&Path]) -> Result<(), Failure> {
    if let Some(source) = read.iter().find(|source| is_same(target, source) || is_inside(target, source)) {
        return Err(Failure::Usage(format!(
            "{}: this would write over `{}`, which the command reads or the run learned from; name another file with -o",
            target.display(),
            source.display()
        )));
    }
    if target.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) && target.is_file() {
        let target = target.display();
        return Err(Failure::Usage(format!("{target}: this would write over a spec; name another file with -o")));
    }
    match real_paths(target).iter().find_map(|path| owner(path)) {
        None => Ok(()),
        Some(owner) => Err(Failure::Usage(format!(
            "{}: a file of this name belongs to the results in `{}`; name another file with -o",
            target.display(),
            owner.display()
        ))),
    }
}

/// The files that the runs in `path` (a run, or a folder of runs) learned from, and all other runs of the same results: whoever
/// writes beside one may well meet the data of another.
pub(super) fn learned_from(path: &Path) -> Vec<PathBuf> {
    let is_experiment = |folder: &Path| folder.join("plan.json").is_file();
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // Results are the folder above the experiment that `path` lies in.
    let results = path.ancestors().take(RUN_DEPTH).find(|folder| is_experiment(folder)).and_then(Path::parent);
    let beside = results.and_then(|results| std::fs::read_dir(results).ok()).into_iter().flatten().flatten();
    let experiments = beside.map(|entry| entry.path()).filter(|folder| is_experiment(folder));
    let runs = std::iter::once(path.clone()).chain(experiments).flat_map(|folder| read_runs(&folder).directories);
    let mut files: Vec<PathBuf> = runs.flat_map(|run| SavedRun::files_of(&run)).collect();
    files.sort();
    files.dedup();
    files
}

/// Whether two paths name one file, by whatever links.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(a), Ok(b)) if a.is_file() && b.is_file() => identity(&a).map_or_else(
            || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other)),
            |id| Some(id) == identity(&b),
        ),
        _ => false,
    }
}

/// Device and number of a file, where the system tells them.
#[cfg(unix)]
fn identity(file: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

fn is_inside(target: &Path, folder: &Path) -> bool {
    folder.is_dir()
        && folder.canonicalize().is_ok_and(|folder| real_paths(target).iter().any(|path| path.starts_with(&folder)))
}

/// Where `target` is without links: the name itself, and the file that a link of that name leads to.
fn real_paths(target: &Path) -> Vec<PathBuf> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = folder.canonicalize().ok().zip(target.file_name()).map(|(folder, name)| folder.join(name));
    named.into_iter().chain(target.canonicalize().ok()).collect()
}

/// The run or experiment that a file at `path` belongs to, whether it is there yet or not.
fn owner(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|folder| {
        let Some(first) = path.strip_prefix(folder).ok().and_then(|below| below.iter().next()) else { return false };
        let first = first.to_string_lossy();
        (is_run(folder) && is_of_run(&first)) || (folder.join("plan.json").is_file() && is_of_experiment(&first))
    })
}

fn is_run(folder: &Path) -> bool {
    folder.join("manifest.json").is_file() || (folder.join(SPEC).is_file() && folder.join("checkpoints").is_dir())
}

fn is_of_experiment(name: &str) -> bool {
    ["plan.json", "trials.parquet", "aggregate"].contains(&name) || is_events_file(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["results/moons/base-1/seed-0/checkpoints", "images", "results/moons/plots"] {
            fs::create_dir_all(folder.path().join(path)).expect("made");
        }
        let files = ["own.csv", "images/1.png", "results/moons/plan.json", "results/moons/base-1/seed-0/manifest.json"];
        for path in files {
            fs::write(folder.path().join(path), "x").expect("written");
        }
        folder
    }

    #[test]
    fn what_is_read_and_what_the_program_keeps_is_spared_and_other_files_are_not() {
        let folder = folder();
        let at = |path: &str| folder.path().join(path);
        let read = [at("own.csv"), at("images")];
        let read: Vec<&Path> = read.iter().map(PathBuf::as_path).collect();
        let cases = [
            ("own.csv", false),
            ("./images/../own.csv", false),
            ("images/2.png", false),
            ("other.csv", true),
            ("results/moons/plan.json", false),
            ("results/moons/trials.parquet", false),
            ("results/moons/table.csv", true),
            ("results/moons/plots/curves.png", true),
            ("results/moons/base-1/seed-0/metrics.parquet", false),
            ("results/moons/base-1/seed-0/density.png", false),
            ("results/moons/base-1/seed-0/checkpoints/best.npy", false),
            ("results/moons/base-1/seed-0/draws.csv", true),
            ("nowhere/own.csv", true),
        ];
        for (target, allowed) in cases {
            assert_eq!(spare(&at(target), &read).is_ok(), allowed, "{target}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_the_files_they_lead_to() {
        let folder = folder();
        let at = |path: &str| folder.path().join(path);
        fs::hard_link(at("own.csv"), at("hard.csv")).expect("linked");
        std::os::unix::fs::symlink(at("own.csv"), at("soft.csv")).expect("linked");
        std::os::unix::fs::symlink(at("results/moons"), at("study")).expect("linked");
        std::os::unix::fs::symlink(at("results/moons/plan.json"), at("plan.csv")).expect("linked");
        for target in ["hard.csv", "soft.csv", "study/trials.parquet", "plan.csv"] {
            assert!(spare(&at(target), &[&at("own.csv")]).is_err(), "{target}");
        }
    }
}
