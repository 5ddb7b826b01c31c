//! Checks that need more than one key.

use std::path::Path;

use super::check::folder_name;
use super::diagnostics::{Diagnostic, quoted};
use super::resolve::Table;
use super::settings::Settings;
use super::source::Place;
use super::types::{Amount, Dataset, Device, ScheduleName, Spec};

/// The names a spec cannot do without: its own, by default the file's stem, and that of its data.
pub(crate) fn names(settings: &Settings, home: &Place, stem: &str, values: &mut Table, problems: &mut Vec<Diagnostic>) {
    if settings.get("name").is_none() {
        match folder_name(stem) {
            Ok(()) => {
                values.insert("name", stem.into());
            }
            Err(why) => problems.push(
                Diagnostic::error(home, format!("the file's stem {} cannot name the experiment: {why}", quoted(stem)))
                    .help("set `name`"),
            ),
        }
    }
    let unnamed = settings.get("dataset.name").is_none() && settings.get("dataset.path").is_none();
    if unnamed && !settings.is_misshapen("dataset") {
        let help = "write `name = \"moons\"` or another toy, or `path = \"data.csv\"`, below `[dataset]`";
        problems.push(match settings.section("dataset") {
            Some(place) => Diagnostic::error(place, "`[dataset]` names no data: neither `name` nor `path`").help(help),
            None => Diagnostic::error(home, "`[dataset]` is missing").help(help),
        });
    }
}

/// Values that do not go together, and warnings.
pub(crate) fn check(spec: &Spec, settings: &Settings, home: &Place, conflicts: &mut Vec<Diagnostic>) {
    let mut rules = Rules { spec, settings, home, conflicts };
    rules.device();
    if spec.dataset.path.is_some() {
        rules.file();
    }
    rules.length();
    rules.early_stopping();
}

struct Rules<'a> {
    spec: &'a Spec,
    settings: &'a Settings,
    home: &'a Place,
    conflicts: &'a mut Vec<Diagnostic>,
}

impl Rules<'_> {
    /// Where the value of the first of `paths` that is set stands.
    fn place(&self, paths: &[&str]) -> Place {
        let found = paths.iter().find_map(|path| self.settings.get(path));
        found.map_or_else(|| self.home.clone(), |setting| setting.node.place.clone())
    }

    fn is_set(&self, path: &str) -> bool {
        self.settings.get(path).is_some()
    }

    fn error(&mut self, paths: &[&str], message: String, help: impl Into<String>) {
        self.conflicts.push(Diagnostic::error(&self.place(paths), message).help(help));
    }

    fn warn(&mut self, paths: &[&str], message: String, help: impl Into<String>) {
        self.conflicts.push(Diagnostic::warning(&self.place(paths), message).help(help));
    }

    fn device(&mut self) {
        if let Device::Cuda(_) = self.spec.device
            && !cfg!(feature = "cuda")
        {
            let message = format!("`{}` is not in this build of runner", self.spec.device);
            self.error(&["device"], message, "build it with `cargo build --release --features cuda`, or use `cpu`");
        }
    }

    fn file(&mut self) {
        let Dataset { path: Some(path), format, columns, drop, train, validation, test, .. } = &self.spec.dataset
        else {
            return;
        };
        match self.spec.dataset_path() {
            Some(found) if found.is_file() => {}
            Some(found) if found.is_dir() => {
                self.error(&["dataset.path"], format!("`{}` is a folder", found.display()), "name a file in it");
            }
            _ => {
                let here = if path.is_absolute() { String::new() } else { places_searched(&self.spec.folder) };
                let message = format!("there is no file `{}`{here}", path.display());
                self.error(
                    &["dataset.path"],
                    message,
                    "a relative path starts at the spec's folder, or else at the working directory",
                );
            }
        }
        if format.is_none() && !has_known_extension(path) {
            let message = format!("the extension of `{}` tells no format", path.display());
            self.error(&["dataset.path"], message, "set `dataset.format` to `csv`, `parquet` or `npy`");
        }
        match columns {
            Some(columns) if columns.is_empty() => {
                let help = "name the columns to learn, or leave the key out for all";
                self.error(&["dataset.columns"], "`dataset.columns` is empty: nothing to learn".to_owned(), help);
            }
            Some(_) if !drop.is_empty() => {
                let message = "`dataset.drop` has no effect beside `dataset.columns`".to_owned();
                self.error(
                    &["dataset.drop"],
                    message,
                    "`columns` names all that are learned already; keep one of the two",
                );
            }
            _ => {}
        }
        let fraction = |amount: &Amount| match amount {
            Amount::Fraction(value) => *value,
            Amount::Rows(_) | Amount::Fresh(_) => 0.0,
        };
        let sum = fraction(train) + fraction(validation) + fraction(test);
        // Fractions such as 0.8, 0.1 and 0.1 do not sum to 1 exactly.
        if sum > 1.0 + 1e-9 {
            let keys = ["dataset.train", "dataset.validation", "dataset.test"];
            let message = format!("training, validation and test fractions sum to {sum:.4}, more than the whole");
            self.error(&keys, message, "defaults: train = 0.8, validation = 0.1, test = 0.1");
        }
    }

    /// The run's length against the rows and against what happens during it.
    fn length(&mut self) {
        let (training, schedule) = (&self.spec.training, &self.spec.optimizer.schedule);
        let rows = match self.spec.dataset.train {
            Amount::Rows(rows) => Some(rows),
            Amount::Fraction(_) | Amount::Fresh(_) => None,
        };
        if matches!(self.spec.dataset.train, Amount::Fresh(_)) && training.epochs.is_some() {
            let help = "set `training.steps` instead, or a number of training rows";
            self.error(&["training.epochs"], "fresh rows every step make no epochs".to_owned(), help);
            return;
        }
        if let Some(rows) = rows
            && training.batch_size > rows
        {
            let message = format!("a batch of {} rows is larger than the {rows} training rows", training.batch_size);
            self.error(&["training.batch_size", "dataset.train"], message, format!("use at most {rows}"));
            return;
        }
        if rows.is_none() && training.epochs.is_some() {
            return;
        }
        let steps = self.spec.total_steps(rows.unwrap_or(0));
        if schedule.warmup > steps {
            let message = format!("a warm-up of {} steps is longer than the run of {steps}", schedule.warmup);
            self.error(&["optimizer.schedule.warmup"], message, format!("use at most {steps}, or train longer"));
        }
        for (path, every) in
            [("training.evaluate_every", training.evaluate_every), ("training.log_every", training.log_every)]
        {
            if every > steps {
                // The last step always counts, so a shortened run of a long spec is still well-formed.
                let message =
                    format!("`{path}` = {every} is longer than the run of {steps} steps: it happens once, at the end");
                self.warn(&[path], message, format!("use at most {steps}, or train longer"));
            }
        }
        if let (ScheduleName::Step, Some(every)) = (schedule.name, schedule.every)
            && every >= steps
            && self.is_set("optimizer.schedule.every")
        {
            let message = format!("the learning rate never drops: `every` = {every}, and the run has {steps} steps");
            self.warn(&["optimizer.schedule.every"], message, "use fewer steps, or `schedule = \"constant\"`");
        }
    }

    fn early_stopping(&mut self) {
        let training = &self.spec.training;
        if let (Some(steps), true) = (training.steps, training.patience > 0)
            && training.patience.saturating_mul(training.evaluate_every) >= steps
        {
            let message = format!(
                "early stopping can never act: {} evaluations, one every {} steps, and the run has {steps}",
                training.patience, training.evaluate_every
            );
            self.warn(&["training.patience"], message, "lower `patience` or `evaluate_every`");
        }
    }
}

fn places_searched(folder: &Path) -> String {
    if folder.as_os_str().is_empty() {
        return " in the working directory".to_owned();
    }
    format!(" in `{}` or the working directory", folder.display())
}

fn has_known_extension(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    [".csv", ".csv.gz", ".parquet", ".npy"].iter().any(|extension| name.ends_with(extension))
}
