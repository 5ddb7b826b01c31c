//! What a conditional flow looks like: at several contexts the densities side by side, or a row of images for each; of other
//! tables the samples at the contexts of the test rows beside the data, pair by pair.

use super::pictures::{Detail, View, some_rows};
use crate::data::Dataset;
use crate::flow::{DeviceError, Flow};
use crate::matrix::Matrix;
use crate::report::limits::column_limits;
use crate::report::{
    ALONG, Classes, DensityGrid, MOST_CLASSES, PANELS, ReportError, Strip, Tones, densities_picture, pair_picture,
    strips_picture,
};
use crate::train::{self, Picture};

/// Rows of images, one a context.
const STRIPS: usize = 12;
/// Contexts shown where they are no classes.
const SHOWN: usize = 6;
/// Names and values in the line above a panel, at most.
const NAMED: usize = 2;
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
    /// Looks at `flow` beside its data. `samples`: as [`View::new`], of an unconditional flow; `seed`: of the samples given
    /// contexts.
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
    /// Of other features: rows of the data and samples at the contexts of test rows, shape `[rows, features + context]`, data
    /// space.
    Pairs { dataset: &'a Dataset, data: Matrix<f64>, samples: Matrix<f64> },
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
        let [one, other] = dataset.columns.as_slice() else {
            let samples = flow.sample_given(&dataset.contexts(detail.points()), seed)?;
            return Ok(Self::Pairs {
                dataset,
                data: some_rows(dataset, detail.points()),
                samples: dataset.preprocessing.invert(&samples),
            });
        };
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

    /// `density` of two features, `samples` of images, and `pairs` of others.
    ///
    /// # Errors
    /// Where a picture cannot be drawn.
    pub fn draw(&self, title: &str) -> Result<Vec<Picture>, ReportError> {
        Ok(match self {
            Self::Densities { columns, densities } => vec![densities_picture(densities, title, *columns, SIDE)?],
            Self::Images { tones, strips } => vec![strips_picture("samples", strips, tones, title)?],
            Self::Pairs { dataset, data, samples } => vec![draw_pairs(dataset, [data, samples], title)?],
        })
    }
}

/// Data and samples of features followed by their context; where that is one class of a few, in its colours.
fn draw_pairs(dataset: &Dataset, data_and_samples: [&Matrix<f64>; 2], title: &str) -> Result<Picture, ReportError> {
    let features = dataset.features();
    let [data, samples] = data_and_samples.map(|rows| rows.columns_before(features));
    let class = |row: &[f64]| row[features..].iter().position(|&value| value > 0.5).unwrap_or_default();
    let [of_data, of_samples] = data_and_samples.map(|rows| rows.iter_rows().map(class).collect::<Vec<usize>>());
    let classes = match dataset.context.columns.as_slice() {
        [one] => one.classes.as_ref().filter(|names| names.len() <= MOST_CLASSES),
        _ => None,
    };
    let classes = classes.map(|names| Classes { names: names.clone(), of_data: &of_data, of_samples: &of_samples });
    let names: Vec<&str> = dataset.columns.iter().map(String::as_str).collect();
    pair_picture(&data, &samples, title, &names, &dataset.preprocessing.transforms, classes.as_ref())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;
    use crate::kernel;
    use crate::spec::tests::Folder;
    use crate::spec::{Device, KernelChoice, Overrides, Spec};

    fn dataset(text: &str) -> (Spec, Dataset) {
        let folder = Folder::with(format!("[dataset]\ntest = 600\n{text}\n[model]\nwidth = 8\n"));
        let spec = folder.plan(Overrides::default()).expect("a plan").trials.remove(0).spec;
        let dataset = load(&spec.dataset, &spec.folder, spec.training.batch_size, &|_, _, _| ()).expect("data");
        (spec, dataset)
    }

    #[test]
    fn classes_are_shown_each_and_numbers_at_even_ranks_among_test_rows() {
        let (_, moons) = dataset("name = \"moons\"\ncondition = true");
        let [upper, lower] = [("component = upper", vec![1.0, 0.0]), ("component = lower", vec![0.0, 1.0])]
            .map(|(label, values)| (label.to_owned(), values));
        assert_eq!(shown(&moons, 9), [upper.clone(), lower]);
        assert_eq!(shown(&moons, 1), [upper]);

        let (_, mixture) = dataset("name = \"gaussian-mixture-posterior\"");
        let rows = mixture.preprocessing.invert(&mixture.test);
        let contexts = shown(&mixture, 9);
        assert_eq!(contexts.len(), 6);
        for (i, (label, context)) in contexts.iter().enumerate() {
            assert!(rows.iter_rows().any(|row| row[2..] == context[..]), "{label} is that of a test row");
            // Of 600 rows the ranks 50, 150, …
            let below = rows.iter_rows().filter(|row| row[2] < context[0]).count();
            assert_eq!(below, 50 + 100 * i, "{label}");
        }
    }

    #[test]
    fn each_panel_is_the_density_given_the_context_that_it_is_labelled_with() {
        let (spec, dataset) = dataset("name = \"gaussian-mixture-posterior\"");
        let built = kernel::build(&spec.model, KernelChoice::Fused, dataset.layout(), 0, Device::Cpu);
        let mut flow = built.expect("a flow").flow;
        // A new flow is the identity, whatever the context.
        let values = flow.parameters_mut().values_mut();
        values.iter_mut().enumerate().for_each(|(i, value)| *value += 0.2 * (i as f32 * 0.618_034).fract() - 0.1);
        let seen = Contexts::new(&mut *flow, &dataset, Detail::Glimpse { rows: 1000 }, 0).expect("computed");
        let Contexts::Densities { columns, densities } = seen else { panic!("two features") };
        assert_eq!(columns, [dataset.columns[0].as_str(), dataset.columns[1].as_str()]);
        let contexts = shown(&dataset, PANELS);
        assert_eq!(densities.len(), contexts.len());
        for ((label, grid), (expected, context)) in densities.iter().zip(&contexts) {
            assert_eq!(label, expected);
            // The lower right cell.
            let cell = |[low, high]: [f64; 2], share: f64| low + (high - low) * share;
            let half = 0.5 / grid.columns as f64;
            let row = [&[cell(grid.x, 1.0 - half), cell(grid.y, half)], &context[..]].concat();
            let model = dataset.preprocessing.apply(&Matrix::new(row, 4));
            let log_scale: f64 = dataset.preprocessing.scale[..2].iter().map(|scale| scale.ln()).sum();
            let log_prob = flow.log_prob(&model).expect("computed")[0] - log_scale;
            let found = grid.log_prob[grid.columns - 1];
            assert!((found - log_prob).abs() < 1e-4, "{label}: {found} for {log_prob}");
        }
        let of_cell = |cell: usize| densities.iter().map(move |(_, grid)| grid.log_prob[cell]);
        let spread = of_cell(0).fold(f64::MIN, f64::max) - of_cell(0).fold(f64::MAX, f64::min);
        assert!(spread > 1e-2, "contexts make a difference: {spread}");
    }

    #[test]
    fn more_than_two_features_are_drawn_pair_by_pair_without_their_context() {
        let (spec, dataset) = dataset("name = \"linear-gaussian-posterior\"");
        let built = kernel::build(&spec.model, KernelChoice::Fused, dataset.layout(), 0, Device::Cpu);
        let mut flow = built.expect("a flow").flow;
        let seen = Contexts::new(&mut *flow, &dataset, Detail::Full, 0).expect("computed");
        let Contexts::Pairs { data, samples, .. } = &seen else { panic!("ten features") };
        assert_eq!((data.columns(), samples.columns()), (20, 20));
        // A new flow is the identity, so that its samples have the deviation of the rows.
        let deviation = (samples.iter_rows().map(|row| row[0] * row[0]).sum::<f64>() / samples.rows() as f64).sqrt();
        let of_data = (data.iter_rows().map(|row| row[0] * row[0]).sum::<f64>() / data.rows() as f64).sqrt();
        assert!((deviation / of_data - 1.0).abs() < 0.1, "{deviation} for {of_data}");
        let tags: Vec<&str> = seen.draw("t").expect("drawn").iter().map(|picture| picture.tag).collect();
        assert_eq!(tags, ["pairs"]);
    }
}
