//! Student-t distributions: a flow that keeps distances far out, as affine couplings do, gives its samples the tails of its base
//! (Jaini et al. 2020; Alexanderson & Henter 2020).

use rand_chacha::ChaCha8Rng;

use super::Density;
use crate::layers::{Role, Scope};
use crate::spec::DegreesOfFreedom;
use crate::student_t::StudentT;

/// The degrees of freedom ν of every coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Degrees {
    /// The same, and fixed.
    Fixed(f64),
    /// Each its own; ln ν of the coordinates stands at this offset, shape `[features]`. The logarithm keeps ν positive, whatever
    /// a step does, and makes a step as large for ν = 2 as for ν = 200, relative to ν.
    Learned(usize),
}

/// ν where a spec says nothing, and where a learned one starts: tails of power 5, and of whole moments those up to the third.
const START: f64 = 4.0;

impl Degrees {
    pub(super) fn lay_out(wanted: Option<DegreesOfFreedom>, features: usize, scope: &mut Scope<'_>) -> Self {
        match wanted.unwrap_or(DegreesOfFreedom::Given(START)) {
            DegreesOfFreedom::Given(degrees) => Self::Fixed(degrees),
            DegreesOfFreedom::Learned(_) => {
                let start = START.ln() as f32;
                Self::Learned(scope.vector("log_degrees_of_freedom", features, Role::Trainable, start))
            }
        }
    }

    /// The distribution of every coordinate, with what is learned in `values`, the flat vector.
    pub fn distributions(self, features: usize, values: &[f32]) -> Vec<StudentT> {
        match self {
            Self::Fixed(degrees) => vec![StudentT::new(degrees); features],
            Self::Learned(place) => {
                values[place..][..features].iter().map(|log| StudentT::new(f64::from(*log).exp())).collect()
            }
        }
    }

    /// Where what is learned stands.
    pub fn place(self) -> Option<usize> {
        match self {
            Self::Fixed(_) => None,
            Self::Learned(place) => Some(place),
        }
    }
}

/// One distribution a coordinate.
pub(super) struct StudentTs {
    degrees: Degrees,
    all: Vec<StudentT>,
    constant: f64,
}

impl StudentTs {
    pub fn new(degrees: Degrees, features: usize, values: &[f32]) -> Self {
        let all = degrees.distributions(features, values);
        let constant = -all.iter().map(|t| t.log_peak).sum::<f64>();
        Self { degrees, all, constant }
    }
}

impl Density for StudentTs {
    fn constant(&self) -> f64 {
        self.constant
    }

    fn energy(&self, f: usize, z: &[f32]) -> f64 {
        z.iter().map(|&z| self.all[f].energy(z.into())).sum()
    }

    fn slopes(&self, f: usize, z: &[f32], weights: &[f32], d: &mut [f32]) {
        let t = self.all[f];
        d.iter_mut().zip(z).zip(weights).for_each(|((d, &z), weight)| *d = t.slope(z.into()) as f32 * weight);
    }

    fn learned(&self) -> Option<usize> {
        self.degrees.place()
    }

    fn slope_of_learned(&self, f: usize, z: &[f32]) -> f64 {
        z.iter().map(|&z| self.all[f].slope_of_degrees(z.into())).sum()
    }

    fn draw(&self, f: usize, rng: &mut ChaCha8Rng) -> f32 {
        self.all[f].sample(rng) as f32
    }

    fn features(&self) -> usize {
        self.all.len()
    }
}
