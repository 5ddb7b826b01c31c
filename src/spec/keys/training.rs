//! `[training]`: how long, in which steps, and how often to look.

use super::row::{MAX_STEPS, Row, choice, float, integer, row};
use crate::spec::keys::Fallback::{Absent, Value};
use crate::spec::keys::Since::Later;
use crate::spec::kind::Bound::{Exclusive, Inclusive};
use crate::spec::variant::When;

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("training.batch_size", integer(1, 10_000_000), Value("256"), "rows",
        "Rows a step; left out where there are fewer training rows: all of them."),
    row("training.steps", integer(1, MAX_STEPS), Value("5_000"), "steps",
        "Length of the run.").when(When::Without("training.epochs")),
    row("training.epochs", integer(1, 1_000_000), Absent, "epochs",
        "Length of the run in passes over the training rows, in place of `steps`."),
    row("training.evaluate_every", integer(1, MAX_STEPS), Value("250"), "steps",
        "Steps between evaluations on the validation rows; left out in a shorter run: all of it."),
    row("training.log_every", integer(1, MAX_STEPS), Value("50"), "steps",
        "Steps between rows of the training curve; left out in a shorter run: all of it."),
    row("training.patience", integer(0, MAX_STEPS), Value("0"), "evaluations",
        "Evaluations without a better validation NLL before stopping; 0 = off."),
    row("training.ema", float(Inclusive(0.0), Exclusive(1.0)), Value("0.995"), "",
        "Decay of the exponential moving average of the weights, which is then what is evaluated, kept, sampled and scored; 0 = off. \
         The decay after t steps is at most (1 + t)/(10 + t).")
        .since(Later).formerly("0.0"),
    row("training.kernel", choice(&["fused", "composed"]), Value("'fused'"), "",
        "What computes: kernels written by hand, or plain dfdx operations."),
    row("training.precision", choice(&["f32", "tf32"]), Value("'f32'"), "",
        "How a GPU multiplies in large products of training steps; `tf32` rounds the factors to 11 bits. Evaluation is always f32.")
        .since(Later),
];
