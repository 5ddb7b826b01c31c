//! How good a fit is where no entropy is known: tests of the flow's latents and samples, baselines, and a verdict in words.
//!
//! Pure functions of matrices and numbers: nothing here knows of flows or files. Rows are in *model space* unless it is said that
//! they are in data space; those of a conditional flow are features followed by their context. Everything random is a function of
//! a seed.

mod baselines;
mod calibration;
mod columns;
mod distributions;
mod energy;
mod latents;
mod material;
mod memory;
mod mixture;
mod neighbours;
mod pooled;
mod rows;
mod scores;
#[cfg(test)]
mod tests;
mod verdict;

use serde::{Deserialize, Serialize};

pub use baselines::{Baseline, Baselines};
pub use calibration::{Calibration, Coverage, DRAWS, Ranks};
pub use columns::{ColumnDifference, SHARES};
pub use distributions::{chi_squared_density, normal, normal_quantile, share_interval};
pub use energy::Energy;
pub use latents::{Coordinate, Correlation, Direction, Latents, Radius};
pub use material::{Draws, Material, Part};
pub use memory::Memory;
pub use neighbours::Classifier;
pub use rows::{Gap, StrangeRow};
pub use scores::NormalScores;
pub use verdict::{CORRECTED, Finding, Rating, Verdict, p_value, percent};

/// Everything that was found out about a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Test rows looked at.
    pub rows: usize,
    /// What it comes to, in words.
    pub verdict: Verdict,
    /// Simpler densities on the same rows.
    pub baselines: Baselines,
    /// Test rows in latent space.
    pub latents: Latents,
    /// Samples against test rows: the distance of their distributions.
    pub energy: Energy,
    /// Samples against test rows: whether neighbours tell them apart.
    pub classifier: Classifier,
    /// Samples against test rows, column by column.
    pub columns: Vec<ColumnDifference>,
    /// Share of samples with a value outside the data's range.
    pub outside: f64,
    /// What that share would be of rows of the data's own distribution.
    pub outside_by_chance: f64,
    /// Training rows against test rows.
    pub gap: Gap,
    /// Whether samples repeat training rows.
    pub memory: Memory,
    /// Of a conditional flow, draws at the contexts of test rows against these rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// The test rows of the lowest density, the lowest first.
    pub strange: Vec<StrangeRow>,
}

/// Looks at a fit from all sides; `seed` is that of everything random.
pub fn diagnose(material: &Material<'_>, seed: u64) -> Diagnosis {
    let (test, samples) = (&material.counted_test.rows, &material.samples);
    let columns = columns::differences(material);
    let mut diagnosis = Diagnosis {
        rows: material.test.rows.rows(),
        verdict: Verdict::default(),
        baselines: Baselines::fit(material, seed),
        latents: Latents::of(&material.scores, material.coordinates),
        energy: Energy::between(test, samples, seed),
        classifier: Classifier::between(test, samples, seed),
        outside: columns::outside(material),
        outside_by_chance: columns::outside_by_chance(material),
        columns,
        gap: Gap::between(&material.train, &material.test),
        memory: Memory::of(&material.train.rows, test, samples),
        calibration: material.draws.as_ref().map(|draws| Calibration::of(draws, material.columns, seed)),
        strange: rows::strangest(&material.test),
    };
    diagnosis.verdict = Verdict::of(&diagnosis);
    diagnosis
}
