//! A line of the table of toys.

use std::collections::BTreeMap;

use super::cached::Cached;
use super::components::{Component, GivenComponent};
use super::{TOYS, Toy, ToyError};

/// A toy by its name, and how to make it.
#[derive(Clone, Copy, Debug)]
pub struct ToyEntry {
    /// Value of `dataset.name` in the spec.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// The parameters of its shape.
    pub parameters: &'static [Parameter],
    /// The densities that it mixes, where it does, from the same values as `make`.
    pub(super) components: Option<fn(&Values) -> Vec<Component>>,
    /// Makes the toy from a value for every parameter, each within its limits.
    pub(super) make: fn(&Values) -> Box<dyn Toy>,
}

/// A parameter of a toy, a key of `[dataset]` in the spec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its key in `[dataset]`.
    pub name: &'static str,
    /// Its value where the spec does not set it.
    pub default: f64,
    /// Smallest value.
    pub minimum: f64,
    /// Largest value.
    pub maximum: f64,
    /// Why it is limited so.
    pub reason: &'static str,
    /// What it means, in one sentence.
    pub doc: &'static str,
}

/// A value for every parameter of a toy.
pub(super) type Values = BTreeMap<&'static str, f64>;

impl ToyEntry {
    /// The toy with `parameters`; those left out get their defaults.
    ///
    /// # Errors
    /// A parameter that the toy does not have, or a value beyond its limits.
    pub fn build(&self, parameters: &BTreeMap<String, f64>) -> Result<Box<dyn Toy>, ToyError> {
        Ok(Box::new(Cached::new((self.make)(&self.values(parameters)?))))
    }

    /// The toy given the component that a row comes from.
    ///
    /// # Errors
    /// As [`ToyEntry::build`], or a toy without components.
    pub fn build_given_component(&self, parameters: &BTreeMap<String, f64>) -> Result<Box<dyn Toy>, ToyError> {
        let Some(components) = self.components else {
            let known = TOYS.iter().filter(|entry| entry.has_components()).map(|entry| entry.name).collect();
            return Err(ToyError::NoComponents { toy: self.name, known });
        };
        Ok(Box::new(Cached::new(Box::new(GivenComponent::new(components(&self.values(parameters)?))))))
    }

    /// Whether it mixes densities, each of which is known.
    pub fn has_components(&self) -> bool {
        self.components.is_some()
    }

    /// A value for every parameter.
    fn values(&self, parameters: &BTreeMap<String, f64>) -> Result<Values, ToyError> {
        let mut values: Values = self.parameters.iter().map(|p| (p.name, p.default)).collect();
        for (name, &value) in parameters {
            let Some(parameter) = self.parameters.iter().find(|p| p.name == name) else {
                let known = self.parameters.iter().map(|p| p.name).collect();
                return Err(ToyError::UnknownParameter { toy: self.name, name: name.clone(), known });
            };
            let Parameter { name, minimum, maximum, reason, .. } = *parameter;
            if !(minimum..=maximum).contains(&value) {
                return Err(ToyError::Range { toy: self.name, name, value, minimum, maximum, reason });
            }
            values.insert(name, value);
        }
        Ok(values)
    }
}

/// Standard deviation of the Gaussian noise around a curve or centre.
pub(super) const fn noise(default: f64) -> Parameter {
    Parameter {
        name: "noise",
        default,
        minimum: 0.01,
        maximum: 10.0,
        reason: "with less, the mass lies on a curve or on points and has no density worth the name; \
                 with more, the noise hides the shape",
        doc: "Standard deviation of the Gaussian noise, before the toy's scaling.",
    }
}
