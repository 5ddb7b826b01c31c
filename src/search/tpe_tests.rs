use super::*;
use crate::random::{Purpose, stream};
use crate::spec::Overrides;
use crate::spec::tests::Folder;

const AXES: &str = "\"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n\
                    \"model.activation\" = [\"relu\", \"tanh\"]\n\"model.depth\" = [2, 4, 8]\n\
                    \"model.width\" = { min = 4, max = 9, scale = \"log\" }\n";

fn axes(parameters: &str) -> Vec<Axis> {
    let sweep = "[dataset]\nname = \"moons\"\n[sweep]\nmethod = \"tpe\"\ntrials = 12\n[sweep.parameters]\n";
    let experiment = Folder::with(format!("{sweep}{parameters}")).load(Overrides::default()).expect("a spec");
    experiment.sweep.expect("a sweep").axes
}

fn known(place: &[f64], score: Option<f64>) -> Known {
    Known { place: place.to_vec(), score }
}

#[test]
fn a_density_has_the_mean_of_even_draws_whatever_the_axes() {
    let axes = axes(AXES);
    let places = [[0.1, 0.2, 0.5, 0.3], [0.95, 0.7, 0.9, 0.8], [0.12, 0.3, 0.1, 0.3]];
    let places: Vec<Vec<f64>> = places.iter().map(|place| settled(&axes, place.to_vec())).collect();
    let directions: Vec<Direction> = axes.iter().map(Direction::of).collect();
    let parzen = Parzen::new(&directions, &places.iter().map(Vec::as_slice).collect::<Vec<_>>());
    // The midpoint rule, exact along cells and categories where the points of the rule fill them evenly.
    let n = 60;
    let points = |i: u32| (f64::from(i) + 0.5) / f64::from(n);
    let mut sum = 0.0;
    for (i, j, k) in (0..n).flat_map(|i| (0..2).flat_map(move |j| (0..3).map(move |k| (i, j, k)))) {
        let (j, k) = (0.25 + 0.5 * f64::from(j), (0.5 + f64::from(k)) / 3.0);
        // Cells of integers on a logarithmic axis are not equally wide.
        sum += (0..6)
            .map(|whole| {
                let ends = [4 + whole, 5 + whole].map(|value| (f64::from(value) / 4.0).ln() / (10.0_f64 / 4.0).ln());
                (ends[1] - ends[0]) * parzen.density(&[points(i), j, k, (ends[0] + ends[1]) / 2.0])
            })
            .sum::<f64>();
    }
    let mean = sum / f64::from(n * 2 * 3);
    assert!((mean - 1.0).abs() < 1e-3, "{mean}");
}

#[test]
fn draws_follow_the_density() {
    let axes = axes(AXES);
    let places = [[0.1, 0.25, 0.5, 0.3], [0.7, 0.25, 0.5, 0.3]].map(|place| settled(&axes, place.to_vec()));
    let directions: Vec<Direction> = axes.iter().map(Direction::of).collect();
    let parzen = Parzen::new(&directions, &[&places[0], &places[1]]);
    let mut rng = stream(3, Purpose::Test, 0);
    let n = 20_000;
    let draws: Vec<Vec<f64>> = (0..n).map(|_| parzen.draw(&mut rng)).collect();
    // The mean of 1/density over draws of a density is the volume of the cube.
    let volume = draws.iter().map(|place| 1.0 / parzen.density(place)).sum::<f64>() / f64::from(n);
    assert!((volume - 1.0).abs() < 0.03, "{volume}");
    // Two kernels of three have 4/5 of their weight at the first word (1/3 + 1 of 2/3 + 1), the prior has half.
    let first = draws.iter().filter(|place| place[1] < 0.5).count() as f64 / f64::from(n);
    assert!((first - (2.0 * 0.8 + 0.5) / 3.0).abs() < 0.015, "{first}");
}

#[test]
fn words_and_pairs_are_categories_and_numbers_in_order_are_not() {
    let kinds = "\"model.mask\" = [\"half\", \"random\"]\n\"model.depth,model.width\" = [[2, 4], [4, 8], [8, 4]]\n\
                 \"training.batch_size\" = [256, 64, 32]\n\"model.dropout\" = [0.1, 0.3, 0.2]\n\
                 \"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1 }\n";
    let found: Vec<_> = axes(kinds).iter().map(Axis::categories).collect();
    assert_eq!(found, [Some(2), Some(3), None, Some(3), None]);
}

#[test]
fn the_good_are_a_tenth_and_what_has_no_score_is_never_among_them() {
    let trials: Vec<Known> = (0..30).map(|i| known(&[f64::from(i)], (i % 10 != 0).then(|| f64::from(-i)))).collect();
    let (good, others) = divide(&trials);
    assert_eq!((good, others.len()), (vec![&[27.0][..], &[28.0], &[29.0]], 27));
    let without: Vec<Known> = trials.iter().map(|it| known(&it.place, None)).collect();
    let (good, others) = divide(&without);
    assert_eq!((good.len(), others.len()), (0, 30));
    assert_eq!(divide(&[known(&[0.0], Some(f64::NAN)), known(&[1.0], Some(9.0))]).0, [&[1.0]]);
}

#[test]
fn proposals_keep_away_from_where_trials_diverge() {
    let axes = axes("\"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n");
    // The smaller u the worse, up to 0.6, where trials begin to diverge.
    let trial = |i: u32| (f64::from(i) * 0.618).fract();
    let ended: Vec<Known> = (0..40).map(|i| known(&[trial(i)], (trial(i) < 0.6).then(|| -trial(i)))).collect();
    let places: Vec<f64> = (0..40)
        .map(|index| propose(&axes, &ended, &[], &mut stream(0, Purpose::Test, index), |_| true).expect("a place")[0])
        .collect();
    let well = places.iter().filter(|place| (0.4..0.65).contains(*place)).count();
    assert!(well >= 36, "{places:?}");
}

#[test]
fn a_trial_that_runs_is_not_proposed_a_second_time() {
    let axes = axes("\"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n");
    let ended: Vec<Known> = (0..20).map(|i| known(&[f64::from(i) / 20.0], Some((f64::from(i) - 7.0).abs()))).collect();
    let proposal = |pending: &[Vec<f64>]| {
        propose(&axes, &ended, pending, &mut stream(0, Purpose::Test, 1), |_| true).expect("a place")
    };
    let first = proposal(&[]);
    assert_eq!(first, proposal(&[]));
    let crowded = vec![first.clone(); 8];
    let second = proposal(&crowded);
    assert!((first[0] - second[0]).abs() > 0.02, "{first:?} {second:?}");
    let none: Option<Vec<f64>> = propose(&axes, &ended, &[], &mut stream(0, Purpose::Test, 1), |_| false);
    assert_eq!(none, None);
}
