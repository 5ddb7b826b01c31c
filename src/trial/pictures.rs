//! What a trained flow looks like: numbers for the pictures of `report/`.

use super::gallery::Gallery;
use crate::data::{Dataset, Train};
use crate::flow::{DeviceError, Flow};
use crate::matrix::Matrix;
use crate::report::limits::{axis_limits, column_limits};
use crate::report::{
    DensityGrid, DensityLine, ReportError, density_1d_picture, density_picture, images_picture, pair_picture,
    samples_picture,
};
use crate::train::{self, Picture};

/// How much goes into a picture, and how many samples are drawn beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// At the end of a run that was trained on so many `rows`: as much as a small share of the run pays for.
    Quick { rows: usize },
    /// While a run that is to be trained on so many `rows` goes on: as large as at its end, and coarser.
    Glimpse { rows: usize },
    /// When a picture is asked for by itself.
    Full,
}

impl Detail {
    /// Rows drawn from the flow: those of a table, and for the pictures.
    pub fn samples(self) -> usize {
        match self {
            // A row that is drawn costs a third of one that is trained on: half a hundredth of the run, or less.
            Self::Quick { rows } => (rows / 64).clamp(1_000, SAMPLES),
            Self::Glimpse { .. } => 400,
            Self::Full => SAMPLES,
        }
    }

    /// Cells of the heat map along each axis.
    fn cells(self) -> usize {
        match self {
            // Scoring them costs about as much as drawing the samples: cells far below what can be seen are left out.
            Self::Quick { rows } => ((rows / 40) as f64).sqrt().clamp(48.0, 120.0) as usize / BLOCK * BLOCK,
            Self::Glimpse { .. } => 60,
            Self::Full => 240,
        }
    }

    /// Rows of data and of samples in a scatter plot.
    pub(super) fn points(self) -> usize {
        match self {
            // The limits of the axes come from these samples, and all pictures of a run must have the same.
            Self::Quick { rows } | Self::Glimpse { rows } => (rows / 64).clamp(800, 2_000),
            Self::Full => 5_000,
        }
    }

    /// Length of the longer side of a plane, pixels.
    fn side(self) -> f64 {
        match self {
            Self::Quick { rows } | Self::Glimpse { rows } => (rows as f64).sqrt().clamp(256.0, 480.0).round(),
            Self::Full => 480.0,
        }
    }
}

/// Most rows drawn from a flow at the end of a run.
const SAMPLES: usize = 5_000;

/// Everything that pictures of a flow show, computed already: drawing no longer needs the flow.
pub struct View<'a> {
    dataset: &'a Dataset,
    /// Rows of both, data space.
    data: Matrix<f64>,
    samples: Matrix<f64>,
    density: Density,
    side: f64,
    gallery: Option<Gallery>,
}

/// log p where it can be drawn.
enum Density {
    Line(DensityLine),
    Plane(DensityGrid),
    NotDrawn,
}

impl<'a> View<'a> {
    /// Looks at `flow` beside its data. `samples` in data space.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(
        flow: &mut dyn Flow,
        dataset: &'a Dataset,
        samples: &Matrix<f64>,
        detail: Detail,
    ) -> Result<Self, DeviceError> {
        let data = some_rows(dataset, detail.points());
        let density = match data.columns() {
            1 => Density::Line(density_line(flow, dataset, &data, detail)?),
            2 => {
                let (x, y) = (column_limits(&data, 0), column_limits(&data, 1));
                Density::Plane(density_grid(flow, dataset, x, y, detail)?)
            }
            _ => Density::NotDrawn,
        };
        let gallery = match detail {
            Detail::Quick { .. } | Detail::Full if dataset.shape.is_image() => {
                Some(Gallery::new(flow, dataset, &data, samples)?)
            }
            Detail::Quick { .. } | Detail::Full | Detail::Glimpse { .. } => None,
        };
        let samples = first_rows(samples, detail.points());
        Ok(Self { dataset, data, samples, density, side: detail.side(), gallery })
    }

    /// For one feature the density, the map and the base density, for two the density and samples, for images samples and
    /// all of the [`Gallery`], for other features the samples pair by pair.
    ///
    /// # Errors
    /// Where a picture cannot be drawn.
    pub fn draw(&self, title: &str) -> Result<Vec<Picture>, ReportError> {
        let mut pictures = vec![self.draw_first(title)?];
        if let Density::Plane(_) = self.density {
            let names = self.names();
            pictures.push(samples_picture(&self.data, &self.samples, title, [names[0], names[1]], self.side)?);
        }
        if let Some(gallery) = &self.gallery {
            pictures.extend(gallery.draw(title)?);
        }
        Ok(pictures)
    }

    /// The first picture of [`View::draw`]: of one or two features, the density.
    ///
    /// # Errors
    /// Where it cannot be drawn.
    pub fn draw_first(&self, title: &str) -> Result<Picture, ReportError> {
        let Self { data, samples, .. } = self;
        let names = self.names();
        match &self.density {
            Density::Line(line) => density_1d_picture(line, title, names[0]),
            Density::Plane(grid) => density_picture(grid, title, [names[0], names[1]], self.side),
            Density::NotDrawn if self.dataset.shape.is_image() => {
                images_picture(data, samples, self.dataset.shape, title)
            }
            Density::NotDrawn => {
                pair_picture(data, samples, title, &names, &self.dataset.preprocessing.transforms, None)
            }
        }
    }

    fn names(&self) -> Vec<&'a str> {
        self.dataset.columns.iter().map(String::as_str).collect()
    }
}

/// The density of a flow of one feature on both sides of it; `data`: rows for the histogram, data space.
fn density_line(
    flow: &mut dyn Flow,
    dataset: &Dataset,
    data: &Matrix<f64>,
    detail: Detail,
) -> Result<DensityLine, DeviceError> {
    let x = evenly(axis_limits(data.as_slice().iter().copied()));
    let points = Matrix::new(x.clone(), 1);
    let latents = values(&flow.forward(&first_rows(&dataset.test, detail.points()))?.z);
    let base = flow.base();
    let base_z = evenly(latent_limits(&latents, &|z| base.log_prob(&[z as f32])));
    Ok(DensityLine {
        log_prob: log_prob(flow, dataset, &points)?,
        exact: dataset.toy.as_ref().map(|toy| x.iter().map(|&x| toy.log_density(&[x])).collect()),
        z: values(&flow.forward(&dataset.preprocessing.apply(&points))?.z),
        base_log_prob: base_z.iter().map(|&z| base.log_prob(&[z as f32])).collect(),
        data: data.as_slice().to_vec(),
        x,
        base_z,
        latents,
    })
}

/// Points of a curve between and at the limits.
fn evenly([low, high]: [f64; 2]) -> Vec<f64> {
    (0..=1000).map(|i| low + (high - low) * f64::from(i) / 1000.0).collect()
}

fn values(latents: &Matrix) -> Vec<f64> {
    latents.as_slice().iter().map(|&z| z.into()).collect()
}

/// Nats below its peak at which a base density ends to the eye: a standard normal at 3.3, a Student-t distribution of four
/// degrees of freedom at 5.7.
const BASE_ENDS: f64 = 5.5;

/// Limits of an axis that shows both the latents and the base density, which falls on both sides of 0.
fn latent_limits(latents: &[f64], log_prob: &dyn Fn(f64) -> f64) -> [f64; 2] {
    let peak = log_prob(0.0);
    let tenths = (1..1000).take_while(|&i| log_prob(0.1 * f64::from(i)) > peak - BASE_ENDS).count();
    let end = 0.1 * (tenths + 1) as f64;
    let [low, high] = axis_limits(latents.iter().copied());
    [low.min(-end), high.max(end)]
}

/// The density over a plane. In a quick picture, cells far below what can be seen are not scored: a coarse grid finds them.
fn density_grid(
    flow: &mut dyn Flow,
    dataset: &Dataset,
    x: [f64; 2],
    y: [f64; 2],
    detail: Detail,
) -> Result<DensityGrid, DeviceError> {
    let cells = detail.cells();
    let points = DensityGrid::points(x, y, cells, cells);
    let log_prob = match detail {
        Detail::Full => log_prob(flow, dataset, &points)?,
        Detail::Quick { .. } | Detail::Glimpse { .. } => {
            let blocks = cells / BLOCK;
            let coarse = log_prob(flow, dataset, &DensityGrid::points(x, y, blocks, blocks))?;
            let visible = visible(&coarse, blocks);
            let shown = |cell: &usize| visible[cell / cells / BLOCK * blocks + cell % cells / BLOCK];
            let chosen: Vec<usize> = (0..cells * cells).filter(shown).collect();
            let rows = chosen.iter().flat_map(|&cell| points.row(cell)).copied().collect();
            let mut all = vec![f64::NEG_INFINITY; cells * cells];
            for (cell, value) in chosen.iter().zip(log_prob(flow, dataset, &Matrix::new(rows, 2))?) {
                all[*cell] = value;
            }
            all
        }
    };
    Ok(DensityGrid { x, y, columns: cells, rows: cells, log_prob })
}

/// Cells along the side of a block that a coarse grid scores once.
const BLOCK: usize = 3;
/// Nats below the densest hundredth of the plane at which nothing can be seen: what is less than half of a colour scale's 255
/// steps, e^-6.2 of its end, is drawn as nothing.
const INVISIBLE: f64 = 7.0;

/// Which blocks of a square grid can be seen, or lie beside one that can. Values that are no number are looked at closely.
fn visible(log_prob: &[f64], blocks: usize) -> Vec<bool> {
    let mut sorted = log_prob.to_vec();
    sorted.sort_by(f64::total_cmp);
    let least = sorted[sorted.len() * 99 / 100] - INVISIBLE;
    let seen = |row: usize, column: usize| log_prob[row * blocks + column].total_cmp(&least).is_ge();
    let near = |at: usize| at.saturating_sub(1)..(at + 2).min(blocks);
    let cells = (0..blocks * blocks).map(|at| (at / blocks, at % blocks));
    cells.map(|(row, column)| near(row).any(|row| near(column).any(|column| seen(row, column)))).collect()
}

/// log p in data space at `points` (data space).
fn log_prob(flow: &mut dyn Flow, dataset: &Dataset, points: &Matrix<f64>) -> Result<Vec<f64>, DeviceError> {
    let points = dataset.preprocessing.apply(points);
    let log_prob = train::log_prob(flow, &points, &dataset.preprocessing)?;
    // No number: the point is beyond the bounds of a logit, where there is no density.
    Ok(log_prob.into_iter().map(|value| if value.is_nan() { f64::NEG_INFINITY } else { value }).collect())
}

/// Some rows of the data, data space: the first, or where rows have weights, each about as often as its weight says.
pub(super) fn some_rows(dataset: &Dataset, count: usize) -> Matrix<f64> {
    let weights = dataset.weights.as_ref();
    match (&dataset.train, weights) {
        // Quantised rows lie on a grid; held-out ones carry the noise that the flow was shown.
        (Train::Rows(rows), None) if !dataset.preprocessing.is_noisy() => first_rows(rows, count),
        (Train::Rows(rows), Some(all)) if !dataset.preprocessing.is_noisy() => {
            rows.select(&by_weight(&all.train, count))
        }
        (_, Some(all)) => dataset.preprocessing.invert(&dataset.test.select(&by_weight(&all.test, count))),
        (_, None) => dataset.preprocessing.invert(&first_rows(&dataset.test, count)),
    }
}

/// At most `count` places, and as many as there are weights, each about as often as its weight says: those in which equal steps
/// through the sum of all weights end.
fn by_weight(weights: &[f64], count: usize) -> Vec<usize> {
    let count = count.min(weights.len());
    let per_place = weights.iter().map(|weight| weight / count as f64).sum::<f64>();
    let (mut sum, mut chosen) = (0.0, Vec::with_capacity(count));
    for (place, weight) in weights.iter().enumerate() {
        sum += weight;
        while chosen.len() < count && (chosen.len() as f64 + 0.5) * per_place < sum {
            chosen.push(place);
        }
    }
    chosen
}

pub(super) fn first_rows<T: Copy + Default>(rows: &Matrix<T>, count: usize) -> Matrix<T> {
    rows.blocks(count).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{by_weight, latent_limits, visible};
    use crate::student_t::StudentT;

    #[test]
    fn rows_are_shown_as_often_as_they_weigh() {
        assert_eq!(by_weight(&[1.0; 4], 9), [0, 1, 2, 3]);
        assert_eq!(by_weight(&[1.5, 6.0, 0.5, 1e-9], 4), [0, 1, 1, 1]);
        assert_eq!(by_weight(&[1e-300, 1e-300], 2), [0, 1]);
    }

    #[test]
    fn an_axis_of_latents_shows_them_and_the_base_density() {
        let normal = |z: f64| -0.5 * z * z;
        let near = |found: [f64; 2], wanted: [f64; 2]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.11);
        // Where the density has fallen by 5.5 nats: ½z² = 5.5, and 2.5 ln(1 + z²/4) = 5.5.
        assert!(near(latent_limits(&[], &normal), [-3.317, 3.317]));
        let student = StudentT::new(4.0);
        assert!(near(latent_limits(&[0.5], &|z| student.log_density(z)), [-5.667, 5.667]));
        let far: Vec<f64> = (0..=1000).map(|i| 0.01 * f64::from(i)).collect();
        assert!(near(latent_limits(&far, &normal), [-3.317, 10.0 + 0.8]));
        assert!(near(latent_limits(&[], &|_| f64::NAN), [-0.1, 1.0]));
    }

    #[test]
    fn blocks_that_can_be_seen_and_their_neighbours_are_scored() {
        let blocks = 20;
        let plane = |dense: &dyn Fn(usize, usize) -> bool| -> Vec<f64> {
            (0..blocks * blocks).map(|at| if dense(at / blocks, at % blocks) { 0.0 } else { -50.0 }).collect()
        };
        // A few cells may be a spike beyond the colour scale: all is looked at.
        let spike = plane(&|row, column| row == 0 && column < 3);
        assert!(visible(&spike, blocks).iter().all(|&seen| seen));
        let log_prob = plane(&|row, column| row.abs_diff(column) < 3);
        let seen = visible(&log_prob, blocks);
        assert!(seen[0] && seen[5 * blocks + 8] && seen[5 * blocks + 9] && !seen[5 * blocks + 10]);
    }
}
