//! Options that several commands share.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Failure;
use super::output::tell;
use crate::data::DataError;
use crate::engine::{Datasets, begun_with_earlier_defaults};
use crate::plan::{Plan, prepare};
use crate::spec::{Defaults, Diagnostic, Diagnostics, Overrides, ResolvedExperiment};

/// Specs and what overrides them.
#[derive(Args, Debug)]
pub(super) struct Specs {
    /// Spec files (TOML)
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Override a spec key, e.g. --set model.depth=12 (a TOML value; repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Override the seeds: a list such as 0,1,2
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<String>,
    /// Override the device
    #[arg(long, value_name = "cpu|cuda[:N]")]
    device: Option<String>,
    /// How to report problems of specs: for people, or one JSON object a line
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    message_format: MessageFormat,
}

/// How problems of specs are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum MessageFormat {
    #[default]
    Human,
    Json,
}

impl Specs {
    /// All experiments with their trials, resolved and checked. Those that have begun in the folder `results` have the defaults
    /// that they began with. Warnings go to stderr.
    pub fn experiments(&self, results: &Path) -> Result<Vec<(ResolvedExperiment, Plan)>, Failure> {
        let overrides = self.set.iter().fold(Overrides::default(), |all, text| all.set(text));
        let overrides = overrides.seeds(self.seeds.clone()).device(self.device.clone());
        let old = begun_with_earlier_defaults(&self.specs, &overrides, results);
        let defaults = |name: &str| if old.contains(name) { Defaults::First } else { Defaults::Today };
        let planned = prepare(&self.specs, overrides, defaults)
            .map_err(|problems| Failure::Spec { problems, format: self.message_format })?;
        for warning in planned.iter().flat_map(|(experiment, _)| &experiment.warnings) {
            match self.message_format {
                MessageFormat::Human => tell(format_args!("{}\n", warning.render(colour_on_stderr()))),
                MessageFormat::Json => tell(warning.to_json()),
            }
        }
        Ok(planned)
    }
}

/// Tells which of the experiments go on with the defaults of an earlier release.
pub(super) fn tell_earlier_defaults<'a>(experiments: impl IntoIterator<Item = &'a ResolvedExperiment>) {
    let old = experiments.into_iter().map(|experiment| (experiment, experiment.earlier_defaults()));
    for (experiment, defaults) in old.filter(|(_, defaults)| !defaults.is_empty()) {
        tell(format_args!(
            "note: {} was begun with the defaults of an earlier release, which it keeps: {}; those of today are for another `name` \
             or --results",
            experiment.spec.name,
            defaults.join(", ")
        ));
    }
}

impl Specs {
    /// Loads the data of all trials. What the spec says wrongly of them is told at its place.
    pub fn load(
        &self,
        experiments: &[(ResolvedExperiment, Plan)],
        datasets: &Datasets,
    ) -> Result<Vec<String>, Failure> {
        let mut warnings = Vec::new();
        let mut problems = Vec::new();
        for (experiment, plan) in experiments {
            match datasets.load_all(&plan.trials) {
                Ok(more) => warnings.extend(more),
                Err(error) => match placed(experiment, &error) {
                    Some(problem) => problems.push(problem),
                    None => return Err(Failure::usage(error)),
                },
            }
        }
        if problems.is_empty() {
            return Ok(warnings);
        }
        Err(Failure::Spec { problems: Diagnostics::new(problems), format: self.message_format })
    }
}

/// A problem of the data that a key of the spec is the cause of.
fn placed(experiment: &ResolvedExperiment, error: &DataError) -> Option<Diagnostic> {
    let text = error.to_string();
    match error {
        DataError::UnknownColumn { column, .. } => {
            ["dataset.columns", "dataset.context", "dataset.drop", "dataset.label"]
                .into_iter()
                .find_map(|path| experiment.problem_at(path, Some(column), &text))
        }
        DataError::ColumnNumber { .. } => experiment.problem_at("dataset.label", None, &text),
        DataError::Context { .. } => experiment
            .problem_at("dataset.context", None, &text)
            .or_else(|| experiment.problem_at("dataset.condition", None, &text)),
        DataError::TooLarge { part, .. } => experiment.problem_at(&format!("dataset.{part}"), None, &text),
        DataError::Unfit { key, .. } => experiment.problem_at(key, None, &text),
        DataError::FewerThanBatch { .. } => experiment.problem_at("training.batch_size", None, &text),
        _ => None,
    }
}

/// Whether stderr takes colours: a terminal, and the user has not said no (<https://no-color.org>).
pub(super) fn colour_on_stderr() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Width of the terminal that stdout is, in letters.
pub(super) fn stdout_width() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| columns.into())
}

/// That nothing has run at `path`, and what may have been meant.
pub(super) fn no_runs(path: &Path) -> Failure {
    let (name, results) = (path.display(), Path::new("results").join(path));
    Failure::Usage(match (path.exists(), results.is_dir()) {
        (true, _) => format!("{name}: no runs there yet; name an experiment or a run in `results` (see `runner list`)"),
        (false, true) => format!("{name}: there is nothing of that name; did you mean `{}`?", results.display()),
        (false, false) => {
            format!("{name}: there is nothing of that name; name a folder in `results` (see `runner list`)")
        }
    })
}
