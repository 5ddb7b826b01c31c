//! `[optimizer]` and `[optimizer.schedule]`: how the weights are moved.

use super::row::{MAX_STEPS, Row, choice, float, integer, row};
use crate::spec::keys::Fallback::Value;
use crate::spec::kind::Bound::{Exclusive, Inclusive, Open};
use crate::spec::kind::Kind;
use crate::spec::variant::When;

/// From 0, included.
const NOT_NEGATIVE: Kind = float(Inclusive(0.0), Open);
/// Between 0 and 1, with 0 and without 1: the decay rate of a running mean.
const DECAY: Kind = float(Inclusive(0.0), Exclusive(1.0));

const ADAMS: When = When::Is("optimizer.name", &["adam", "adamw"]);
const STEP: When = When::Is("optimizer.schedule.name", &["step"]);

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("optimizer.name", choice(&["adam", "adamw", "sgd", "rmsprop"]), Value("'adam'"), "", "The optimizer."),
    row("optimizer.learning_rate", float(Exclusive(0.0), Inclusive(10.0)), Value("2e-3"), "", "Learning rate after warm-up.")
        .formerly("1e-3"),
    row("optimizer.weight_decay", NOT_NEGATIVE, Value("0.0"), "",
        "L2 penalty added to the gradient.").when(When::Is("optimizer.name", &["adam", "sgd", "rmsprop"])),
    row("optimizer.weight_decay", NOT_NEGATIVE, Value("0.01"), "",
        "Decay of the weights, apart from the gradient.").when(When::Is("optimizer.name", &["adamw"])),
    row("optimizer.clip_norm", NOT_NEGATIVE, Value("5.0"), "", "Largest global L2 norm of the gradient; 0 = no clipping."),
    row("optimizer.betas", Kind::Pair { min: Inclusive(0.0), max: Exclusive(1.0) }, Value("[0.9, 0.999]"), "",
        "Decay rates of the two moments.").when(ADAMS),
    row("optimizer.epsilon", float(Exclusive(0.0), Inclusive(1.0)), Value("1e-8"), "",
        "Added to the denominator.").when(When::Is("optimizer.name", &["adam", "adamw", "rmsprop"])),
    row("optimizer.momentum", DECAY, Value("0.9"), "", "Momentum.").when(When::Is("optimizer.name", &["sgd"])),
    row("optimizer.momentum", DECAY, Value("0.0"), "", "Momentum.").when(When::Is("optimizer.name", &["rmsprop"])),
    row("optimizer.alpha", DECAY, Value("0.99"), "",
        "Decay rate of the squared gradient.").when(When::Is("optimizer.name", &["rmsprop"])),

    row("optimizer.schedule.name", choice(&["constant", "cosine", "step"]), Value("'cosine'"), "",
        "Course of the learning rate after warm-up."),
    row("optimizer.schedule.warmup", integer(0, MAX_STEPS), Value("100"), "steps",
        "Steps over which the rate rises from 0; left out in a run of fewer than 1,000 steps: a tenth of it."),
    row("optimizer.schedule.every", integer(1, MAX_STEPS), Value("1_000"), "steps",
        "Steps between drops; left out in a run of fewer than 3,000 steps: a third of it.").when(STEP),
    row("optimizer.schedule.factor", float(Exclusive(0.0), Exclusive(1.0)), Value("0.5"), "", "Factor of each drop.").when(STEP),
];
