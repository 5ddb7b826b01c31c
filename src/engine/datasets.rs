//! Data that several trials share are loaded once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::data::{DataError, Dataset, Watch, load, quoted};
use crate::flow::fits;
use crate::locks::lock;
use crate::plan::Trial;
use crate::spec::{CouplingKind, Spec};

/// Loaded datasets by what was asked for.
pub struct Datasets {
    loaded: Mutex<HashMap<String, Arc<Dataset>>>,
    watch: Box<Watch>,
}

impl Datasets {
    /// None yet; `watch` hears how far the reading of a file is.
    pub fn new(watch: Box<Watch>) -> Self {
        Self { loaded: Mutex::default(), watch }
    }

    /// The data of `spec`, loaded now if they are not yet there.
    ///
    /// # Errors
    /// As [`load`].
    pub fn of(&self, spec: &Spec) -> Result<Arc<Dataset>, DataError> {
        let key = format!("{:?} {:?} {}", spec.dataset, spec.folder, spec.training.batch_size);
        // Held while loading, so that trials that start together do not load the same file twice.
        let mut loaded = lock(&self.loaded);
        if let Some(dataset) = loaded.get(&key) {
            return Ok(Arc::clone(dataset));
        }
        let dataset = Arc::new(load(&spec.dataset, &spec.folder, spec.training.batch_size, &*self.watch)?);
        loaded.insert(key, Arc::clone(&dataset));
        Ok(dataset)
    }

    /// The data of `trial`, for which its model can be made.
    ///
    /// # Errors
    /// As [`load`], or where it cannot.
    pub fn fitting(&self, trial: &Trial) -> Result<Arc<Dataset>, DataError> {
        let dataset = self.of(&trial.spec)?;
        fits(&trial.spec.model, dataset.shape).map_err(|(key, why)| DataError::Unfit { key, why })?;
        Ok(dataset)
    }

    /// Loads the data of all `trials`, so that bad data are known before anything starts. A dataset's warnings come once.
    ///
    /// # Errors
    /// The first dataset that cannot be loaded, or that the model of its trial cannot be made for.
    pub fn load_all<'a>(&self, trials: impl IntoIterator<Item = &'a Trial>) -> Result<Vec<String>, DataError> {
        let mut warnings = Vec::new();
        for trial in trials {
            let dataset = self.fitting(trial)?;
            let alone =
                (dataset.features() == 1 && dataset.context.is_empty()).then(|| one_feature(trial, &dataset)).flatten();
            for warning in dataset.warnings.iter().chain(&alone) {
                if !warnings.contains(warning) {
                    warnings.push(warning.clone());
                }
            }
        }
        Ok(warnings)
    }
}

/// What becomes of a flow of one feature; `None` where it still learns any density.
fn one_feature(trial: &Trial, dataset: &Dataset) -> Option<String> {
    let left = match trial.spec.model.coupling {
        CouplingKind::Affine => "affine map x·exp(s) + t",
        CouplingKind::Additive => "shift x + t",
        CouplingKind::Spline => return None,
    };
    Some(format!(
        "{}: {} is the only feature, which leaves a coupling nothing to condition on: the flow is the unconditional {left}, which \
         makes the base density no other shape; `model.coupling = \"spline\"` learns any",
        trial.experiment,
        quoted(&dataset.columns[0])
    ))
}
