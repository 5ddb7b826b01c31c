//! How often tests reject what is right, and whether they see what is wrong.

use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::super::columns::differences;
use super::super::{Classifier, Energy, Latents, Material, Memory, Part, Rating, diagnose};
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};

/// Draws of N(shift, scale²), shape `[rows, 3]`.
fn draws(rows: usize, shift: f64, scale: f64, index: u64) -> Matrix<f64> {
    let mut rng = stream(7, Purpose::Test, index);
    let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
    Matrix::new((0..3 * rows).map(|_| shift + scale * draw()).collect(), 3)
}

/// Test rows, and samples.
const ROWS: usize = 100;

/// p of every test, of latents and samples that are N(shift, scale²) where they should be N(0, 1), repeat after repeat.
fn p_values(shift: f64, scale: f64, repeats: u64) -> Vec<(&'static str, Vec<f64>)> {
    let names = ["x", "y", "z"].map(str::to_owned);
    let of_one = |repeat: u64| {
        let (right, drawn) = (draws(ROWS, 0.0, 1.0, 2 * repeat), draws(ROWS, shift, scale, 2 * repeat + 1));
        let latents = Latents::of(&drawn, &names);
        let coordinates = latents.coordinates.iter().map(|it| it.p).fold(1.0, f64::min);
        let correlation = latents.correlation.expect("pairs").p;
        let energy = Energy::between(&right, &drawn, repeat).p;
        let neighbours = Classifier::between(&right, &drawn, repeat).p;
        let train = draws(3 * ROWS, 0.0, 1.0, 1_000_000 + repeat);
        let memory = Memory::of(&train, &right, &drawn).p;
        let part = |data: Matrix<f64>| Part { data, ..Part::default() };
        let material = Material {
            columns: &names,
            coordinates: &names,
            train: part(train),
            validation: Part::default(),
            test: part(right.clone()),
            counted_test: part(right),
            scores: Matrix::default(),
            samples: Matrix::default(),
            sample_data: drawn,
            draws: None,
        };
        let columns = differences(&material).iter().map(|it| it.p).fold(1.0, f64::min);
        [coordinates, latents.radius.p, correlation, energy, neighbours, memory, columns]
    };
    let found: Vec<[f64; 7]> = (0..repeats).into_par_iter().map(of_one).collect();
    let names = ["coordinates", "lengths", "correlation", "energy", "neighbours", "memorising", "columns"];
    names.into_iter().enumerate().map(|(i, name)| (name, found.iter().map(|p| p[i]).collect())).collect()
}

/// Ten of 200 are expected; 1 to 20 have a probability of 0.998. Corrections for many questions may make it fewer.
#[test]
fn one_in_twenty_is_rejected_of_what_is_right() {
    for (name, p) in p_values(0.0, 1.0, 200) {
        let below = |level: f64| p.iter().filter(|&&p| p < level).count();
        assert!((1..=20).contains(&below(0.05)), "{name}: {} of 200 at 5 %", below(0.05));
        if ["lengths", "energy"].contains(&name) {
            // A deviation of 7.
            assert!((75..=125).contains(&below(0.5)), "{name}: {} of 200 at 50 %", below(0.5));
        }
    }
}

#[test]
fn what_is_shifted_or_scaled_is_seen() {
    let share = |tests: &[(&str, Vec<f64>)], name: &str| {
        let p = &tests.iter().find(|test| test.0 == name).expect("a test").1;
        p.iter().filter(|&&p| p < 0.05).count() as f64 / p.len() as f64
    };
    let shifted = p_values(0.5, 1.0, 40);
    for (name, least) in [("coordinates", 0.95), ("energy", 0.95), ("neighbours", 0.7), ("columns", 0.9)] {
        assert!(share(&shifted, name) > least, "{name}: {}", share(&shifted, name));
    }
    let scaled = p_values(0.0, 1.5, 40);
    for (name, least) in [("coordinates", 0.4), ("lengths", 0.95), ("energy", 0.3)] {
        assert!(share(&scaled, name) > least, "{name}: {}", share(&scaled, name));
    }
}

/// Rows of y = x² + noise and of a third column, z their exact latents: the flow is the density itself, or has its y off by `shift`
/// and all of it wider by `scale`.
fn curved(rows: usize, scale: f64, shift: f64, index: u64) -> (Matrix<f64>, Matrix<f64>, Vec<f64>) {
    let z = draws(rows, 0.0, 1.0, index);
    let mut x = Vec::new();
    for row in z.iter_rows() {
        x.extend([row[0], row[0] * row[0] + 0.5 * row[1], row[2]]);
    }
    let x = Matrix::new(x, 3);
    let constant = -1.5 * std::f64::consts::TAU.ln() - 0.5f64.ln() - 3.0 * scale.ln();
    let mut scores = Vec::new();
    let mut log_prob = Vec::new();
    for row in x.iter_rows() {
        let z = [row[0], (row[1] - shift - row[0] * row[0]) / 0.5, row[2]].map(|z| z / scale);
        log_prob.push(constant - 0.5 * z.iter().map(|z| z * z).sum::<f64>());
        scores.extend(z);
    }
    (x, Matrix::new(scores, 3), log_prob)
}

fn verdict_of(scale: f64, shift: f64) -> super::super::Diagnosis {
    let columns = ["a", "b", "c"].map(str::to_owned);
    let part = |rows, index| {
        let (data, _, log_prob) = curved(rows, scale, shift, index);
        Part { rows: data.clone(), data, log_prob, log_det: vec![0.0; rows], weights: None }
    };
    let (test, scores, _) = curved(800, scale, shift, 1_001);
    // Samples of the flow: its latents are right.
    let z = draws(800, 0.0, scale, 1_003);
    let samples: Vec<f64> = z.iter_rows().flat_map(|z| [z[0], z[0] * z[0] + shift + 0.5 * z[1], z[2]]).collect();
    let material = Material {
        columns: &columns,
        coordinates: &columns,
        train: part(2_000, 1_000),
        validation: part(500, 1_002),
        test: part(800, 1_001),
        counted_test: Part { rows: test.clone(), data: test, ..Part::default() },
        scores,
        samples: Matrix::new(samples.clone(), 3),
        sample_data: Matrix::new(samples, 3),
        draws: None,
    };
    diagnose(&material, 0)
}

#[test]
fn the_density_itself_passes_and_another_is_told_what_is_wrong_with_it() {
    let right = verdict_of(1.0, 0.0);
    assert!(right.verdict.findings.iter().all(|it| it.rating == Rating::Good), "{:#?}", right.verdict);
    assert!(right.baselines.chosen.len() == 2 && right.baselines.chosen.iter().all(|it| it.better > 0.0));
    assert!(right.verdict.conclusion.starts_with("Nothing tells"), "{}", right.verdict.conclusion);
    let lowest = right.strange[0].log_prob.expect("finite");
    assert!(right.strange.iter().all(|row| row.log_prob.expect("finite") >= lowest));

    let wrong = verdict_of(1.0, 0.3);
    let worst = wrong.latents.worst().expect("coordinates");
    assert_eq!((worst.name.as_str(), worst.direction.words()), ("b", "too low"));
    assert!(wrong.verdict.conclusion.contains("latent coordinates"), "{}", wrong.verdict.conclusion);

    let wide = verdict_of(1.4, 0.0);
    assert!(wide.latents.coordinates.iter().all(|it| it.direction.words() == "too narrow"), "{:#?}", wide.latents);
    assert!(wide.energy.p < 0.01 && wide.outside > right.outside);
}

#[test]
fn samples_that_repeat_training_rows_are_seen() {
    let (train, test, fresh) = (draws(500, 0.0, 1.0, 1), draws(300, 0.0, 1.0, 2), draws(300, 0.0, 1.0, 3));
    let honest = Memory::of(&train, &test, &fresh);
    assert!(honest.p > 0.05 && honest.near > 0.01, "{honest:?}");
    let repeats: Vec<f64> = train.as_slice()[..900].iter().map(|value| value + 1e-3).collect();
    let repeated = Memory::of(&train, &test, &Matrix::new(repeats, 3));
    assert!(repeated.near > 0.95 && repeated.p < 1e-9 && repeated.samples < 0.1 * repeated.test, "{repeated:?}");
    assert!(repeated.pairs.iter().all(|(sample, row)| sample == row), "{:?}", repeated.pairs);
}
