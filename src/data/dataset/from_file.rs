//! Rows of files, split, checked and preprocessed.

use std::path::{Path, PathBuf};

use super::parts::{Part, Parts, options};
use super::{Dataset, Train};
use crate::data::context::{Context, Given};
use crate::data::error::{CellProblem, DataError, Place, near_names};
use crate::data::logit::Logit;
use crate::data::preprocessing::Preprocessing;
use crate::data::provenance::{DataFile, Provenance};
use crate::data::quote::quoted;
use crate::data::read::{Input, Watch, line_of};
use crate::data::review::review;
use crate::data::transform::Transform;
use crate::data::weights::EffectiveRows;
use crate::random::{Purpose, stream};
use crate::spec::{self, StandardizeBy, Steps, Transforms};

/// Reads the files that `spec` names and splits the one that several parts share. Also returns the file of the training
/// rows.
pub fn load(spec: &spec::Dataset, folder: &Path, watch: &Watch) -> Result<(Dataset, PathBuf), DataError> {
    let all = Parts::read(spec, folder, watch)?;
    let weights = all.weights();
    let Parts { columns, mut context, shape, parts, weight, levels, mut warnings, unused_rows } = all;
    if !spec.augment.is_empty() && !shape.is_image() {
        let problem =
            format!("has {} plain features, and `dataset.augment` is for images; leave it out", columns.len());
        return Err(DataError::Refused { path: parts[0].path.clone(), problem });
    }
    let by_channel = spec.standardize && spec.standardize_by == Some(StandardizeBy::Channel);
    if by_channel && !shape.is_image() {
        let problem = format!(
            "has {} plain features, and `dataset.standardize_by = \"channel\"` is for images; leave it out",
            columns.len()
        );
        return Err(DataError::Refused { path: parts[0].path.clone(), problem });
    }
    let features = columns.len();
    let steps = steps(spec, features, levels, &parts[0].path)?;
    refuse_constant_columns(&parts[0], &columns, &steps)?;
    refuse_unvaried_context(&parts[0], features, &context)?;
    let parts = parts.map(|part| Part { rows: context.spread(part.rows, features), ..part });
    context.count(&parts[0].rows, features);
    let names: Vec<String> = columns.iter().cloned().chain(context.names()).collect();
    let [low, high] = spec.bounds.unwrap_or([0.0, levels.map_or(1.0, f64::from)]);
    let logit = spec.logit.map(|alpha| Logit { alpha, low, high });
    let transforms = transforms(spec, &columns, &parts[0])?;
    let padded = |of: &[f64]| [of, &vec![0.0; context.values()]].concat();
    let of_row = transforms.iter().copied().chain(std::iter::repeat_n(None, context.values())).collect();
    let plain = Preprocessing::identity(names.len()).with_context(context.values()).with_logit(logit);
    let plain = plain.with_steps(padded(&steps)).with_transforms(of_row);
    for part in &parts {
        if let Some((row, column)) = plain.out_of_bounds(&part.rows, true) {
            let value = part.rows.row(row)[column];
            let problem = match transforms[column] {
                Some(transform) => CellProblem::OutsideSupport { value, step: steps[column], transform },
                None => CellProblem::OutOfBounds { value, low, high },
            };
            return Err(part.fault(spec, row, &columns[column], problem));
        }
    }
    let bent: Vec<bool> = transforms.iter().map(|transform| transform.is_some() || spec.logit.is_some()).collect();
    warnings.extend(match context.is_empty() {
        true => review(&columns, &parts, &steps, &bent, spec.standardize),
        false => {
            let of_features = |part: &Part| {
                let (rows, numbers) = (part.rows.columns_before(features), part.numbers.clone());
                Part { path: part.path.clone(), rows, numbers, weights: Vec::new() }
            };
            review(&columns, &parts.each_ref().map(of_features), &steps, &bent, spec.standardize)
        }
    });
    let preprocessing = match spec.standardize {
        true => plain.standardized(
            &parts[0].rows,
            weights.as_ref().map(|all| &*all.train),
            &mut stream(spec.seed, Purpose::ScaleNoise, 0),
        ),
        false => plain,
    };
    let preprocessing = if by_channel { preprocessing.shared_by_channel(shape.channels) } else { preprocessing };
    let preprocessing = preprocessing.unscaled_at(context.class_places(features));
    let mut files: Vec<DataFile> = Vec::new();
    for part in &parts {
        if files.iter().all(|file| file.path != part.path) {
            files.push(DataFile::at(&part.path));
        }
    }
    let provenance =
        Provenance::of(&names, parts.each_ref().map(|part| Some(&part.rows)), files).weighted(weights.as_ref());
    warnings.extend(weight.zip(provenance.effective).map(|(name, effective)| told(&name, effective, &provenance)));
    let [train, validation, test] = parts;
    let to_model = |part: Part, purpose| {
        let model = preprocessing.apply_with_noise(&part.rows, &mut stream(spec.seed, purpose, 0));
        match model.as_slice().iter().position(|value| !value.is_finite()) {
            Some(place) => {
                let (row, column) = (place / names.len(), place % names.len());
                let problem = CellProblem::TooFar(part.rows.row(row)[column]);
                Err(part.fault(spec, row, &names[column], problem))
            }
            None => Ok(model),
        }
    };
    let validation = to_model(validation, Purpose::ValidationNoise)?;
    let test = to_model(test, Purpose::TestNoise)?;
    let dataset = Dataset {
        columns,
        context,
        shape,
        train: Train::Rows(train.rows),
        validation,
        test,
        weights,
        preprocessing,
        toy: None,
        warnings,
        unused_rows,
        augment: spec.augment.clone(),
        provenance,
        exact: Default::default(),
        seed: spec.seed,
    };
    Ok((dataset, train.path))
}

/// How many rows the weights in column `name` leave.
fn told(name: &str, effective: EffectiveRows, of: &Provenance) -> String {
    let EffectiveRows { train, validation, test } = effective;
    format!(
        "weighted by {}, {} training rows tell as much of a mean as {train:.0} of equal weight, {} of validation as \
         {validation:.0}, {} of test as {test:.0}",
        quoted(name),
        of.train.unwrap_or(0),
        of.validation,
        of.test
    )
}

impl Part {
    /// A value in row `row` of the part that cannot be learned from.
    fn fault(&self, spec: &spec::Dataset, row: usize, column: &str, problem: CellProblem) -> DataError {
        let (path, row) = (self.path.clone(), self.numbers[row]);
        let line = line_of(&Input::file(&path), &options(spec, &path), row);
        let place = Place { path, row, line, column: column.to_owned() };
        DataError::Cell { place, problem }
    }
}

/// Width of the noise of every column, shape `[features]`.
fn steps(spec: &spec::Dataset, features: usize, levels: Option<u32>, path: &Path) -> Result<Vec<f64>, DataError> {
    match &spec.dequantize {
        Some(Steps::All(step)) => Ok(vec![*step; features]),
        Some(Steps::Each(steps)) if steps.len() == features => Ok(steps.clone()),
        Some(Steps::Each(steps)) => {
            Err(DataError::StepCount { path: path.to_owned(), columns: features, steps: steps.len() })
        }
        None => Ok(vec![if levels.is_some() { 1.0 } else { 0.0 }; features]),
    }
}

/// What every column goes through, shape `[features]`.
fn transforms(spec: &spec::Dataset, columns: &[String], train: &Part) -> Result<Vec<Option<Transform>>, DataError> {
    let fit = |column: usize, asked| Transform::fit(asked, train.rows.iter_rows().map(|row| row[column]));
    let mut all = vec![None; columns.len()];
    match &spec.transform {
        None => {}
        Some(Transforms::All(kind)) => {
            all.iter_mut().enumerate().for_each(|(column, transform)| *transform = Some(fit(column, kind.plain())));
        }
        Some(Transforms::Each(asked)) => {
            for (name, asked) in asked {
                let column = columns.iter().position(|column| column == name).ok_or_else(|| {
                    let hint = near_names(name, columns.iter().map(String::as_str));
                    DataError::TransformColumn { path: train.path.clone(), column: name.clone(), hint }
                })?;
                all[column] = Some(fit(column, *asked));
            }
        }
    }
    Ok(all)
}

/// A context that never varies tells nothing, and of a class with one row nothing can be learned.
fn refuse_unvaried_context(train: &Part, features: usize, context: &Context) -> Result<(), DataError> {
    for (i, Given { name, classes, .. }) in context.columns.iter().enumerate() {
        let values = || train.rows.iter_rows().map(|row| row[features + i]);
        let rows_of = |class: usize| values().filter(|value| *value == class as f64).count();
        let first = values().next().unwrap_or_default();
        let problem = match classes {
            _ if values().all(|value| value == first) => {
                Some("is the same in every training row; leave it out of `context` and `drop` it".to_owned())
            }
            Some(classes) => classes.iter().enumerate().find_map(|(class, name)| match rows_of(class) {
                0 => Some(format!("has no training row of the class {}, which other rows are of", quoted(name))),
                1 => Some(format!(
                    "has one training row of the class {}: leave the class out, or add rows",
                    quoted(name)
                )),
                _ => None,
            }),
            None => None,
        };
        if let Some(problem) = problem {
            return Err(DataError::Context { path: train.path.clone(), column: name.clone(), problem });
        }
    }
    Ok(())
}

/// A continuous column that is the same everywhere has no density.
fn refuse_constant_columns(train: &Part, columns: &[String], steps: &[f64]) -> Result<(), DataError> {
    let first = train.rows.row(0);
    let constant = |i: usize| steps[i] == 0.0 && train.rows.iter_rows().all(|row| row[i] == first[i]);
    match (0..columns.len()).find(|&i| constant(i)) {
        Some(i) => Err(DataError::Constant { path: train.path.clone(), column: columns[i].clone(), value: first[i] }),
        None => Ok(()),
    }
}
