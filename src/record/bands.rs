//! Mean and band of the validation curves of a trial's seeds, for TensorBoard's CUSTOM SCALARS tab.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use protobuf::{Message, RepeatedField};
use tensorboard_proto::layout::{Category, Chart, Layout, MarginChartContent, MarginChartContent_Series};
use tensorboard_proto::summary::Summary_Value;

use super::{RecordError, events_file, read_curve, summaries};
use crate::atomic::write_view;
use crate::train::bands;

/// Folder of an experiment with what its runs have in common for TensorBoard: one run of bands a trial, and the record of all.
pub(super) const AGGREGATE: &str = "aggregate";
const MEAN: &str = "nll/validation/mean";
const LOW: &str = "nll/validation/lo";
const HIGH: &str = "nll/validation/hi";

/// Writes the bands of `trial` for TensorBoard, `aggregate/<trial>` in `experiment_dir`, from the curves of all its seeds
/// that are there; nothing where there are fewer than two. Returns what of the curves cannot be read.
///
/// # Errors
/// Where the folder cannot be read or the file cannot be written.
pub fn write_bands(experiment_dir: &Path, trial: &str) -> Result<Vec<RecordError>, RecordError> {
    let runs = experiment_dir.join(trial);
    let mut curves = Vec::new();
    let mut damaged = Vec::new();
    let entries = match fs::read_dir(&runs) {
        Ok(entries) => entries,
        // A run that never started has no curve.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(damaged),
        Err(error) => return Err(RecordError::read(&runs)(error)),
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("seed-") {
            let (curve, damage) = read_curve(&entry.path());
            curves.push(curve);
            damaged.extend(damage);
        }
    }
    if curves.iter().filter(|curve| !curve.is_empty()).count() < 2 {
        return Ok(damaged);
    }
    let mut events = vec![events_file::file_version(), events_file::restart(0)];
    events.extend(bands(&curves).into_iter().map(|band| {
        let values = [(MEAN, band.mean), (LOW, band.low), (HIGH, band.high)];
        events_file::summary(band.step, values.map(|(tag, value)| summaries::scalar(tag, value)).to_vec())
    }));
    let directory = experiment_dir.join(AGGREGATE).join(trial);
    fs::create_dir_all(&directory).map_err(RecordError::write(&directory))?;
    let path = events_file::new_path(&directory, "").map_err(RecordError::write(&directory))?;
    write_view(&path, |file| file.write_all(&events_file::encode(&events)?))?;
    // Only what is older: another process may have written its own in the meantime.
    for older in events_file::events_files(&directory).map_err(RecordError::read(&directory))? {
        if older < path {
            let _ = fs::remove_file(older);
        }
    }
    Ok(damaged)
}

/// Removes the bands of a trial that has another name now. They are only a view: failing to remove one is no error.
pub fn remove_bands(experiment_dir: &Path, trial: &str) {
    let _ = fs::remove_dir_all(experiment_dir.join(AGGREGATE).join(trial));
}

/// Tells the CUSTOM SCALARS tab to draw the bands.
pub(super) fn layout() -> io::Result<Summary_Value> {
    let mut series = MarginChartContent_Series::new();
    series.set_value(MEAN.to_owned());
    series.set_lower(LOW.to_owned());
    series.set_upper(HIGH.to_owned());
    let mut margin = MarginChartContent::new();
    margin.set_series(RepeatedField::from_vec(vec![series]));
    let mut chart = Chart::new();
    chart.set_title("validation NLL: mean over seeds, lowest to highest".to_owned());
    chart.set_margin(margin);
    let mut category = Category::new();
    category.set_title("seeds".to_owned());
    category.set_chart(RepeatedField::from_vec(vec![chart]));
    let mut layout = Layout::new();
    layout.set_category(RepeatedField::from_vec(vec![category]));
    let bytes = layout.write_to_bytes().map_err(io::Error::other)?;
    Ok(summaries::bytes("custom_scalars__config__", "custom_scalars", bytes))
}

#[cfg(test)]
mod tests {
    use super::super::events_file::tests::read;
    use super::*;
    use crate::train::Metrics;

    fn rows(values: &[(i64, f64)]) -> Vec<Metrics> {
        let row = |&(step, nll)| Metrics { step, validation_nll: Some(nll), ..Metrics::default() };
        values.iter().map(row).collect()
    }

    #[test]
    fn bands_are_written_from_two_seeds_on_and_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let add = |seed: u32, values: &[(i64, f64)]| {
            let run = folder.path().join(format!("base-1/seed-{seed}"));
            fs::create_dir_all(&run).expect("made");
            super::super::metrics_table::write(&run.join("metrics.parquet"), &rows(values)).expect("written");
            write_bands(folder.path(), "base-1").expect("written");
        };
        let directory = folder.path().join("aggregate/base-1");
        add(0, &[(10, 2.0)]);
        assert!(!directory.exists());
        add(1, &[(10, 4.0)]);
        add(2, &[(10, 9.0)]);
        let files = events_file::events_files(&directory).expect("listed");
        assert_eq!(files.len(), 1);
        let events = read(&files[0]);
        let values = events[2].get_summary().get_value().iter().map(|it| (it.get_tag(), it.get_simple_value()));
        assert_eq!(values.collect::<Vec<_>>(), [(MEAN, 5.0), (LOW, 2.0), (HIGH, 9.0)]);
    }
}
