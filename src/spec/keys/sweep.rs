//! `[sweep]`: trials that differ in some keys.

use super::Since;
use super::row::{MAX_STEPS, Row, choice, integer, row};
use crate::spec::keys::Fallback::{Required, Value};
use crate::spec::kind::Kind;
use crate::spec::sweep::{MAX_ROUND, MAX_TRIALS};
use crate::spec::variant::When;

const DRAWN: When = When::Is("sweep.method", &["random", "sobol", "tpe", "halving"]);
const SCORES: &[&str] = &["validation_nll", "test_nll", "test_nll_standardized", "train_nll", "gap", "bits_per_dim"];
const LEARNING: When = When::Is("sweep.method", &["tpe"]);
const HALVED: When = When::Is("sweep.method", &["halving"]);
/// No spec of another method has this key.
const LEARNING_HALVED: When = When::Is("sweep.candidates", &["tpe"]);

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("sweep.method", choice(&["grid", "random", "sobol", "tpe", "halving"]), Value("'grid'"), "",
        "How points are chosen: all combinations, at random, evenly spread, or by what earlier trials have reached; `halving` lets \
         only the best of them train to their end."),
    row("sweep.trials", integer(1, MAX_TRIALS as i64), Required, "trials", "Number of points.").when(DRAWN),
    row("sweep.seed", integer(0, i64::MAX), Value("0"), "", "Seed of the points.").when(DRAWN),
    row("sweep.startup", integer(1, MAX_TRIALS as i64), Value("10"), "trials",
        "Size of the first round: evenly spread points, before anything is known.").when(LEARNING).since(Since::Later),
    row("sweep.round", integer(1, MAX_ROUND as i64), Value("4"), "trials",
        "Size of each later round: trials that are proposed together, and run side by side.").when(LEARNING).since(Since::Later),
    row("sweep.metric", choice(SCORES), Value("'validation_nll'"), "",
        "Column of trials.parquet whose mean over the seeds is to be small; a trial that diverged or failed counts as worst.")
        .when(LEARNING).since(Since::Later),
    row("sweep.candidates", choice(&["random", "sobol", "tpe"]), Value("'sobol'"), "",
        "How the points of a halving are chosen; with `tpe` in rounds, each of which is halved by itself.")
        .when(HALVED).since(Since::Later),
    row("sweep.startup", integer(1, MAX_TRIALS as i64), Value("10"), "trials",
        "Size of the first round: evenly spread points, before anything is known.").when(LEARNING_HALVED).since(Since::Later),
    row("sweep.round", integer(1, MAX_ROUND as i64), Value("4"), "trials",
        "Size of each later round: trials that are proposed together, and halved.").when(LEARNING_HALVED).since(Since::Later),
    row("sweep.first_rung", integer(1, MAX_STEPS), Required, "steps",
        "At an evaluation after so many steps the trials are compared by their best validation NLL so far, and only the best go \
         on; the next times after `eta` times as many.").when(HALVED).since(Since::Later),
    row("sweep.eta", integer(2, 64), Value("3"), "",
        "Of so many trials one goes on at every comparison, the others are stopped.").when(HALVED).since(Since::Later),
    row("sweep.keep_stopped", Kind::Bool, Value("false"), "",
        "Keep the checkpoints of stopped trials.").when(HALVED).since(Since::Later),
    row("sweep.parameters", Kind::Parameters, Required, "",
        "Dotted keys with a list of values, or a range: `min`, `max`, `scale` (linear or log), `step` or `points`, `integer`; \
         `\"a,b\"` sweeps keys together."),
];
