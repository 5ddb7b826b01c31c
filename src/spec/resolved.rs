//! What a resolved spec can tell about itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::keys::{keys, rows, split};
use super::types::{Amount, ColumnName, Dataset, Model, Spec, Weight};

impl Spec {
    /// The spec as TOML that loads to the same spec from any folder: the path of a data file is written absolute.
    pub fn to_toml(&self) -> String {
        let mut spec = self.clone();
        for path in spec.dataset.files_mut() {
            let found = absolute(&self.find(path));
            // TOML is Unicode; where the folder's name is not, the path stays as the spec wrote it.
            if found.to_str().is_some() {
                *path = found;
            }
        }
        // Every field is a TOML type, and integers come from TOML, so they fit: serialisation has no way to fail.
        toml::to_string(&spec).expect("a spec is made of TOML types")
    }

    /// The same spec with another path for every data file.
    pub(crate) fn with_files(&self, path: impl Fn(&Path) -> PathBuf) -> Self {
        let mut spec = self.clone();
        spec.dataset.files_mut().for_each(|file| *file = path(file));
        spec
    }

    /// Where a data file is, see [`find`].
    pub fn find(&self, path: &Path) -> PathBuf {
        find(path, &self.folder)
    }

    /// Length of the run in optimizer steps; `train_rows` counts only where the length is given in epochs, each of which
    /// has as many steps as whole batches fit into the rows.
    pub fn total_steps(&self, train_rows: usize) -> usize {
        let per_epoch = train_rows / self.training.batch_size.clamp(1, train_rows.max(1));
        match (self.training.epochs, self.training.steps) {
            (Some(epochs), _) => epochs.saturating_mul(per_epoch),
            (None, steps) => steps.unwrap_or(0),
        }
    }
}

/// Where the data file `path` of a spec in `folder` is: relative to that, or, where it is not there, to the working directory.
pub fn find(path: &Path, folder: &Path) -> PathBuf {
    let beside = folder.join(path);
    if !beside.exists() && path.exists() { path.to_path_buf() } else { beside }
}

/// Whether a spec that says nothing of `training.batch_size` has this one: it then gives way to a smaller training part.
pub fn is_default_batch_size(batch_size: usize) -> bool {
    let default = rows("training.batch_size").and_then(|(_, rows)| rows[0].default_value()?.as_integer());
    default.and_then(|default| usize::try_from(default).ok()) == Some(batch_size)
}

impl Default for Model {
    /// That of a spec that says nothing of it.
    fn default() -> Self {
        let of_model =
            keys().iter().map(|key| (split(key.path()), key)).filter(|((section, _), _)| *section == "model");
        let values = of_model.filter_map(|((_, name), key)| Some((name.to_owned(), key.default_value()?.clone())));
        toml::Value::Table(values.collect()).try_into().expect("the defaults of the table of keys make a model")
    }
}

impl Dataset {
    /// The toy's own parameters, all of them.
    pub fn toy_parameters(&self) -> BTreeMap<String, f64> {
        let weight = match self.weight {
            Some(Weight::OfToy(weight)) => Some(("weight".to_owned(), weight)),
            _ => None,
        };
        self.parameters.clone().into_iter().chain(weight).collect()
    }

    /// The columns that the density is conditional on.
    pub fn context_columns(&self) -> Vec<ColumnName> {
        let label = self.label.iter().filter(|_| self.condition).cloned();
        self.context.iter().cloned().map(ColumnName::Name).chain(label).collect()
    }

    /// The column of weights.
    pub fn weight_column(&self) -> Option<&ColumnName> {
        match &self.weight {
            Some(Weight::Column(column)) => Some(column),
            _ => None,
        }
    }

    /// The parts with their keys, in the order in which they take rows.
    pub fn parts(&self) -> [(&'static str, &Amount); 3] {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }

    /// All data files, with their keys, as the spec writes them.
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let parts = self.parts().into_iter().filter_map(|(key, amount)| match amount {
            Amount::File(path) => Some((key, path.as_path())),
            Amount::Rows(_) | Amount::Fraction(_) | Amount::Fresh(_) => None,
        });
        self.path.iter().map(|path| ("path", path.as_path())).chain(parts).collect()
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let parts = [&mut self.train, &mut self.validation, &mut self.test].into_iter().filter_map(|part| match part {
            Amount::File(path) => Some(path),
            Amount::Rows(_) | Amount::Fraction(_) | Amount::Fresh(_) => None,
        });
        self.path.iter_mut().chain(parts)
    }
}

/// The values of nested tables under their dotted keys.
pub(crate) fn flat(table: toml::Table) -> BTreeMap<String, toml::Value> {
    let mut flat = BTreeMap::new();
    let mut open = vec![(String::new(), toml::Value::Table(table))];
    while let Some((path, value)) = open.pop() {
        match value {
            toml::Value::Table(table) => {
                let below = |key: String| if path.is_empty() { key } else { format!("{path}.{key}") };
                open.extend(table.into_iter().map(|(key, value)| (below(key), value)));
            }
            value => drop(flat.insert(path, value)),
        }
    }
    flat
}

/// `path` from the root, without looking at what is there; as it is where the working directory is gone.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    // An empty path means the working directory here, and is an error to `std`.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
