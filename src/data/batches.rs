//! Mini-batches of training rows, each a pure function of seed and step.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::dataset::{Dataset, Train};
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};
use crate::shape::Shape;
use crate::spec::Augment;

/// Deals out the training rows, brought to model space.
///
/// Fixed rows come without replacement: every epoch is a new permutation, and what is left after its last full batch is
/// dropped. Fresh rows are drawn for every step. Any step can be asked for at any time; going forward is fastest.
#[derive(Debug)]
pub struct Batches<'a> {
    dataset: &'a Dataset,
    batch_size: usize,
    seed: u64,
    /// Full batches in the training rows; `None` for fresh rows.
    steps_per_epoch: Option<u64>,
    /// The epoch's permutation of the training rows, and the number of the epoch.
    order: Vec<u32>,
    order_epoch: Option<u64>,
    /// Rows of a step that are made for it, fresh or mirrored, shape `[batch_size, features]`, data space.
    made: Matrix<f64>,
}

impl<'a> Batches<'a> {
    /// Batches of `batch_size` rows in the order given by `seed`; of all rows where there are fewer.
    ///
    /// # Panics
    /// If there are no training rows, which [`load`](super::load) has refused.
    pub fn new(dataset: &'a Dataset, batch_size: usize, seed: u64) -> Self {
        let (batch_size, steps_per_epoch) = match &dataset.train {
            Train::Rows(rows) => {
                let batch_size = batch_size.min(rows.rows());
                (batch_size, Some((rows.rows() / batch_size) as u64))
            }
            Train::Fresh => (batch_size, None),
        };
        Self {
            dataset,
            batch_size,
            seed,
            steps_per_epoch,
            order: Vec::new(),
            order_epoch: None,
            made: Matrix::default(),
        }
    }

    /// Rows of a batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Rows dealt out in an epoch; `None` for fresh rows, which never end.
    pub fn rows_per_epoch(&self) -> Option<usize> {
        self.steps_per_epoch.map(|steps| steps as usize * self.batch_size)
    }

    /// Steps of an epoch; `None` for fresh rows.
    pub fn steps_per_epoch(&self) -> Option<u64> {
        self.steps_per_epoch
    }

    /// Epochs passed after `step` steps; 0 for fresh rows, whose epoch has no end.
    pub fn epoch(&self, step: u64) -> f64 {
        self.steps_per_epoch.map_or(0.0, |steps| step as f64 / steps as f64)
    }

    /// Writes batch number `step` (from 0) into `out`, which gets the shape `[batch_size, values of a row]` if it has another.
    pub fn fill(&mut self, step: u64, out: &mut Matrix) {
        let features = self.dataset.preprocessing.values();
        if (out.rows(), out.columns()) != (self.batch_size, features) {
            *out = Matrix::zeros(self.batch_size, features);
        }
        let Dataset { train, preprocessing, augment, .. } = self.dataset;
        let mut rng = stream(self.seed, Purpose::TrainNoise, step);
        let is_made = augment.contains(&Augment::Flip);
        match (train, self.places(step)) {
            (Train::Rows(rows), Some(_)) if is_made => {
                self.mirror(step, rows);
                preprocessing.apply_with_noise_to(self.made.iter_rows(), out, &mut rng);
            }
            (Train::Rows(rows), Some(chosen)) => {
                let chosen = chosen.iter().map(|&index| rows.row(index as usize));
                preprocessing.apply_with_noise_to(chosen, out, &mut rng);
            }
            _ => {
                self.draw(step);
                preprocessing.apply_with_noise_to(self.made.iter_rows(), out, &mut rng);
            }
        }
    }

    /// Makes the rows of batch number `step`: every other one of them, by chance, mirrored.
    fn mirror(&mut self, step: u64, rows: &Matrix<f64>) {
        let mut rng = stream(self.seed, Purpose::Flips, step);
        let (shape, mut values) = (self.dataset.shape, std::mem::take(&mut self.made).into_vec());
        values.clear();
        for &place in self.places(step).unwrap_or_default() {
            let row = rows.row(place as usize);
            match rng.random::<bool>() {
                // A context behind the image stays.
                true => {
                    values.extend(mirrored(shape).map(|place| row[place]).chain(row[shape.values()..].iter().copied()))
                }
                false => values.extend_from_slice(row),
            }
        }
        self.made = Matrix::new(values, rows.columns());
    }

    /// The places among the training rows of those in batch number `step` (from 0), shape `[batch_size]`; `None` for fresh rows.
    pub fn places(&mut self, step: u64) -> Option<&[u32]> {
        let Train::Rows(rows) = &self.dataset.train else { return None };
        let steps = self.steps_per_epoch?;
        self.shuffle_for(step / steps, rows.rows());
        let first = (step % steps) as usize * self.batch_size;
        Some(&self.order[first..first + self.batch_size])
    }

    fn shuffle_for(&mut self, epoch: u64, rows: usize) {
        if self.order_epoch != Some(epoch) {
            // From the identity each time: the permutation must not depend on the epochs before.
            self.order.clear();
            self.order.extend(0..rows as u32);
            self.order.shuffle(&mut stream(self.seed, Purpose::BatchOrder, epoch));
            self.order_epoch = Some(epoch);
        }
    }

    /// Draws the fresh rows of batch number `step`.
    fn draw(&mut self, step: u64) {
        let toy = self.dataset.toy.as_deref();
        // `load` makes training rows fresh for toys only.
        let toy = toy.expect("fresh rows come from a toy");
        let mut rng = stream(mix(self.seed, self.dataset.seed), Purpose::FreshRows, step);
        if self.made.rows() != self.batch_size {
            self.made = Matrix::zeros(self.batch_size, toy.values());
        }
        let mut one = vec![0.0; toy.values()];
        for row in self.made.as_mut_slice().chunks_exact_mut(one.len()) {
            toy.sample(&mut rng, &mut one);
            row.iter_mut().zip(&one).for_each(|(to, from)| *to = f64::from(*from));
        }
    }
}

/// The places of an image's values, as they stand in its mirror image.
fn mirrored(shape: Shape) -> impl Iterator<Item = usize> {
    let Shape { height, width, channels } = shape;
    let pixels = (0..height).flat_map(move |row| (0..width).rev().map(move |column| row * width + column));
    pixels.flat_map(move |pixel| pixel * channels..(pixel + 1) * channels)
}

/// One seed from the run's and the dataset's, so that no two pairs of small seeds share their fresh rows: the second is
/// scattered by the finaliser of SplitMix64 (Steele, Lea & Flood 2014).
fn mix(seed: u64, dataset_seed: u64) -> u64 {
    let mut z = dataset_seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Preprocessing;
    use crate::toys::toy;
    use std::collections::{BTreeMap, HashSet};

    /// 103 rows (i, −i), or fresh moons.
    fn dataset(fresh: bool, step: Option<f64>) -> Dataset {
        let rows = Matrix::new((0..103).flat_map(|i| [f64::from(i), -f64::from(i)]).collect(), 2);
        Dataset {
            shape: 2.into(),
            columns: vec!["x1".into(), "x2".into()],
            context: Default::default(),
            train: if fresh { Train::Fresh } else { Train::Rows(rows) },
            validation: Matrix::zeros(1, 2),
            test: Matrix::zeros(1, 2),
            weights: None,
            preprocessing: Preprocessing {
                mean: vec![0.5, 0.25],
                scale: vec![1.0, 2.0],
                steps: step.map_or(Vec::new(), |step| vec![step; 2]),
                ..Preprocessing::identity(2)
            },
            toy: fresh.then(|| toy("moons", &BTreeMap::new()).unwrap()),
            warnings: Vec::new(),
            unused_rows: 0,
            augment: Vec::new(),
            provenance: Default::default(),
            exact: Default::default(),
            seed: 0,
        }
    }

    fn batch(batches: &mut Batches, step: u64) -> Matrix {
        let mut out = Matrix::default();
        batches.fill(step, &mut out);
        out
    }

    #[test]
    fn an_epoch_visits_every_row_at_most_once_and_epochs_differ() {
        let dataset = dataset(false, None);
        let mut batches = Batches::new(&dataset, 10, 3);
        assert_eq!((batches.rows_per_epoch(), batches.steps_per_epoch()), (Some(100), Some(10)));
        assert_eq!((batches.epoch(0), batches.epoch(15)), (0.0, 1.5));
        let mut orders = HashSet::new();
        for epoch in 0..5 {
            let rows: Vec<u32> = (0..10)
                .flat_map(|i| {
                    batch(&mut batches, epoch * 10 + i).iter_rows().map(|row| (row[0] + 0.5) as u32).collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(rows.iter().collect::<HashSet<_>>().len(), 100);
            orders.insert(rows);
        }
        assert_eq!(orders.len(), 5);
    }

    #[test]
    fn a_batch_depends_on_seed_and_step_alone() {
        for (fresh, step) in [(false, None), (false, Some(0.5)), (true, None)] {
            let dataset = dataset(fresh, step);
            let mut batches = Batches::new(&dataset, 10, 3);
            let sequential: Vec<Matrix> = (0..40).map(|step| batch(&mut batches, step)).collect();
            let mut batches = Batches::new(&dataset, 10, 3);
            for step in [39, 0, 17, 17, 25, 3, 10] {
                assert_eq!(batch(&mut batches, step), sequential[step as usize]);
            }
            assert_ne!(batch(&mut Batches::new(&dataset, 10, 4), 0), sequential[0]);
            assert_ne!(sequential[0], sequential[1]);
        }
    }

    #[test]
    fn every_other_image_is_mirrored_pixel_by_pixel_as_seed_and_step_say() {
        let shape = Shape { height: 2, width: 3, channels: 2 };
        let rows = Matrix::new((0..100 * 12).map(f64::from).collect(), 12);
        let images = Dataset {
            shape,
            columns: vec![String::new(); 12],
            train: Train::Rows(rows.clone()),
            preprocessing: Preprocessing::identity(12),
            augment: vec![Augment::Flip],
            ..dataset(false, None)
        };
        let mirror = |row: &[f64]| -> Vec<f64> { [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7].map(|at| row[at]).to_vec() };
        let mut batches = Batches::new(&images, 50, 3);
        let first = batch(&mut batches, 0);
        let mut flips = Vec::new();
        let places = batches.places(0).expect("rows").to_vec();
        for (found, place) in first.iter_rows().zip(places) {
            let (row, found) = (rows.row(place as usize), found.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            flips.push(found != row);
            assert!(found == row || found == mirror(row), "{found:?}");
        }
        let count = flips.iter().filter(|&&flipped| flipped).count();
        assert!((12..=38).contains(&count), "{count} of 50");
        batch(&mut batches, 7);
        assert_eq!(batch(&mut batches, 0), first, "whatever came between");
        assert_eq!(batch(&mut Batches::new(&images, 50, 3), 7), batch(&mut batches, 7));
    }

    #[test]
    fn noise_is_new_at_every_step_and_as_wide_as_the_step() {
        let dataset = dataset(false, Some(0.5));
        let plain = self::dataset(false, None);
        let noise = |step| {
            let noisy = batch(&mut Batches::new(&dataset, 100, 3), step);
            let plain = batch(&mut Batches::new(&plain, 100, 3), step);
            noisy.as_slice().iter().zip(plain.as_slice()).map(|(a, b)| a - b).collect::<Vec<f32>>()
        };
        for row in noise(0).chunks(2) {
            assert!((-1e-4..0.5001).contains(&row[0]) && (-1e-4..0.2501).contains(&row[1]), "{row:?}");
        }
        assert_ne!(noise(0), noise(1));
    }

    #[test]
    fn fresh_rows_are_in_model_space_and_depend_on_both_seeds() {
        let mut dataset = dataset(true, None);
        let rows = batch(&mut Batches::new(&dataset, 4096, 3), 0);
        let mean = |column: usize| rows.iter_rows().map(|row| f64::from(row[column])).sum::<f64>() / 4096.0;
        assert!(mean(0).abs() < 0.06 && mean(1).abs() < 0.03, "moons have mean (½, ¼)");
        assert_eq!(Batches::new(&dataset, 10, 3).epoch(100), 0.0);
        dataset.seed = 1;
        assert_ne!(rows, batch(&mut Batches::new(&dataset, 4096, 3), 0));
        assert_ne!(mix(0, 1), mix(1, 0));
    }
}
