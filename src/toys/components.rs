//! A toy that mixes densities, given the one that a row comes from.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Condition, Toy};

/// Name of the class that a toy given its component is conditional on.
pub const COMPONENT: &str = "component";

/// One of the densities that a toy mixes.
#[derive(Debug)]
pub struct Component {
    /// Name of the class.
    pub name: &'static str,
    /// Share of the toy's mass.
    pub probability: f64,
    /// The density, unconditional.
    pub toy: Box<dyn Toy>,
}

/// Components of these names that share the mass evenly; `make(i)` makes the i-th.
pub fn alike<T: Toy + 'static>(names: &[&'static str], make: impl Fn(usize) -> T) -> Vec<Component> {
    let component = |(i, &name): (usize, &&'static str)| Component {
        name,
        probability: 1.0 / names.len() as f64,
        toy: Box::new(make(i)),
    };
    names.iter().enumerate().map(component).collect()
}

/// p(x | c), c the component; rows are x, then a value for every component.
#[derive(Debug)]
pub struct GivenComponent {
    components: Vec<Component>,
}

impl GivenComponent {
    /// Of at least one component.
    pub fn new(components: Vec<Component>) -> Self {
        assert!(!components.is_empty(), "a component");
        Self { components }
    }

    /// The number of a component; each comes with its probability.
    fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        let mut left: f64 = rng.random();
        let place = self.components.iter().position(|component| {
            left -= component.probability;
            left < 0.0
        });
        // Where rounding leaves something of 1.
        place.unwrap_or(self.components.len() - 1)
    }
}

impl Toy for GivenComponent {
    fn features(&self) -> usize {
        self.components[0].toy.features()
    }

    fn names(&self) -> Vec<String> {
        self.components[0].toy.names()
    }

    fn context(&self) -> Vec<Condition> {
        let classes = self.components.iter().map(|component| component.name).collect();
        vec![Condition { name: COMPONENT.to_owned(), classes }]
    }

    fn sample(&self, rng: &mut ChaCha8Rng, row: &mut [f32]) {
        let drawn = self.draw(rng);
        let (features, context) = row.split_at_mut(self.features());
        self.components[drawn].toy.sample(rng, features);
        context.fill(0.0);
        context[drawn] = 1.0;
    }

    fn log_density(&self, x: &[f64]) -> f64 {
        let (features, context) = x.split_at(self.features());
        let given = (0..context.len()).max_by(|&a, &b| context[a].total_cmp(&context[b])).unwrap_or(0);
        self.components[given].toy.log_density(features)
    }

    fn entropy(&self) -> f64 {
        self.components.iter().map(|component| component.probability * component.toy.entropy()).sum()
    }

    fn bounds(&self) -> Vec<[f64; 2]> {
        let all: Vec<_> = self.components.iter().map(|component| component.toy.bounds()).collect();
        let around = |i: usize| {
            let of = || all.iter().map(|bounds| bounds[i]);
            [
                of().map(|[low, _]| low).fold(f64::INFINITY, f64::min),
                of().map(|[_, high]| high).fold(f64::NEG_INFINITY, f64::max),
            ]
        };
        (0..self.features()).map(around).collect()
    }
}
