//! `[sweep]`: trials that differ in some keys.

use super::row::{Row, choice, integer, row};
use crate::spec::keys::Fallback::{Required, Value};
use crate::spec::kind::Kind;
use crate::spec::sweep::MAX_TRIALS;
use crate::spec::variant::When;

const DRAWN: When = When::Is("sweep.method", &["random", "sobol"]);

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("sweep.method", choice(&["grid", "random", "sobol"]), Value("'grid'"), "",
        "How points are chosen: all combinations, at random, or evenly spread."),
    row("sweep.trials", integer(1, MAX_TRIALS as i64), Required, "trials", "Number of points.").when(DRAWN),
    row("sweep.seed", integer(0, i64::MAX), Value("0"), "", "Seed of the points.").when(DRAWN),
    row("sweep.parameters", Kind::Parameters, Required, "",
        "Dotted keys with a list of values, or a range: `min`, `max`, `scale` (linear or log), `step` or `points`, `integer`; \
         `\"a,b\"` sweeps keys together."),
];
