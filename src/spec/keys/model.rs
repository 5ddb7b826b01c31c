//! `[model]`: the flow.

use super::row::{Row, choice, float, integer, row};
use crate::spec::keys::Fallback::Value;
use crate::spec::keys::Since;
use crate::spec::kind::Bound::{Exclusive, Inclusive};
use crate::spec::kind::Kind;
use crate::spec::variant::When;

const MASKS: &[&str] = &["alternating", "half", "random", "checkerboard", "channel", "multiscale"];
const BUT_MULTISCALE: &[&str] = &["alternating", "half", "random", "checkerboard", "channel"];
pub(super) const OF_PLAIN_FEATURES: &[&str] = &["alternating", "half", "random"];
pub(super) const OF_IMAGES: &[&str] = &["checkerboard", "channel", "multiscale"];

const NEEDS_AN_IMAGE: &str = "convolutions need a mask of images: `multiscale`, `checkerboard` or `channel`";
const NETWORK: Kind = Kind::Choice { of: &["mlp", "residual"], refused: &[("conv", NEEDS_AN_IMAGE)] };

const FULLY_CONNECTED: When = When::Is("model.network", &["mlp", "residual"]);

const DEGREES: Kind = Kind::NumberOr { min: Inclusive(0.5), max: Inclusive(1e6), word: "learned" };

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("model.mask", choice(MASKS), Value("'alternating'"), "",
        "Which features a coupling layer keeps and which it changes. Of images: every other pixel, half of the channels, or both at \
         several scales, as Real NVP has it."),
    row("model.depth", integer(1, 1_024), Value("8"), "layers", "Number of coupling layers.")
        .when(When::Is("model.mask", BUT_MULTISCALE)),
    row("model.depth", integer(1, 1_024), Value("3"), "layers",
        "Couplings of a scale: so many of checkerboards and as many of channels; of the last scale one more, all of checkerboards.")
        .when(When::Is("model.mask", &["multiscale"])),
    row("model.scales", integer(1, 16), Value("2"), "scales",
        "Scales: between two of them 2 × 2 pixels become one, and half of the values are factored out.")
        .when(When::Is("model.mask", &["multiscale"])).since(Since::Later),
    row("model.network", NETWORK, Value("'mlp'"), "",
        "The networks that condition couplings: perceptrons, or pre-activation residual blocks.")
        .when(When::Is("model.mask", OF_PLAIN_FEATURES)).since(Since::Later),
    row("model.network", choice(&["mlp", "residual", "conv"]), Value("'mlp'"), "",
        "The same for images, or such blocks of 3 × 3 convolutions, of which one network says both s and t.")
        .when(When::Is("model.mask", OF_IMAGES)).since(Since::Later),
    row("model.width", integer(1, 65_536), Value("64"), "units", "Hidden width of the networks.").when(FULLY_CONNECTED),
    row("model.width", integer(1, 65_536), Value("32"), "maps", "Maps of the convolutions.")
        .when(When::Is("model.network", &["conv"])),
    row("model.widen", Kind::Bool, Value("false"), "", "Whether maps double with every squeeze, as in Real NVP.")
        .when(When::Both(&When::Is("model.network", &["conv"]), &When::Is("model.mask", &["multiscale"])))
        .since(Since::Later),
    row("model.hidden_layers", integer(1, 64), Value("2"), "layers", "Hidden layers of a perceptron.")
        .when(When::Is("model.network", &["mlp"])),
    row("model.blocks", integer(1, 64), Value("2"), "blocks", "Blocks of a residual network, each of two hidden layers, or of two convolutions.")
        .when(When::Is("model.network", &["residual", "conv"])).since(Since::Later),
    row("model.network_batch_norm", Kind::Bool, Value("false"), "",
        "Whether maps are batch-normalised before every activation of the networks, as in Real NVP.")
        .when(When::Is("model.network", &["conv"])).since(Since::Later),
    row("model.network_weight_norm", Kind::Bool, Value("false"), "",
        "Whether the weights of 3 × 3 convolutions are normalised, and their lengths learned apart, as in Real NVP.")
        .when(When::Is("model.network", &["conv"])).since(Since::Later),
    row("model.dropout", float(Inclusive(0.0), Exclusive(1.0)), Value("0.0"), "",
        "Share of hidden values that is set to 0 in a training step, others each time; in residual networks before the second map \
         of a block. The noise is a function of seed, step and place: a resumed run has the same.")
        .since(Since::Later),
    row("model.activation", choice(&["relu", "tanh"]), Value("'relu'"), "", "Nonlinearity of the networks.")
        .when(FULLY_CONNECTED),
    row("model.activation", choice(&["relu"]), Value("'relu'"), "", "Nonlinearity of the networks.")
        .when(When::Is("model.network", &["conv"])),
    row("model.coupling", choice(&["affine", "additive", "spline"]), Value("'spline'"), "",
        "What a coupling does with the features it changes: x·exp(s) + t, or x + t, or a monotone rational-quadratic spline.")
        .formerly("'affine'"),
    row("model.joint", Kind::Bool, Value("false"), "", "Whether one network says both s and t, or one each.")
        .when(When::Both(&When::Is("model.coupling", &["affine"]), &FULLY_CONNECTED)).since(Since::Later),
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
    row("model.mixing", choice(&["none", "reverse", "permutation", "lu"]), Value("'lu'"), "",
        "Before every coupling but the first: the features in reverse, or in an order drawn from the seed. Each mask or its \
         complement is then taken, whichever changes what has been left unchanged longest. Or, with lu, such an order and a learned \
         linear map, also before the first coupling and behind the last.")
        .since(Since::Later).formerly("'none'"),
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
    row("model.conditional_base", Kind::Bool, Value("false"), "",
        "Whether location and scale of the base are functions of the context, learned by a network of their own.")
        .since(Since::Later),
];
