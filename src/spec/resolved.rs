//! What a resolved spec can tell about itself.

use std::path::{Path, PathBuf};

use super::types::Spec;

impl Spec {
    /// The spec as TOML that loads to the same spec from any folder: the path of a data file is written absolute.
    pub fn to_toml(&self) -> String {
        let mut spec = self.clone();
        // TOML is Unicode; where the folder's name is not, the path stays as the spec wrote it.
        if let Some(path) = self.dataset_path().map(|path| absolute(&path)).filter(|path| path.to_str().is_some()) {
            spec.dataset.path = Some(path);
        }
        // Every field is a TOML type, and integers come from TOML, so they fit: serialisation has no way to fail.
        toml::to_string(&spec).expect("a spec is made of TOML types")
    }

    /// Where the data file is: relative to the spec's folder, or, where it is not there, to the working directory.
    pub fn dataset_path(&self) -> Option<PathBuf> {
        let path = self.dataset.path.as_ref()?;
        let beside = self.folder.join(path);
        Some(if !beside.exists() && path.exists() { path.clone() } else { beside })
    }

    /// Length of the run in optimizer steps; `train_rows` counts only where the length is given in epochs, each of which
    /// has as many steps as whole batches fit into the rows.
    pub fn total_steps(&self, train_rows: usize) -> usize {
        let per_epoch = train_rows / self.training.batch_size.max(1);
        match (self.training.epochs, self.training.steps) {
            (Some(epochs), _) => epochs.saturating_mul(per_epoch),
            (None, steps) => steps.unwrap_or(0),
        }
    }
}

/// `path` from the root, without looking at what is there; as it is where the working directory is gone.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    // An empty path means the working directory here, and is an error to `std`.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
