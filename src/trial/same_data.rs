//! Whether a run that is there has learned from the data that its spec names today.

use std::path::Path;

use crate::data::{Dataset, Preprocessing};
use crate::record::Manifest;
use crate::train::{Checkpoint, Space};

/// How far (of a column's deviation) offset and scale may be from those of a run by a release that kept nothing else of its data.
/// It rounded values to 32 bits, which moves them by less.
const CLOSE: f64 = 1e-4;

/// What is different between the data that the run in `directory` has learned from and `dataset`, in words; `None` where nothing
/// is, or where the run has not learned yet.
pub fn changed_data(directory: &Path, dataset: &Dataset) -> Option<String> {
    let known = Manifest::read(directory).ok()?.data;
    let checkpoints = directory.join("checkpoints");
    let mut there =
        ["best.safetensors", "last.safetensors"].iter().map(|name| checkpoints.join(name)).filter(|it| it.exists());
    let checkpoint = there.next()?;
    match known {
        Some(provenance) => provenance.difference(&dataset.provenance),
        // A damaged checkpoint is reported where it is loaded.
        None => differs(&Checkpoint::read(&checkpoint).and_then(|it| it.space()).ok()?, dataset),
    }
}

fn differs(space: &Space, dataset: &Dataset) -> Option<String> {
    let Preprocessing { mean, scale, steps, logit, transforms, context: _ } = &space.preprocessing;
    let now = &dataset.preprocessing;
    if space.columns != dataset.columns {
        return Some(format!("columns {} became {}", space.columns.join(", "), dataset.columns.join(", ")));
    }
    if (steps, logit, transforms) != (&now.steps, &now.logit, &now.transforms) {
        return Some("other noise, bounds or transforms".to_owned());
    }
    let close = |i: usize| {
        (now.mean[i] - mean[i]).abs() <= CLOSE * scale[i] && (now.scale[i] - scale[i]).abs() <= CLOSE * scale[i]
    };
    let moved = (0..dataset.features()).find(|&i| !close(i))?;
    Some(format!(
        "mean ± deviation of `{}` was {} ± {} and is {} ± {}",
        dataset.columns[moved], mean[moved], scale[moved], now.mean[moved], now.scale[moved]
    ))
}
