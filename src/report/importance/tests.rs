//! Comparisons of trials whose metric is a known function of their settings.

use std::collections::BTreeMap;

use super::*;
use crate::report::comparison::{By, Row, metric};
use crate::train::Status;

/// Trials with settings of every kind; `value` has the metric of a trial, `None` where it diverged.
fn rows(trials: usize, value: impl Fn(f64, usize, bool) -> Option<f64>) -> Vec<Row> {
    let row = |trial: usize| {
        // An even spread over a logarithmic range, and combinations of the others.
        let share = (trial as f64 * 0.618_033_988).fract();
        let rate = 10f64.powf(-4.0 + 2.0 * share);
        let (pair, spline) = (trial % 3, trial / 3 % 2 == 1);
        let found = value(rate, pair, spline);
        let mut keys: BTreeMap<String, toml::Value> = BTreeMap::from([
            ("optimizer.learning_rate".into(), rate.into()),
            ("model.depth".into(), [2, 4, 8][pair].into()),
            ("model.width".into(), [128, 64, 32][pair].into()),
            ("model.coupling".into(), if spline { "spline" } else { "affine" }.into()),
            ("dataset.noise".into(), 0.1.into()),
        ]);
        if spline {
            keys.insert("model.bins".into(), [4, 8][trial / 6 % 2].into());
        }
        let mut row = Row::new("e".into(), format!("t{trial}"), 0, Status::Diverged);
        row.keys = keys;
        if let Some(found) = found {
            row.status = Status::Finished;
            row.metrics = BTreeMap::from([("test_nll", found), ("samples_per_second", -found)]);
        }
        row
    };
    (0..trials).map(row).collect()
}

fn compared(rows: &[Row], name: &str) -> Comparison {
    Comparison::new(rows, &By::Trial, metric(name).expect("a metric"))
}

#[test]
fn every_kind_of_setting_gets_its_share_and_its_best_values() {
    // Even over two decades around the middle: (log₁₀ rate + 3)² has variance 4/45; the pair's 1, 0, 1 has 2/9.
    let nll = |rate: f64, pair: usize, _| Some((rate.log10() + 3.0).powi(2) + if pair == 1 { 0.0 } else { 1.0 });
    for (name, sign) in [("test_nll", 1.0), ("samples_per_second", -1.0)] {
        let comparison = compared(&rows(240, nll), name);
        let explained = Explained::new(&comparison).expect("importances");
        let of = |name: &str| explained.settings.iter().position(|it| it.name == name).expect("a setting");
        assert_eq!(explained.settings.len(), 4, "what never changes is no setting: {:?}", explained.settings);
        let expected = [
            ("optimizer.learning_rate", (4.0 / 45.0) / (4.0 / 45.0 + 2.0 / 9.0)),
            ("model.depth, model.width", (2.0 / 9.0) / (4.0 / 45.0 + 2.0 / 9.0)),
            ("model.coupling", 0.0),
            ("model.bins", 0.0),
        ];
        for (name, share) in expected {
            let found = explained.alone[of(name)];
            assert!((found.mean - share).abs() < 0.05, "{name}: {found:?} instead of {share}");
        }
        assert_eq!(explained.settings[explained.order[0]].name, "model.depth, model.width");
        assert_eq!(explained.best(of("model.depth, model.width")), "4 · 64");
        let best = explained.best(of("optimizer.learning_rate"));
        let ends: Vec<f64> = best.split(" to ").map(|end| end.parse().expect("a number")).collect();
        assert!(ends[0] > 3e-4 && ends[0] < 1e-3 && ends[1] > 1e-3 && ends[1] < 3e-3, "{best}");
        assert!(sign * explained.observations.values[0] < 0.5);
        let text = explained.text();
        for wanted in ["% of variance ± trees", "best on average", "4 · 64", "model.bins"] {
            assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
        }
        let frame = explained.frame().expect("a table");
        assert_eq!(frame.get_column_names(), ["setting", "share", "share_deviation", "best"]);
    }
}

#[test]
fn what_is_left_out_and_what_is_held_back_is_told() {
    let nll = |rate: f64, pair, spline| match (rate > 5e-3, pair, spline) {
        (true, 0, true) => None,
        (true, 2, true) => Some(1e7),
        _ => Some(rate.log10() + pair as f64),
    };
    let comparison = compared(&rows(90, nll), "test_nll");
    let explained = Explained::new(&comparison).expect("importances");
    assert!(explained.observations.values.iter().all(|value| *value < 100.0));
    let notes = explained.notes().join("\n");
    let missing = comparison.groups.iter().filter(|group| group.estimates.is_empty()).count();
    assert!(missing > 0 && notes.contains(&format!("{missing} trials without test NLL left out")), "{notes}");
    assert!(notes.contains("far outside") && notes.contains("(R²)"), "{notes}");
}

#[test]
fn too_few_trials_and_equal_ones_are_refused_in_words() {
    let refused = |rows: &[Row]| Explained::new(&compared(rows, "test_nll")).expect_err("nothing to say").to_string();
    let few = refused(&rows(15, |rate, _, _| Some(rate)));
    assert!(few.contains("15 trials") && few.contains("4 settings") && few.contains("16 here"), "{few}");
    assert!(refused(&rows(30, |_, _, _| Some(1.0))).contains("the same `test_nll`"));
    let mut same = rows(1, |_, _, _| Some(1.0));
    same.push(Row { trial: "again".into(), ..same[0].clone() });
    assert!(refused(&same).contains("differ in no setting"));
    assert!(refused(&[]).contains("differ in no setting"));
}
