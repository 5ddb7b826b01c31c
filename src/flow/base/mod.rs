//! The base density of latent points: one density a coordinate, one file a kind.

pub(crate) mod composed;
mod normal;
mod student_t;

use rand_chacha::ChaCha8Rng;

use crate::layers::Scope;
use crate::matrix::Matrix;
use crate::spec::{BaseKind, Model};
use normal::Normal;
use student_t::StudentTs;

pub use normal::HALF_LN_TAU;
pub use student_t::Degrees;

/// What latent points follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base {
    /// The standard normal.
    Normal,
    /// A Student-t distribution of scale 1 at every coordinate.
    StudentT(Degrees),
}

impl Base {
    /// That of `model`, which asks `scope` for its parameters.
    pub(super) fn lay_out(model: &Model, features: usize, scope: &mut Scope<'_>) -> Self {
        match model.base {
            BaseKind::Normal => Self::Normal,
            BaseKind::StudentT => Self::StudentT(Degrees::lay_out(model.degrees_of_freedom, features, scope)),
        }
    }

    /// The density over `features` coordinates, with what is learned of it in `values`, the flat vector of all parameters.
    pub fn at(&self, features: usize, values: &[f32]) -> Box<dyn Density> {
        match self {
            Self::Normal => Box::new(Normal { features }),
            Self::StudentT(degrees) => Box::new(StudentTs::new(*degrees, features, values)),
        }
    }
}

/// A base density with the parameters that it has now. −log density is a constant plus the sum of an energy for every coordinate.
pub trait Density: Send + Sync {
    /// The constant, nats.
    fn constant(&self) -> f64;

    /// The sum of the energies of values of coordinate `f`, nats, in f64.
    fn energy(&self, f: usize, z: &[f32]) -> f64;

    /// The slopes of the energies of values of coordinate `f`, each times its weight, into `d`; all of one length.
    fn slopes(&self, f: usize, z: &[f32], weights: &[f32], d: &mut [f32]);

    /// Where in the flat vector what is learned stands, one value a coordinate.
    fn learned(&self) -> Option<usize> {
        None
    }

    /// The sum over values of coordinate `f` of the slope of −log density with respect to what is learned.
    fn slope_of_learned(&self, _f: usize, _z: &[f32]) -> f64 {
        0.0
    }

    /// A draw of coordinate `f`.
    fn draw(&self, f: usize, rng: &mut ChaCha8Rng) -> f32;

    /// Number of coordinates.
    fn features(&self) -> usize;
}

impl dyn Density {
    /// Log-density of one row, nats, summed in f64; a context behind its coordinates does not count.
    pub fn log_prob(&self, z: &[f32]) -> f64 {
        let energy: f64 = z.chunks(1).take(self.features()).enumerate().map(|(f, z)| self.energy(f, z)).sum();
        -energy - self.constant()
    }

    /// Draws, shape `[rows, features]`, row after row: a pure function of the state of `rng`.
    pub fn sample(&self, rows: usize, rng: &mut ChaCha8Rng) -> Matrix {
        let features = self.features();
        Matrix::new((0..rows * features).map(|at| self.draw(at % features, rng)).collect(), features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    /// Every base over one coordinate, and the values that it learns.
    fn bases() -> [(Base, Vec<f32>); 4] {
        let fixed = |degrees| Base::StudentT(Degrees::Fixed(degrees));
        let learned = Base::StudentT(Degrees::Learned(1));
        [
            (Base::Normal, Vec::new()),
            (fixed(1.0), Vec::new()),
            (fixed(4.0), Vec::new()),
            (learned, vec![9.0, 2.5f32.ln()]),
        ]
    }

    /// By z = sinh u.
    #[test]
    fn every_base_integrates_to_one_and_slopes_as_its_energy_does() {
        for (base, values) in bases() {
            let density = base.at(1, &values);
            let (half, steps) = (30.0, 60_000);
            let step = 2.0 * half / f64::from(steps);
            let u = (0..steps).map(|i| -half + (f64::from(i) + 0.5) * step);
            let mass: f64 = u.map(|u| density.log_prob(&[u.sinh() as f32]).exp() * u.cosh() * step).sum();
            assert!((mass - 1.0).abs() < 1e-5, "{base:?}: {mass}");
            for z in [-3.0f32, -0.5, 0.0, 0.25, 17.0] {
                let (h, mut d) = (1.0 / 128.0, [0.0]);
                let slope = (density.energy(0, &[z + h]) - density.energy(0, &[z - h])) / f64::from(2.0 * h);
                density.slopes(0, &[z], &[0.5], &mut d);
                assert!((f64::from(d[0]) - 0.5 * slope).abs() < 1e-4, "{base:?}, {z}: {d:?} {slope}");
            }
        }
    }

    #[test]
    fn draws_have_the_entropy_of_their_density_and_depend_on_the_generator_alone() {
        for (base, values) in bases() {
            let density = base.at(1, &values);
            let draws = |rows| density.sample(rows, &mut stream(4, Purpose::Test, 0));
            let some = draws(20_000);
            assert_eq!(&some.as_slice()[..70], draws(70).as_slice());
            let surprise: Vec<f64> = some.iter_rows().map(|z| -density.log_prob(z)).collect();
            let found = crate::statistics::Estimate::of(surprise.into_iter());
            let entropy = match base {
                Base::Normal => 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln(),
                Base::StudentT(Degrees::Fixed(degrees)) => crate::student_t::StudentT::new(degrees).entropy(),
                Base::StudentT(Degrees::Learned(_)) => crate::student_t::StudentT::new(2.5).entropy(),
            };
            assert!((found.mean - entropy).abs() < 4.0 * found.error.expect("rows"), "{base:?}: {found:?} {entropy}");
        }
    }
}
