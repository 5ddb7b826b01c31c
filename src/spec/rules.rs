//! Checks that need more than one key.

use std::path::Path;

use super::check::folder_name;
use super::diagnostics::{Diagnostic, quoted};
use super::file_format::FileFormat;
use super::near_file::near_file;
use super::resolve::Table;
use super::settings::Settings;
use super::source::Place;
use super::suggest::{counted, listed};
use super::types::{Amount, Dataset, Device, Duplicates, Normalization, ScheduleName, Spec};
use super::variant::names_a_file;
use crate::toys::toy;

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
    let unnamed = settings.get("dataset.name").is_none() && !names_a_file(settings);
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
    if !spec.dataset.files().is_empty() {
        rules.files();
        rules.columns();
        rules.context();
        rules.parts();
    }
    rules.length();
    rules.early_stopping();
    rules.batch_norm();
    rules.conditional_base();
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

    /// Every data file must be there and of a known format.
    fn files(&mut self) {
        let spec = self.spec;
        for (part, path) in spec.dataset.files() {
            let key = &*format!("dataset.{part}");
            let found = spec.find(path);
            let format = spec.dataset.format.or_else(|| FileFormat::of(&found));
            if !found.exists() {
                let here = if path.is_absolute() { String::new() } else { places_searched(&spec.folder) };
                let message = format!("there is no file `{}`{here}", path.display());
                let help = match near_file(&found) {
                    Some(near) => format!(
                        "did you mean `{}`?",
                        path.with_file_name(near.file_name().unwrap_or_default()).display()
                    ),
                    None => "a relative path starts at the spec's folder, or else at the working directory".to_owned(),
                };
                self.error(&[key], message, help);
            } else if found.is_dir() && !format.is_some_and(FileFormat::is_in_folders) {
                let help = "name a file in it; a folder of images has `format = \"images\"`";
                self.error(&[key], format!("`{}` is a folder", found.display()), help);
            } else if found.is_file() && format == Some(FileFormat::Images) && spec.dataset.format.is_some() {
                let help = "name the folder of the images";
                self.error(&[key], format!("`{}` is a file", found.display()), help);
            } else if format.is_none() || (found.is_file() && format == Some(FileFormat::Images)) {
                let message = format!("the extension of `{}` tells no format", path.display());
                let help = match is_pickle(path) {
                    true => {
                        "pickles can run code and are not read: save the array with `numpy.save` as .npy".to_owned()
                    }
                    false => format!("set `dataset.format` to one of {}", listed(FileFormat::names())),
                };
                self.error(&[key], message, help);
            }
        }
    }

    /// The choice of columns and what is done to them.
    fn columns(&mut self) {
        let Dataset { columns, drop, label, condition, bounds, logit, transform, duplicates, .. } = &self.spec.dataset;
        match columns {
            Some(columns) if columns.is_empty() => {
                let help = "name the columns to learn, or leave the key out for all";
                self.error(&["dataset.columns"], "`dataset.columns` is empty: nothing to learn".to_owned(), help);
            }
            Some(_) => {
                for (key, set) in [("dataset.drop", !drop.is_empty()), ("dataset.label", label.is_some() && !condition)]
                {
                    if set {
                        let message = format!("`{key}` has no effect beside `dataset.columns`");
                        self.error(
                            &[key],
                            message,
                            "`columns` names all that are learned already; keep one of the two",
                        );
                    }
                }
            }
            None => {}
        }
        if self.spec.dataset.weight_column().is_some() && *duplicates == Some(Duplicates::Drop) {
            let message = "`dataset.weight` beside `duplicates = \"drop\"`: dropped rows would take their weight along"
                .to_owned();
            let help = "keep duplicates, or add up their weights in the file";
            self.error(&["dataset.weight"], message, help);
        }
        if transform.is_some() && logit.is_some() {
            let message = "`dataset.transform` and `dataset.logit` both bend the values".to_owned();
            let help = "keep one: `logit` is one map for all columns, for images; `transform` goes by column";
            self.error(&["dataset.transform"], message, help);
        }
        if let Some([low, high]) = *bounds
            && low >= high
        {
            let message = format!("`dataset.bounds` = [{low}, {high}] hold nothing");
            self.error(&["dataset.bounds"], message, "write the least value first");
        }
    }

    /// What the density is conditional on.
    fn context(&mut self) {
        let Dataset { context, categories, condition, label, columns, drop, name, .. } = &self.spec.dataset;
        if *condition && label.is_none() && name.is_none() {
            let help = "name the column of classes with `dataset.label`, or leave `condition` out";
            self.error(&["dataset.condition"], "`dataset.condition` has no `dataset.label`".to_owned(), help);
        }
        for (i, name) in context.iter().enumerate() {
            if context[..i].contains(name) {
                let message = format!("`dataset.context` names {} twice", quoted(name));
                self.error(&["dataset.context"], message, "name every column once");
            }
            for (key, names) in [("dataset.columns", columns.as_deref().unwrap_or_default()), ("dataset.drop", drop)] {
                if names.contains(name) {
                    let message = format!("{} is in `dataset.context` and in `{key}`", quoted(name));
                    let help =
                        "a column is a feature, or what they are conditional on, or left out: name it in one place";
                    self.error(&[key], message, help);
                }
            }
        }
        if let Some(name) = categories.iter().find(|name| !context.contains(name)) {
            let message = format!("`dataset.categories` names {}, which `dataset.context` does not", quoted(name));
            self.error(&["dataset.categories"], message, "name it in `context` too, or leave it out here");
        }
    }

    /// Where the parts take their rows from.
    fn parts(&mut self) {
        let dataset = &self.spec.dataset;
        let from_path = |amount: &Amount| !matches!(amount, Amount::File(_));
        match (&dataset.path, dataset.parts().into_iter().find(|(_, amount)| from_path(amount))) {
            (None, Some((part, _))) => {
                let message = format!("`dataset.{part}` has no file to take its rows from");
                let help = format!("name one: `{part} = \"….csv\"`, or `path` for the parts without one of their own");
                self.error(&[&format!("dataset.{part}"), "dataset.train"], message, help);
            }
            (Some(_), None) => {
                let message = "`dataset.path` has no effect: every part has a file of its own".to_owned();
                self.error(&["dataset.path"], message, "leave it out");
            }
            _ => {}
        }
        let fraction = |amount: &Amount| match amount {
            Amount::Fraction(value) => *value,
            Amount::Rows(_) | Amount::Fresh(_) | Amount::File(_) => 0.0,
        };
        let sum: f64 = dataset.parts().into_iter().map(|(_, amount)| fraction(amount)).sum();
        // Fractions such as 0.8, 0.1 and 0.1 do not sum to 1 exactly.
        if sum > 1.0 + 1e-9 {
            let keys = ["dataset.train", "dataset.validation", "dataset.test"];
            let message = format!("training, validation and test fractions sum to {sum:.4}, more than the whole");
            let help = self.smaller_parts(sum);
            self.error(&keys, message, help);
        }
    }

    /// What to do about fractions of a sum above 1: those that are left out give way, where there is room for them.
    fn smaller_parts(&self, sum: f64) -> String {
        let fractions = self.spec.dataset.parts().into_iter().filter_map(|(part, amount)| match amount {
            Amount::Fraction(value) => Some((part, *value)),
            Amount::Rows(_) | Amount::Fresh(_) | Amount::File(_) => None,
        });
        let (said, left_out): (Vec<_>, Vec<_>) =
            fractions.partition(|(part, _)| self.settings.get(&format!("dataset.{part}")).is_some());
        let listed = |parts: &[(&str, f64)], value: &dyn Fn(f64) -> f64| {
            parts.iter().map(|(part, of)| format!("`{part} = {}`", value(*of))).collect::<Vec<_>>().join(", ")
        };
        // To a ten-thousandth, and never too much.
        let rounded = |value: f64| (value * 1e4 + 1e-6).floor() / 1e4;
        let room = 1.0 - said.iter().map(|(_, value)| value).sum::<f64>();
        let share = rounded(room / left_out.len().max(1) as f64);
        let excess = (1e4 * (sum - 1.0)).round() / 1e4;
        let said: Vec<String> = said.iter().map(|(part, _)| format!("`{part}`")).collect();
        let said = said.join(", ") + if said.len() > 1 { ", together," } else { "" };
        let defaults = match left_out.is_empty() {
            true => String::new(),
            false => format!("what is left out counts as {}: ", listed(&left_out, &|value| value)),
        };
        match !left_out.is_empty() && share > 0.0 {
            true => format!("{defaults}add {}, or lower {said} by {excess}", listed(&left_out, &|_| share)),
            false => format!("{defaults}lower {said} by {excess}"),
        }
    }

    /// The run's length against the rows and against what happens during it.
    fn length(&mut self) {
        let (training, schedule) = (&self.spec.training, &self.spec.optimizer.schedule);
        let rows = match &self.spec.dataset.train {
            Amount::Rows(rows) => Some(*rows),
            Amount::Fraction(_) | Amount::Fresh(_) | Amount::File(_) => None,
        };
        if matches!(self.spec.dataset.train, Amount::Fresh(_)) && training.epochs.is_some() {
            let help = "set `training.steps` instead, or a number of training rows";
            self.error(&["training.epochs"], "fresh rows every step make no epochs".to_owned(), help);
            return;
        }
        if let Some(rows) = rows
            && training.batch_size > rows
        {
            let (batch, all) = (counted(training.batch_size, "row"), counted(rows, "training row"));
            let message = format!("a batch of {batch} is larger than the {all}");
            self.error(&["training.batch_size", "dataset.train"], message, format!("use at most {rows}"));
            return;
        }
        if rows.is_none() && training.epochs.is_some() {
            return;
        }
        let steps = self.spec.total_steps(rows.unwrap_or(0));
        if schedule.warmup > steps {
            let message =
                format!("a warm-up of {} is longer than the run of {steps}", counted(schedule.warmup, "step"));
            self.error(&["optimizer.schedule.warmup"], message, format!("use at most {steps}, or train longer"));
        }
        for (path, every) in
            [("training.evaluate_every", training.evaluate_every), ("training.log_every", training.log_every)]
        {
            if every > steps {
                // The last step always counts, so a shortened run of a long spec is still well-formed.
                let message = format!(
                    "`{path}` = {every} is longer than the run of {}: it happens once, at the end",
                    counted(steps, "step")
                );
                self.warn(&[path], message, format!("use at most {steps}, or train longer"));
            }
        }
        if let (ScheduleName::Step, Some(every)) = (schedule.name, schedule.every)
            && every >= steps
            && self.is_set("optimizer.schedule.every")
        {
            let message =
                format!("the learning rate never drops: `every` = {every}, and the run has {}", counted(steps, "step"));
            self.warn(&["optimizer.schedule.every"], message, "use fewer steps, or `schedule = \"constant\"`");
        }
    }

    /// The variance of a single row is 0, by which nothing can be divided.
    fn batch_norm(&mut self) {
        if self.spec.model.normalization == Normalization::Batch && self.spec.training.batch_size == 1 {
            let message =
                "batch normalisation takes batches of 2 rows or more: one row alone has no variance".to_owned();
            let help = "raise `training.batch_size`, or set `model.normalization = \"none\"`";
            self.error(&["training.batch_size", "model.normalization"], message, help);
        }
    }

    /// A base that depends on the context needs one.
    fn conditional_base(&mut self) {
        let Dataset { name, condition, affine, context, .. } = &self.spec.dataset;
        // A toy that cannot be made is another problem.
        let of_toy =
            |name: &String| toy(name, &self.spec.dataset.toy_parameters()).is_ok_and(|toy| toy.context().is_empty());
        let unconditional = name.as_ref().is_none_or(of_toy) && !condition && !affine && context.is_empty();
        if self.spec.model.conditional_base && unconditional {
            let message = "`model.conditional_base` has no effect: the density is conditional on nothing".to_owned();
            let help = "name columns in `dataset.context`, set `dataset.condition = true` or, of a toy, `dataset.affine = true`, or leave \
                        it out";
            self.error(&["model.conditional_base"], message, help);
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

/// Whether a file's name is one of Python's serialised objects.
pub(crate) fn is_pickle(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    [".pkl", ".pickle", ".pt", ".pth", ".joblib"].iter().any(|extension| name.ends_with(extension))
}
