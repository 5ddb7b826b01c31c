//! `[sweep]`: trials that differ in some keys.

use super::Since;
use super::row::{Row, choice, integer, row};
use crate::spec::keys::Fallback::{Required, Value};
use crate::spec::kind::Kind;
use crate::spec::sweep::{MAX_ROUND, MAX_TRIALS};
use crate::spec::variant::When;

const DRAWN: When = When::Is("sweep.method", &["random", "sobol", "tpe"]);
const SCORES: &[&str] = &["validation_nll", "test_nll", "test_nll_standardized", "train_nll", "gap", "bits_per_dim"];
const LEARNING: When = When::Is("sweep.method", &["tpe"]);

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("sweep.method", choice(&["grid", "random", "sobol", "tpe"]), Value("'grid'"), "",
        "How points are chosen: all combinations, at random, evenly spread, or by what earlier trials have reached."),
    row("sweep.trials", integer(1, MAX_TRIALS as i64), Required, "trials", "Number of points.").when(DRAWN),
    row("sweep.seed", integer(0, i64::MAX), Value("0"), "", "Seed of the points.").when(DRAWN),
    row("sweep.startup", integer(1, MAX_TRIALS as i64), Value("10"), "trials",
        "Size of the first round: evenly spread points, before anything is known.").when(LEARNING).since(Since::Later),
    row("sweep.round", integer(1, MAX_ROUND as i64), Value("4"), "trials",
        "Size of each later round: trials that are proposed together, and run side by side.").when(LEARNING).since(Since::Later),
    row("sweep.metric", choice(SCORES), Value("'validation_nll'"), "",
        "Column of trials.parquet whose mean over the seeds is to be small; a trial that diverged or failed counts as worst.")
        .when(LEARNING).since(Since::Later),
    row("sweep.parameters", Kind::Parameters, Required, "",
        "Dotted keys with a list of values, or a range: `min`, `max`, `scale` (linear or log), `step` or `points`, `integer`; \
         `\"a,b\"` sweeps keys together."),
];
