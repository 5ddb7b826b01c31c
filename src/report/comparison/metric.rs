//! The numbers of a run that trials can be compared by.

use super::super::quantity::{count, duration, with_error};
use super::super::statistics::Estimate;

/// A numeric column of `trials.parquet`.
#[derive(Debug)]
pub struct Metric {
    /// Name of the column.
    pub name: &'static str,
    /// Head of its column in a table for people.
    pub head: &'static str,
    /// Whether a larger value is a better one.
    pub larger_is_better: bool,
    /// Whether tables for people show it unasked.
    pub usual: bool,
    pub show: fn(Estimate) -> String,
}

/// In the order of the tables.
pub const METRICS: &[Metric] = &[
    Metric::nats("test_nll", "test NLL", true),
    Metric::nats("validation_nll", "validation NLL", false),
    Metric::nats("train_nll", "train NLL", false),
    Metric::nats("gap", "gap", true),
    Metric::nats("bits_per_dim", "bits/dim", true),
    Metric { show: |it| count(it.mean), ..Metric::nats("parameters", "parameters", false) },
    Metric { show: |it| format!("{:.0}", it.mean), ..Metric::nats("steps", "steps", false) },
    Metric { show: |it| duration(it.mean), ..Metric::nats("seconds", "time", true) },
    Metric {
        larger_is_better: true,
        show: |it| count(it.mean),
        ..Metric::nats("samples_per_second", "samples/s", true)
    },
];

impl Metric {
    const fn nats(name: &'static str, head: &'static str, usual: bool) -> Self {
        Self { name, head, larger_is_better: false, usual, show: |it| with_error(it.mean, it.error) }
    }
}

/// What trials are compared by unless asked otherwise.
pub fn test_nll() -> &'static Metric {
    &METRICS[0]
}

/// The metric of a name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
