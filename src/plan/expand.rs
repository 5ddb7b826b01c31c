//! The trials of an experiment, every one of them resolved and checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::identity::{digits_needed, readable, short_names, spec_hash};
use super::search::until_first_rung;
use super::{Plan, Trial};
use crate::search::points;
use crate::spec::{
    Axis, Defaults, Diagnostic, Diagnostics, MAX_RUNS, Overrides, Pictures, Point, ResolvedExperiment, Severity, Spec,
    counted, length, load_each, resolve,
};

/// Limit on the size of a plan: number of runs times bytes of a spec.
const MAX_BYTES: usize = 1 << 27;

/// Loads spec files and expands each into its plan. `defaults`: which an experiment has, by its name.
///
/// # Errors
/// All problems of all files, overrides and trials.
pub fn prepare(
    paths: &[PathBuf],
    overrides: impl Into<Overrides>,
    defaults: impl Fn(&str) -> Defaults,
) -> Result<Vec<(ResolvedExperiment, Plan)>, Diagnostics> {
    let (experiments, problems) = load_each(paths, overrides, defaults);
    let mut problems: Vec<_> = problems.into_iter().collect();
    let mut planned = Vec::new();
    for experiment in experiments {
        match expand(&experiment) {
            Ok(plan) => planned.push((experiment, plan)),
            Err(found) => problems.extend(found),
        }
    }
    Diagnostics::new(problems).into_result()?;
    Ok(planned)
}

/// The trials of an experiment: the points of its sweep in order, and for each point its seeds.
///
/// # Errors
/// All problems of all trials: values that do not go together, keys without effect, trials that are the same.
pub fn expand(experiment: &ResolvedExperiment) -> Result<Plan, Diagnostics> {
    let points = match &experiment.sweep {
        None => vec![Point::new()],
        Some(sweep) => points(sweep)?,
    };
    let seeds = &experiment.spec.seeds;
    let count = experiment.sweep.as_ref().map_or(1, |sweep| sweep.trials);
    if count.saturating_mul(seeds.len()) > MAX_RUNS {
        let (points, seeds) = (counted(count, "point"), counted(seeds.len(), "seed"));
        let message = format!("{points} with {seeds} each are more than {MAX_RUNS} runs");
        return Err(Diagnostics::new(vec![Diagnostic::error(sweep_or_home(experiment), message)]));
    }
    let longest = |axis: &Axis| axis.listed.iter().map(length).max().unwrap_or(0);
    let bytes =
        experiment.settings.length() + experiment.sweep.iter().flat_map(|it| &it.axes).map(longest).sum::<usize>();
    if count.saturating_mul(seeds.len()).saturating_mul(bytes) > MAX_BYTES {
        let message = format!("{} of a spec of {bytes} bytes are too many to plan", counted(count, "point"));
        let problem =
            Diagnostic::error(sweep_or_home(experiment), message).help("shorten the lists that every trial has");
        return Err(Diagnostics::new(vec![problem]));
    }
    let rounds = experiment.sweep.as_ref().and_then(|sweep| sweep.rounds());
    let mut drafts = Drafts::of(experiment, &points, points.len())?;
    // Of a search that learns, the other points only tell whether what it may propose makes sense.
    drafts.list.truncate(rounds.map_or(points.len(), |rounds| rounds.startup));
    let first = drafts.list.len();
    let trials = until_first_rung(experiment, drafts.trials(seeds, rounds.map(|_| 1)), first)?;
    Ok(Plan { trials, ..Plan::of(&experiment.spec.name) })
}

/// A point of the sweep, resolved.
struct Draft {
    spec: Spec,
    overrides: BTreeMap<String, toml::Value>,
    hash: String,
}

pub(super) struct Drafts {
    list: Vec<Draft>,
    pictures: Pictures,
}

impl Drafts {
    /// The trials in the order of the points, and of each point those of its seeds. `round`: in which they are proposed.
    pub fn trials(&self, seeds: &[u64], round: Option<usize>) -> Vec<Trial> {
        let names = short_names(&self.keys());
        let ids: Vec<_> =
            self.list.iter().map(|draft| (readable(&draft.overrides, &names), draft.hash.clone())).collect();
        let digits = digits_needed(&ids);
        let mut trials = Vec::with_capacity(self.list.len() * seeds.len());
        for (draft, (text, hash)) in self.list.iter().zip(&ids) {
            for seed in seeds {
                trials.push(Trial {
                    experiment: draft.spec.name.clone(),
                    id: format!("{text}-{}", &hash[..digits]),
                    seed: *seed,
                    spec: Spec { seeds: vec![*seed], ..draft.spec.clone() },
                    overrides: draft.overrides.clone(),
                    spec_hash: hash.clone(),
                    round,
                    until: None,
                    pictures: self.pictures,
                });
            }
        }
        trials
    }

    /// Of `points`, which are among `all` that the sweep has: a key beside it must serve one of all at least.
    ///
    /// # Errors
    /// All problems of all points.
    pub fn of(experiment: &ResolvedExperiment, points: &[Point], all: usize) -> Result<Self, Diagnostics> {
        let (stem, folder) = (experiment.stem(), experiment.path.parent().unwrap_or(Path::new("")));
        let mut problems = Vec::new();
        let mut list: Vec<Draft> = Vec::with_capacity(points.len());
        let mut first_with: HashMap<String, usize> = HashMap::new();
        let mut unused = Unused::default();
        // Drop the sweep's own lists: they can be long, and no trial needs them.
        let beside_sweep = experiment.settings.without_axes();
        for (index, point) in points.iter().enumerate() {
            let mut settings = beside_sweep.clone();
            for (path, setting) in point {
                settings.set(path, setting.clone());
            }
            let resolution = resolve(&settings, &experiment.home, folder, &stem);
            problems.extend(resolution.problems);
            problems.extend(resolution.conflicts.into_iter().filter(|problem| problem.severity == Severity::Error));
            let all_swept_used = unused.add(point, resolution.unused);
            let (Some(spec), true) = (resolution.spec, all_swept_used) else {
                continue;
            };
            let told = point.iter().map(|(path, _)| *path).chain(experiment.overridden.iter().copied());
            let value = |path: &str| Some((path.to_owned(), resolution.values.get(path)?.clone()));
            let overrides = told.filter_map(value).collect();
            let hash = spec_hash(&spec);
            match first_with.get(&hash) {
                Some(first) => problems.push(repeated(experiment, &points[*first], point)),
                None => drop(first_with.insert(hash.clone(), index)),
            }
            list.push(Draft { spec, overrides, hash });
        }
        problems.extend(unused.problems(all));
        Diagnostics::new(problems).into_result()?;
        Ok(Self { list, pictures: experiment.pictures() })
    }

    /// All keys that are swept or overridden in any trial.
    fn keys(&self) -> BTreeSet<&str> {
        self.list.iter().flat_map(|draft| draft.overrides.keys()).map(String::as_str).collect()
    }
}

/// Keys that trials do not use. A key beside the sweep may serve some trials only, as `betas` where optimizers are
/// compared; a swept key without effect would give trials a label that says nothing.
#[derive(Default)]
struct Unused {
    /// For each key the number of trials that do not use it, and the problem, at the key.
    keys: BTreeMap<&'static str, (usize, Diagnostic)>,
    /// The problem at each swept value.
    values: Vec<(&'static str, Diagnostic)>,
}

impl Unused {
    /// Adds the unused keys of one point; returns whether it uses all keys that are swept.
    fn add(&mut self, point: &Point, unused: Vec<(&'static str, Diagnostic)>) -> bool {
        let values_before = self.values.len();
        for (path, problem) in unused {
            if let Some((_, setting)) = point.iter().find(|(swept, _)| *swept == path) {
                self.values.push((path, problem.clone().moved_to(&setting.node.place)));
            }
            self.keys.entry(path).or_insert((0, problem)).0 += 1;
        }
        self.values.len() == values_before
    }

    fn problems(self, points: usize) -> Vec<Diagnostic> {
        let Self { mut keys, values } = self;
        keys.retain(|_, (count, _)| *count == points);
        let partly = values.into_iter().filter(|(path, _)| !keys.contains_key(path)).map(|(_, problem)| problem);
        let mut problems: Vec<_> = partly.collect();
        problems.extend(keys.into_values().map(|(_, problem)| problem));
        problems
    }
}

fn sweep_or_home(experiment: &ResolvedExperiment) -> &crate::spec::Place {
    experiment.sweep.as_ref().map_or(&experiment.home, |sweep| &sweep.place)
}

/// The problem that `point` is the same trial as `first`, at the value in which it was meant to differ.
pub(super) fn repeated(experiment: &ResolvedExperiment, first: &Point, point: &Point) -> Diagnostic {
    let differs = point.iter().zip(first).rev().find(|((_, a), (_, b))| !a.node.place.is(&b.node.place));
    let place = differs.or(point.iter().zip(first).next_back()).map(|((_, setting), _)| &setting.node.place);
    let shown = |point: &Point| {
        let pairs = point.iter().map(|(path, setting)| format!("{path} = {}", setting.node.value));
        pairs.collect::<Vec<_>>().join(", ")
    };
    let message = format!("this makes the same trial twice: {}", shown(point));
    let help = match shown(first) == shown(point) {
        true => "leave the repeated value out".to_owned(),
        false => format!("it resolves to the same spec as {}", shown(first)),
    };
    Diagnostic::error(place.unwrap_or(sweep_or_home(experiment)), message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tests::{Folder, plan};

    const SWEEP: &str = "seeds = [3, 5]\n[dataset]\nname = \"moons\"\n[sweep.parameters]\n\"model.depth\" = [4, 8]\n";

    #[test]
    fn seeds_stand_inside_the_points_of_the_sweep() {
        let plan = plan(SWEEP).expect("a plan");
        let found: Vec<_> = plan.trials.iter().map(|trial| (trial.spec.model.depth, trial.seed)).collect();
        assert_eq!(found, [(4, 3), (4, 5), (8, 3), (8, 5)]);
        assert!(plan.trials.iter().all(|trial| trial.spec.seeds == [trial.seed]));
        assert_eq!(plan.trials[0].id, plan.trials[1].id, "seeds of one trial share its id");
        assert_ne!(plan.trials[0].id, plan.trials[2].id);
    }

    #[test]
    fn an_id_is_what_was_overridden_and_the_start_of_the_hash() {
        let folder = Folder::with(SWEEP);
        let overrides =
            Overrides::default().set("optimizer.learning_rate=1e-4").set("training.steps=1_000").set("name=other");
        let plan = folder.plan(overrides.seeds(Some("9,".to_owned()))).expect("a plan");
        assert_eq!((plan.experiment.as_str(), plan.trials.len()), ("other", 2));
        let trial = &plan.trials[1];
        assert_eq!(trial.id, format!("depth=8,learning_rate=1e-4,steps=1000-{}", &trial.spec_hash[..8]));
        let keys: Vec<_> = trial.overrides.keys().map(String::as_str).collect();
        assert_eq!(keys, ["model.depth", "optimizer.learning_rate", "training.steps"]);
        assert_eq!(trial.overrides["optimizer.learning_rate"], toml::Value::Float(1e-4));
    }

    #[test]
    fn ids_depend_on_what_a_trial_is_and_not_on_what_is_beside_it() {
        let few = plan(SWEEP).expect("a plan");
        let many =
            plan(&SWEEP.replace("[4, 8]", "[2, 8, 16, 4]").replace("seeds", "# a comment\nseeds")).expect("a plan");
        for trial in &few.trials {
            assert!(many.trials.iter().any(|other| (&other.id, other.seed) == (&trial.id, trial.seed)), "{}", trial.id);
        }
        let base = plan("[dataset]\nname = \"moons\"\n").expect("a plan");
        assert!(base.trials[0].id.starts_with("base-") && base.trials[0].id.len() == 13, "{}", base.trials[0].id);
    }

    #[test]
    fn a_hundred_runs_draw_the_best_alone_unless_a_key_says_otherwise() {
        let pictures = |text: &str| plan(text).expect("a plan").trials.last().expect("a run").pictures;
        let depths = |n: usize| (1..=n).map(|depth| depth.to_string()).collect::<Vec<_>>().join(", ");
        let with = |seeds: usize, top: &str, sweep: &str| {
            pictures(&format!("seeds = {seeds}\n{top}\n[dataset]\nname = \"moons\"\n{sweep}"))
        };
        let grid = |n: usize| format!("[sweep.parameters]\n\"model.depth\" = [{}]\n", depths(n));
        // A search is told by all that it is to run, not by its first round.
        let search = "[sweep]\nmethod = \"tpe\"\ntrials = 50\n[sweep.parameters]\n\"training.steps\" = { min = 10, max = 9_999 }\n";
        let cases = [
            (99, "", String::new(), Pictures::All),
            (100, "", String::new(), Pictures::Best),
            (2, "", grid(49), Pictures::All),
            (2, "", grid(50), Pictures::Best),
            (1, "", search.to_owned(), Pictures::All),
            (2, "", search.to_owned(), Pictures::Best),
            (2, "engine.pictures = \"all\"", grid(50), Pictures::All),
            (1, "engine.pictures = \"best\"", grid(2), Pictures::Best),
        ];
        for (seeds, top, sweep, expected) in cases {
            assert_eq!(with(seeds, top, &sweep), expected, "{seeds} {top} {sweep}");
        }
    }

    #[test]
    fn a_thousand_trials_expand_into_as_many_names() {
        let numbers = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!(
            "[dataset]\nname = \"moons\"\n[sweep.parameters]\n\"model.depth\" = [{}]\n\"model.width\" = [{}]\n",
            numbers(40),
            numbers(25)
        );
        let plan = Folder::with(text).plan(Overrides::default()).expect("a plan");
        let names: BTreeSet<&str> = plan.trials.iter().map(|trial| trial.id.as_str()).collect();
        assert_eq!((plan.trials.len(), names.len()), (1_000, 1_000));
    }
}
