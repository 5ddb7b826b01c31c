//! `[model]`: the flow.

use super::row::{Row, choice, float, integer, row};
use crate::spec::keys::Fallback::Value;
use crate::spec::keys::Since;
use crate::spec::kind::Bound::{Exclusive, Inclusive};
use crate::spec::kind::Kind;
use crate::spec::variant::When;

const NEEDS_IMAGES: &str = "needs image data, and this dataset has plain features";
const MASK: Kind = Kind::Choice {
    of: &["alternating", "half", "random"],
    refused: &[("checkerboard", NEEDS_IMAGES), ("channel", NEEDS_IMAGES)],
};

const DEGREES: Kind = Kind::NumberOr { min: Inclusive(0.5), max: Inclusive(1e6), word: "learned" };

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("model.mask", MASK, Value("'alternating'"), "", "Which features a coupling layer keeps and which it changes."),
    row("model.depth", integer(1, 1_024), Value("8"), "layers", "Number of coupling layers."),
    row("model.network", choice(&["mlp", "residual"]), Value("'mlp'"), "",
        "The networks that condition couplings: perceptrons, or pre-activation residual blocks.").since(Since::Later),
    row("model.width", integer(1, 65_536), Value("64"), "units", "Hidden width of the networks."),
    row("model.hidden_layers", integer(1, 64), Value("2"), "layers", "Hidden layers of a perceptron.")
        .when(When::Is("model.network", &["mlp"])),
    row("model.blocks", integer(1, 64), Value("2"), "blocks", "Blocks of a residual network, each of two hidden layers.")
        .when(When::Is("model.network", &["residual"])).since(Since::Later),
    row("model.dropout", float(Inclusive(0.0), Exclusive(1.0)), Value("0.0"), "",
        "Share of hidden values that is set to 0 in a training step, others each time; in residual networks before the second map \
         of a block. The noise is a function of seed, step and place: a resumed run has the same.")
        .since(Since::Later),
    row("model.activation", choice(&["relu", "tanh"]), Value("'relu'"), "", "Nonlinearity of the networks."),
    row("model.coupling", choice(&["affine", "additive", "spline"]), Value("'affine'"), "",
        "What a coupling does with the features it changes: x·exp(s) + t, or x + t, or a monotone rational-quadratic spline."),
    row("model.joint", Kind::Bool, Value("false"), "", "Whether one network says both s and t, or one each.")
        .when(When::Is("model.coupling", &["affine"])).since(Since::Later),
    row("model.bins", integer(2, 256), Value("8"), "bins", "Bins of a spline between its tails.")
        .when(When::Is("model.coupling", &["spline"])).since(Since::Later),
    row("model.tail_bound", float(Exclusive(0.0), Inclusive(1e3)), Value("5.0"), "deviations",
        "Where the tails of a spline begin, on both sides of 0, beyond which it is the identity; features are standardised.")
        .when(When::Is("model.coupling", &["spline"])).since(Since::Later),
    row("model.kept", choice(&["same", "spline"]), Value("'same'"), "",
        "What becomes of the features that a coupling keeps: nothing, or a spline each that is the same for all rows.")
        .when(When::Is("model.coupling", &["spline"])).since(Since::Later),
    row("model.scale", choice(&["tanh", "atan", "sigmoid"]), Value("'tanh'"), "",
        "The bound of s: scale·tanh(a), scale·2/π·atan(π/2·a), or exp(s) = 2·sigmoid(a); a is what the network says, and scale \
         is learned.")
        .when(When::Is("model.coupling", &["affine"])).since(Since::Later),
    row("model.mixing", choice(&["none", "reverse", "permutation", "lu"]), Value("'none'"), "",
        "Before every coupling but the first: the features in reverse, or in an order drawn from the seed. Each mask or its \
         complement is then taken, whichever changes what has been left unchanged longest. Or, with lu, such an order and a learned \
         linear map, also before the first coupling and behind the last.")
        .since(Since::Later),
    row("model.normalization", choice(&["none", "batch", "act"]), Value("'none'"), "",
        "The flow layer after every coupling: batch normalisation, or activation normalisation, which the first batch starts.")
        .since(Since::InPlaceOf("model.batch_norm", &[("none", "false"), ("batch", "true")])),
    row("model.base", choice(&["normal", "student-t"]), Value("'normal'"), "",
        "What every latent coordinate follows: the standard normal, or a Student-t distribution, for data with heavy tails.")
        .since(Since::Later),
    row("model.degrees_of_freedom", DEGREES, Value("4.0"), "",
        "ν of the Student-t base, whose tails have power ν + 1; `\"learned\"`: one a coordinate, trained from 4 on.")
        .when(When::Is("model.base", &["student-t"])).since(Since::Later)
        .because("with less, single draws leave the range of 32-bit floats; with more, it is a normal"),
];
