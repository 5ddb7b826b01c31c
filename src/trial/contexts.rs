//! What a conditional flow looks like at several contexts: densities side by side, or a row of images for each.

use super::pictures::{Detail, View, some_rows};
use crate::data::Dataset;
use crate::flow::{DeviceError, Flow};
use crate::matrix::Matrix;
use crate::report::limits::column_limits;
use crate::report::{ALONG, DensityGrid, PANELS, ReportError, Strip, Tones, densities_picture, strips_picture};
use crate::train::{self, Picture};

/// Rows of images, one a context.
const STRIPS: usize = 12;
/// Contexts shown where they are no classes.
const SHOWN: usize = 6;
/// Names and values in the line above a panel, at most.
const NAMED: usize = 3;
/// Rows of data that the limits of axes and tones come from.
const ROWS_FOR_LIMITS: usize = 2_000;
/// Longer side of a panel, pixels.
const SIDE: f64 = 260.0;

/// What the pictures of any flow show, computed already.
pub(super) enum Seen<'a> {
    /// Of an unconditional flow.
    Alone(Box<View<'a>>),
    /// Of a conditional one.
    Given(Contexts<'a>),
}

impl<'a> Seen<'a> {
    /// Looks at `flow` beside its data. `samples`: as [`View::new`], of an unconditional flow; `seed`: of the samples given contexts.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(
        flow: &mut dyn Flow,
        dataset: &'a Dataset,
        samples: &Matrix<f64>,
        detail: Detail,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        Ok(match dataset.context.is_empty() {
            true => Self::Alone(Box::new(View::new(flow, dataset, samples, detail)?)),
            false => Self::Given(Contexts::new(flow, dataset, detail, seed)?),
        })
    }

    /// As [`View::draw`] or [`Contexts::draw`].
    ///
    /// # Errors
    /// Where a picture cannot be drawn.
    pub fn draw(&self, title: &str) -> Result<Vec<Picture>, ReportError> {
        match self {
            Self::Alone(view) => view.draw(title),
            Self::Given(contexts) => contexts.draw(title),
        }
    }
}

/// What the picture of a conditional flow shows.
pub(super) enum Contexts<'a> {
    /// Of two features.
    Densities { columns: [&'a str; 2], densities: Vec<(String, DensityGrid)> },
    /// Of images.
    Images { tones: Tones, strips: Vec<Strip> },
    /// Other features have no picture.
    NotDrawn,
}

impl<'a> Contexts<'a> {
    /// Looks at `flow`, which is conditional on the context of `dataset`.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(flow: &mut dyn Flow, dataset: &'a Dataset, detail: Detail, seed: u64) -> Result<Self, DeviceError> {
        if dataset.shape.is_image() {
            let tones = Tones::of(&images_of(dataset), dataset.shape);
            let mut strips = Vec::new();
            for (label, context) in shown(dataset, STRIPS) {
                let given = model_space(dataset, &context, ALONG);
                let images = dataset.preprocessing.invert(&flow.sample_given(&given, seed)?);
                strips.push(Strip { label, images: images.columns_before(dataset.features()) });
            }
            return Ok(Self::Images { tones, strips });
        }
        let [one, other] = dataset.columns.as_slice() else { return Ok(Self::NotDrawn) };
        let data = some_rows(dataset, ROWS_FOR_LIMITS);
        let (x, y) = (column_limits(&data, 0), column_limits(&data, 1));
        let cells = if detail == Detail::Full { 180 } else { 72 };
        let points = DensityGrid::points(x, y, cells, cells);
        let mut densities = Vec::new();
        for (label, context) in shown(dataset, PANELS) {
            let rows = points.beside(&repeated(&context, points.rows()));
            let log_prob = train::log_prob(flow, &dataset.preprocessing.apply(&rows), &dataset.preprocessing)?;
            densities.push((label, DensityGrid { x, y, columns: cells, rows: cells, log_prob }));
        }
        Ok(Self::Densities { columns: [one, other], densities })
    }

    /// `density` of two features, `samples` of images, and nothing of others.
    ///
    /// # Errors
    /// Where a picture cannot be drawn.
    pub fn draw(&self, title: &str) -> Result<Vec<Picture>, ReportError> {
        Ok(match self {
            Self::Densities { columns, densities } => vec![densities_picture(densities, title, *columns, SIDE)?],
            Self::Images { tones, strips } => vec![strips_picture("samples", strips, tones, title)?],
            Self::NotDrawn => Vec::new(),
        })
    }
}

/// The contexts that are shown, data space, with what they are: every class, up to `most`, where the context is a class alone; else
/// those of test rows at even ranks by its first value.
fn shown(dataset: &Dataset, most: usize) -> Vec<(String, Vec<f64>)> {
    let context = &dataset.context;
    let contexts: Vec<Vec<f64>> = match context.columns.as_slice() {
        [class] if class.classes.is_some() => {
            (0..class.values().min(most)).map(|number| context.of_class(number, 1).into_vec()).collect()
        }
        _ => {
            let all = dataset.preprocessing.invert(&dataset.test).columns_from(dataset.features());
            let mut order: Vec<usize> = (0..all.rows()).collect();
            order.sort_by(|&a, &b| all.row(a)[0].total_cmp(&all.row(b)[0]));
            (0..SHOWN).map(|i| all.row(order[(2 * i + 1) * order.len() / (2 * SHOWN)]).to_vec()).collect()
        }
    };
    contexts.into_iter().map(|values| (context.told(&values, NAMED), values)).collect()
}

/// Images of the data that say what is black and white.
fn images_of(dataset: &Dataset) -> Matrix<f64> {
    some_rows(dataset, ROWS_FOR_LIMITS).columns_before(dataset.features())
}

fn repeated(context: &[f64], rows: usize) -> Matrix<f64> {
    Matrix::new(context.repeat(rows), context.len())
}

/// A context (data space) for each of so many rows, model space.
fn model_space(dataset: &Dataset, context: &[f64], rows: usize) -> Matrix {
    let row = Matrix::zeros(rows, dataset.features()).beside(&repeated(context, rows));
    dataset.preprocessing.apply(&row).columns_from(dataset.features())
}
