//! Runs that are there under several names. A trial is what it computes (its hash), not what it is called: a key that is swept or
//! overridden only later gives it another name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Manifest;
use crate::train::Status;

/// Keeps of every run (experiment, hash and seed) one directory, the one that has come furthest, and calls all seeds of a trial by
/// one name, which most of its finished runs have. Returns the directories that are left out.
pub(super) fn once_each(found: &mut Vec<(Manifest, PathBuf)>) -> Vec<PathBuf> {
    let names = names(found);
    let name = |run: &Manifest| names.get(&trial(run)).cloned().unwrap_or_else(|| run.trial.clone());
    found.sort_by_cached_key(|(run, directory)| {
        (trial(run), run.seed, rank(run.status), run.trial != name(run), directory.clone())
    });
    let mut repeated = Vec::new();
    let mut kept: Vec<(Manifest, PathBuf)> = Vec::with_capacity(found.len());
    for (run, directory) in found.drain(..) {
        match kept.last() {
            Some((last, _)) if (trial(last), last.seed) == (trial(&run), run.seed) => repeated.push(directory),
            _ => kept.push((run, directory)),
        }
    }
    for (run, _) in &mut kept {
        run.trial = name(run);
    }
    *found = kept;
    repeated
}

/// Two runs are of one trial where these are equal: experiment and hash.
fn trial(run: &Manifest) -> (String, String) {
    (run.experiment.clone(), run.spec_hash.clone())
}

/// For every name of a trial how many of its runs have it: finished ones, and all.
type Counts<'a> = BTreeMap<&'a str, (usize, usize)>;

/// The name of every trial: which most of its finished runs have, then most of its runs, then the first of the alphabet.
fn names(found: &[(Manifest, PathBuf)]) -> BTreeMap<(String, String), String> {
    let mut counts: BTreeMap<_, Counts> = BTreeMap::new();
    for (run, _) in found {
        let (finished, all) = counts.entry(trial(run)).or_default().entry(&run.trial).or_default();
        *finished += usize::from(run.status == Status::Finished);
        *all += 1;
    }
    let most = |names: Counts| {
        // `max_by_key` gives the last of equal counts; reversed, that is the first name of the alphabet.
        names.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned()).unwrap_or_default()
    };
    counts.into_iter().map(|(trial, names)| (trial, most(names))).collect()
}

/// How far a run has come, the furthest first.
fn rank(status: Status) -> u8 {
    match status {
        Status::Finished => 0,
        Status::Running => 1,
        Status::Diverged => 2,
        Status::Stopped => 3,
        Status::Interrupted => 4,
        Status::Failed => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    fn run(name: &str, seed: u64, status: Status) -> (Manifest, PathBuf) {
        let trial = sample::trial(name, seed, "");
        (Manifest { status, ..Manifest::new(&trial, false, "") }, format!("{name}/seed-{seed}").into())
    }

    #[test]
    fn a_run_under_two_names_counts_once_as_the_finished_one_and_a_trial_has_one_name() {
        let mut found = vec![
            run("base", 0, Status::Finished),
            run("depth=4", 0, Status::Interrupted),
            run("depth=4", 1, Status::Finished),
            run("base", 1, Status::Finished),
            run("base", 2, Status::Interrupted),
            run("depth=4", 2, Status::Finished),
            run("depth=4", 3, Status::Finished),
        ];
        let repeated = once_each(&mut found);
        let kept: Vec<_> = found.iter().map(|(run, path)| (run.trial.as_str(), path.to_str().unwrap_or(""))).collect();
        let all = ["base/seed-0", "depth=4/seed-1", "depth=4/seed-2", "depth=4/seed-3"];
        assert_eq!(kept, all.map(|path| ("depth=4", path)));
        assert_eq!(repeated, ["depth=4/seed-0", "base/seed-1", "base/seed-2"].map(PathBuf::from));
    }

    #[test]
    fn other_trials_and_the_same_trial_of_other_experiments_stay_apart() {
        let mut found =
            vec![run("a", 0, Status::Finished), run("b", 0, Status::Finished), run("c", 0, Status::Finished)];
        found[1].0.spec_hash = "another".to_owned();
        found[2].0.experiment = "circles".to_owned();
        assert!(once_each(&mut found).is_empty());
        assert_eq!(found.len(), 3);
    }
}
