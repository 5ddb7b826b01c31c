//! What a trained flow looks like: numbers for the pictures of `report/`.

use crate::data::{Dataset, Train};
use crate::flow::{DeviceError, Flow};
use crate::matrix::Matrix;
use crate::report::limits::{axis_limits, column_limits};
use crate::report::{DensityGrid, ReportError, density_1d_picture, density_picture, pair_picture, samples_picture};
use crate::train::{self, Picture};

/// Cells of the heat map along each axis.
const CELLS: usize = 160;
/// Rows of data and of samples in a scatter plot.
const POINTS: usize = 5_000;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// The pictures of `flow`: for one feature its density over the data's histogram, for two the density and samples, for
/// more the samples pair by pair. `samples` in data space.
///
/// # Errors
/// Where the device fails or a picture cannot be drawn.
pub fn pictures(
    flow: &mut dyn Flow,
    dataset: &Dataset,
    samples: &Matrix,
    title: &str,
) -> Result<Vec<Picture>, PictureError> {
    let names: Vec<&str> = dataset.columns.iter().map(String::as_str).collect();
    let data = some_rows(dataset);
    let samples = first_rows(samples, POINTS);
    Ok(match names[..] {
        [name] => {
            let [low, high] = axis_limits(data.as_slice().iter().map(|&v| v.into()));
            let x: Vec<f64> = (0..=1000).map(|i| low + (high - low) * f64::from(i) / 1000.0).collect();
            let points = Matrix::new(x.iter().map(|&v| v as f32).collect(), 1);
            let log_prob = log_prob(flow, dataset, points)?;
            vec![density_1d_picture(&x, &log_prob, data.as_slice(), title, name)?]
        }
        [first, second] => {
            let (x, y) = (column_limits(&data, 0), column_limits(&data, 1));
            let log_prob = log_prob(flow, dataset, DensityGrid::points(x, y, CELLS, CELLS))?;
            let grid = DensityGrid { x, y, columns: CELLS, rows: CELLS, log_prob };
            vec![
                density_picture(&grid, title, [first, second])?,
                samples_picture(&data, &samples, title, [first, second])?,
            ]
        }
        _ => vec![pair_picture(&data, &samples, title, &names)?],
    })
}

/// log p in data space at `points` (data space).
fn log_prob(flow: &mut dyn Flow, dataset: &Dataset, mut points: Matrix) -> Result<Vec<f64>, DeviceError> {
    dataset.preprocessing.apply(&mut points);
    let log_prob = train::log_prob(flow, &points, &dataset.preprocessing)?;
    // No number: the point is beyond the bounds of a logit, where there is no density.
    Ok(log_prob.into_iter().map(|value| if value.is_nan() { f64::NEG_INFINITY } else { value }).collect())
}

/// Some rows of the data, data space.
fn some_rows(dataset: &Dataset) -> Matrix {
    match &dataset.train {
        // Quantised rows lie on a grid; held-out ones carry the noise that the flow was shown.
        Train::Rows(rows) if !dataset.preprocessing.is_noisy() => first_rows(rows, POINTS),
        _ => {
            let mut rows = first_rows(&dataset.test, POINTS);
            dataset.preprocessing.invert(&mut rows);
            rows
        }
    }
}

fn first_rows(rows: &Matrix, count: usize) -> Matrix {
    rows.blocks(count).next().unwrap_or_default()
}
