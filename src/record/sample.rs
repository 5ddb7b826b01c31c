//! A trial for the tests of this room.

use crate::plan::Trial;
use crate::spec::Pictures;

const SPEC: &str = r#"
name = "moons"
seeds = [3]
device = "cpu"
[dataset]
name = "moons"
train = 1000
validation = 100
test = 100
seed = 0
standardize = true
noise = 0.05
[model]
mask = "half"
depth = 8
width = 128
hidden_layers = 2
activation = "relu"
coupling = "affine"
normalization = "none"
[optimizer]
name = "adam"
learning_rate = 1e-3
weight_decay = 0.0
clip_norm = 5.0
schedule = { name = "constant", warmup = 0 }
[training]
batch_size = 256
steps = 40
evaluate_every = 20
log_every = 10
patience = 0
kernel = "fused"
"#;

/// Seed `seed` of the trial `id`; `overrides` as TOML.
pub(super) fn trial(id: &str, seed: u64, overrides: &str) -> Trial {
    Trial {
        experiment: "moons".to_owned(),
        id: id.to_owned(),
        seed,
        spec: toml::from_str(SPEC).expect("a resolved spec"),
        overrides: toml::from_str(overrides).expect("TOML"),
        spec_hash: "3f9a2c1d".repeat(8),
        round: None,
        until: None,
        pictures: Pictures::All,
    }
}
