//! What must hold of any spec and any overrides, whoever wrote them. The fuzz targets in `fuzz/` include this file too.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::plan::{Plan, expand};
use crate::spec::{Defaults, Diagnostic, Diagnostics, Overrides, load_each};

/// Loads the spec at `path` with `--set` of each of `texts`, and expands it where it has at most `most_runs` runs.
///
/// # Panics
/// Where it is neither refused with diagnostics that point at what they are about, nor makes a plan that reads back as
/// itself.
pub fn judge(path: &Path, texts: &[&str], most_runs: usize) {
    let overrides = texts.iter().fold(Overrides::default(), |all, text| all.set(*text));
    let (experiments, problems) = load_each(&[path.to_path_buf()], overrides, |_| Defaults::Today);
    let wrong = |problems: &Diagnostics| {
        assert!(problems.has_errors());
        problems.iter().for_each(|problem| points_at_its_source(problem, texts));
        let _ = (problems.render(false), problems.render(true));
    };
    let Some(experiment) = experiments.first().filter(|_| problems.is_empty()) else { return wrong(&problems) };
    experiment.warnings.iter().for_each(|warning| points_at_its_source(warning, texts));
    assert!(experiment.to_annotated_toml().parse::<toml::Table>().is_ok());
    let points = experiment.sweep.as_ref().map_or(1, |sweep| sweep.trials);
    if points.saturating_mul(experiment.spec.seeds.len()) <= most_runs {
        match expand(experiment) {
            Ok(plan) => reads_back(&plan, path),
            Err(problems) => wrong(&problems),
        }
    }
}

/// Whether line, column, span and quoted line of a diagnostic agree with the text that it is about.
fn points_at_its_source(problem: &Diagnostic, texts: &[&str]) {
    let json: serde_json::Value = serde_json::from_str(&problem.to_json()).expect("one JSON object");
    assert_eq!(json["line"], problem.line);
    let Some(shown) = &problem.source_line else { return };
    let agrees = |text: &str| {
        let Some(before) = text.get(..problem.span.start) else { return false };
        let line = text.split('\n').nth(problem.line - 1).unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1);
        text.get(problem.span.clone()).is_some()
            && before.matches('\n').count() + 1 == problem.line
            && line.contains(shown.as_str())
            && line.get(..column.min(line.len())).map(|part| part.chars().count() + 1) == Some(problem.column)
            && shown.get(problem.mark.clone()).is_some()
    };
    let found = match problem.file.as_str() {
        "--set" => texts.iter().any(|text| agrees(text)),
        file => agrees(&String::from_utf8_lossy(&std::fs::read(file).expect("a source"))),
    };
    assert!(found, "{problem:?}");
}

/// Whether every run has a place of its own, and the plan and its resolved specs say all that they are.
fn reads_back(plan: &Plan, path: &Path) {
    let (mut places, mut hashes) = (HashSet::new(), HashMap::new());
    for trial in &plan.trials {
        assert!(places.insert((&trial.id, trial.seed)), "{} twice", trial.id);
        assert_eq!(*hashes.entry(&trial.id).or_insert(&trial.spec_hash), &trial.spec_hash, "{}", trial.id);
    }
    let json = plan.to_json().expect("JSON");
    assert_eq!(Plan::from_json(&json).and_then(|again| again.to_json()).expect("a plan"), json);
    let again = path.with_file_name("again.toml");
    let ends = [plan.trials.first(), plan.trials.last()];
    for trial in ends.map(|trial| trial.expect("a plan has a trial")) {
        let written = trial.spec.to_toml();
        std::fs::write(&again, &written).expect("a spec");
        let (experiments, problems) =
            load_each(std::slice::from_ref(&again), Overrides::default(), |_| Defaults::Today);
        assert!(problems.is_empty(), "{written}\n{problems}");
        assert_eq!(experiments[0].spec.to_toml(), written);
    }
}
