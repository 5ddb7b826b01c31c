//! Literal numbers are those of `reference.py` beside this file, which computes them with scipy, numpy and scikit-learn.

use super::super::columns::differences;
use super::super::distributions::*;
use super::super::latents::Latents;
use super::super::mixture::Mixture;
use super::super::{ColumnDifference, Energy, Material, Part, SHARES};
use super::table;
use crate::matrix::Matrix;

/// Normal quantiles of the fractional parts of multiples of the golden ratio.
fn normals(count: usize, start: usize) -> Vec<f64> {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    (start..start + count).map(|i| normal_quantile((i as f64 * golden).fract())).collect()
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} for {expected}");
}

#[test]
fn distribution_functions_are_those_of_scipy() {
    for (z, expected) in [(-8.0, 6.220_960_57e-16), (-1.5, 0.066_807_201_3), (0.3, 0.617_911_422), (4.0, 0.999_968_329)]
    {
        close(normal(z), expected, 1e-8 * expected);
        close(normal_quantile(normal(z)), z, 1e-7);
    }
    let cases = [
        (0.5, 1, 0.520_499_88, 0.439_391_29),
        (7.0, 4, 0.864_111_77, 0.052_845_42),
        (80.0, 64, 0.914_479_43, 0.011_913_21),
    ];
    for (x, degrees, below, density) in cases {
        close(chi_squared(x, degrees), below, 1e-8);
        close(chi_squared_density(x, degrees), density, 1e-8);
    }
    // Of very many rows Stephens' argument is √n D.
    for (at, expected) in [(0.8, 0.544_142_41), (1.358, 0.050_026_8), (2.0, 0.000_670_93)] {
        close(kolmogorov(at / 1e6, 1e12), expected, 1e-6);
    }
}

#[test]
fn distances_of_samples_are_those_of_scipy() {
    let values: Vec<f64> = normals(40, 1).iter().map(|value| value + 0.2).collect();
    let sorted = ascending(values.into_iter());
    let (found, _) = distance(&sorted, normal);
    close(found, 0.105_483_446_958_066_16, 1e-9);
    // scipy's p is exact; Stephens' is best where it is small.
    close(kolmogorov(found, 40.0), 0.725_497, 0.02);
    close(kolmogorov(0.25, 40.0), 0.010_895_520_868_549_28, 1e-3);
    close(kolmogorov(0.06, 600.0), 0.025_508_315_250_604_485, 1e-3);
    let other = ascending(normals(55, 300).into_iter().map(|value| value * 1.5));
    close(distance_of_two(&sorted, &other), 0.161_363_636_363_636_38, 1e-12);
}

#[test]
fn corrections_and_intervals_are_those_worked_out_elsewhere() {
    // By hand: 4 · 0.01; 3 · 0.02 = 0.06; 2 · 0.03 is less than 0.06 before it; 0.9.
    let adjusted = holm(&[0.03, 0.01, 0.9, 0.02]);
    for (found, expected) in adjusted.into_iter().zip([0.06, 0.04, 0.9, 0.06]) {
        close(found, expected, 1e-12);
    }
    let [low, high] = share_interval(0.57, 100);
    close(low, 0.472_153_895_492_123_05, 1e-12);
    close(high, 0.662_667_014_758_898_8, 1e-12);
}

#[test]
fn the_energy_distance_is_that_of_numpy() {
    let one = table(&[normals(30, 1), normals(30, 100)]);
    let other = table(&[normals(20, 500).iter().map(|value| value + 1.0).collect(), normals(20, 700)]);
    let found = Energy::between(&one, &other, 0);
    close(found.distance, 0.506_886_143_685_373_5, 1e-9);
    close(found.coefficient, 0.134_485_104_358_031_35, 1e-9);
    assert_eq!((found.rows, found), ([30, 20], Energy::between(&one, &other, 0)));
    assert!(found.p < 0.05, "{}", found.p);
}

fn cloud() -> [Vec<f64>; 2] {
    let (x, noise) = (normals(200, 1), normals(200, 4_000));
    let y = x.iter().zip(noise).map(|(x, noise)| 0.5 * x + noise).collect();
    [x, y]
}

#[test]
fn a_gaussian_and_a_mixture_are_those_of_scipy_and_scikit_learn() {
    let [x, y] = cloud();
    let points = table(&[vec![0.5, 3.0], vec![-1.0, 3.0]]);
    let one = Mixture::fit(&table(&[x.clone(), y.clone()]), None, 1, 0).log_density(&points);
    close(one[0], -2.521_189_95, 1e-4);
    close(one[1], -9.777_753_44, 1e-4);
    let with = |values: &[f64], scale: f64, shift: f64| -> Vec<f64> {
        values.iter().copied().chain(values.iter().map(|value| scale * value + shift)).collect()
    };
    let clouds = table(&[with(&x, 0.5, 8.0), with(&y, 1.0, 2.0)]);
    for seed in 0..3 {
        let log_prob = Mixture::fit(&clouds, None, 2, seed).log_density(&clouds);
        // A tenth of a row of the whole cloud's covariance is given to each component beforehand.
        close(log_prob.iter().sum::<f64>() / 400.0, -3.131_933_5, 2e-3);
    }
    // A weight of two is a row that is there twice.
    let twice = table(&[with(&x, 1.0, 0.0), with(&y, 1.0, 0.0)]);
    let weights: Vec<f64> = (0..200).map(|row| if row < 100 { 2.0 } else { 1.0 }).collect();
    let some: Vec<usize> = (0..300).collect();
    let repeated = Mixture::fit(&twice.select(&some), None, 1, 0).log_density(&points);
    let weighted = Mixture::fit(&table(&[x, y]), Some(&weights), 1, 0).log_density(&points);
    repeated.iter().zip(weighted).for_each(|(a, b)| close(*a, b, 1e-9));
}

#[test]
fn a_gaussian_given_the_context_is_linear_regression_with_the_variance_of_what_it_leaves() {
    let [x, y] = cloud();
    // By sums over the rows: y = a + b x + e.
    let n = x.len() as f64;
    let [mean_x, mean_y] = [&x, &y].map(|values| values.iter().sum::<f64>() / n);
    let covariance = x.iter().zip(&y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    let slope = covariance / x.iter().map(|x| (x - mean_x).powi(2)).sum::<f64>();
    let left = |x: f64, y: f64| y - mean_y - slope * (x - mean_x);
    let variance = x.iter().zip(&y).map(|(x, y)| left(*x, *y).powi(2)).sum::<f64>() / n;
    let points = [(0.5, -1.0), (3.0, 3.0)];
    let table = table(&[x, y]);
    let fitted = Mixture::fit(&table, None, 1, 0);
    let rows = Matrix::new(points.iter().flat_map(|&(x, y)| [x, y]).collect(), 2);
    for ((x, y), found) in points.into_iter().zip(fitted.log_density_given(&rows, 1)) {
        close(found, -0.5 * (std::f64::consts::TAU * variance).ln() - 0.5 * left(x, y).powi(2) / variance, 1e-4);
    }
    // A class as two values, one of which tells the other, changes nothing: what is certain cancels.
    let class = |i: usize| [i % 2, 1 - i % 2].map(|value| value as f64);
    let with = |rows: &Matrix<f64>| {
        let values = rows.iter_rows().enumerate().flat_map(|(i, row)| class(i).into_iter().chain([row[0], row[1]]));
        Matrix::new(values.collect(), 4)
    };
    let given_class = Mixture::fit(&with(&table), None, 1, 0).log_density_given(&with(&rows), 3);
    for (found, expected) in given_class.into_iter().zip(fitted.log_density_given(&rows, 1)) {
        close(found, expected, 0.1);
    }
}

#[test]
fn the_largest_correlation_is_that_of_scipy() {
    let [x, y] = cloud();
    let names = ["a", "b", "c"].map(str::to_owned);
    let found = Latents::of(&table(&[x, y, normals(200, 9_000)]), &names).correlation.expect("pairs");
    let single = Latents::of(&table(&cloud()), &names[..2]).correlation.expect("a pair");
    close(single.r, 0.172_990_664_983_703_72, 1e-9);
    close(single.p, 0.014_178_679_544_545_403, 1e-9);
    assert!(found.r.abs() >= single.r && found.p <= 1.0);
}

/// Of one column, samples against test rows.
fn difference(test: &[f64], samples: &[f64]) -> ColumnDifference {
    let part = |values: &[f64]| Part { data: table(&[values.to_vec()]), ..Part::default() };
    let columns = ["x".to_owned()];
    let material = Material {
        columns: &columns,
        coordinates: &columns,
        train: part(&[-10.0]),
        validation: Part::default(),
        test: part(test),
        counted_test: part(test),
        scores: table(&[vec![0.0]]),
        samples: table(&[vec![0.0]]),
        sample_data: table(&[samples.to_vec()]),
        draws: None,
    };
    differences(&material).remove(0)
}

#[test]
fn quantiles_of_columns_are_those_of_numpy() {
    let one = normals(30, 1);
    let other: Vec<f64> = normals(20, 500).iter().map(|value| value + 1.0).collect();
    let most = one.iter().copied().fold(f64::MIN, f64::max);
    let found = difference(&one, &other);
    for (found, expected) in
        found.quantiles.into_iter().zip([0.823_834_28, 0.943_516_47, 1.031_596_39, 1.078_185_13, 0.884_110_68])
    {
        close(found, expected, 1e-7);
    }
    close(found.outside, other.iter().filter(|&&value| value > most).count() as f64 / 20.0, 1e-12);
}

/// To first order a quantile of n normal rows has the standard error √(q(1 − q)/n)/φ(z), with z the quantile of N(0, 1).
#[test]
fn chance_moves_quantiles_of_normal_rows_by_their_standard_error() {
    let (n, m) = (40_000, 160_000);
    let found = difference(&normals(n, 1), &normals(m, 500));
    for (share, [low, high]) in SHARES.into_iter().zip(found.chance) {
        let z = normal_quantile(share);
        let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let error = (share * (1.0 - share) * (1.0 / n as f64 + 1.0 / m as f64)).sqrt() / density;
        assert!(
            (high / error - 1.96).abs() < 0.05 && (low / error + 1.96).abs() < 0.05,
            "{share}: {low} {high} {error}"
        );
    }
}

#[test]
fn chance_moves_quantiles_of_values_with_ties_from_one_value_to_the_next() {
    let coins = |heads: usize| -> Vec<f64> { (0..100).map(|i| if i < heads { 1.0 } else { 0.0 }).collect() };
    let found = difference(&coins(52), &coins(48));
    // The deviation of such rows is √(0.52 · 0.48); both other quartiles and the tails stay where they are.
    let step = 1.0 / 0.499_599_84;
    close(found.quantiles[2], -step, 1e-7);
    close(found.chance[2][0], -step, 1e-7);
    assert_eq!(found.chance[2][1], 0.0);
    assert!([0, 1, 3, 4].iter().all(|&share| found.chance[share] == [0.0, 0.0]), "{:?}", found.chance);
    // Heads in 80 of 100 are more than chance: its first quartile leaves the band.
    let more = difference(&coins(52), &coins(80));
    assert!(more.quantiles[1] > more.chance[1][1], "{more:?}");
}
