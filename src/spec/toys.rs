//! The names of the toy densities and of their own parameters.

/// A toy as the spec knows it.
#[derive(Debug)]
pub struct Toy {
    /// Value of `dataset.name`.
    pub name: &'static str,
    pub parameters: &'static [ToyParameter],
}

/// A parameter of a toy: a finite number above 0.
#[derive(Debug)]
pub struct ToyParameter {
    /// Its key in `[dataset]`.
    pub name: &'static str,
    /// As TOML.
    pub default: &'static str,
    pub doc: &'static str,
}

/// All toys, in the order in which lists show them.
pub static TOYS: &[Toy] = &[
    Toy { name: "moons", parameters: &[noise("0.05")] },
    Toy { name: "circles", parameters: &[noise("0.08")] },
    Toy { name: "8gaussians", parameters: &[noise("0.5")] },
    Toy { name: "checkerboard", parameters: &[] },
];

const fn noise(default: &'static str) -> ToyParameter {
    ToyParameter { name: "noise", default, doc: "Standard deviation of the Gaussian noise, before the toy's scaling." }
}
