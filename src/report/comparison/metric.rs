//! The numbers of a run that trials can be compared by.

use crate::quantity::{count, duration, with_error};
use crate::statistics::Estimate;

/// A numeric column of `trials.parquet`.
#[derive(Debug)]
pub struct Metric {
    /// Name of the column.
    pub name: &'static str,
    /// Head of its column in a table for people.
    pub head: &'static str,
    /// Unit, where the head does not say it.
    pub unit: Option<&'static str>,
    /// Column with the standard error over the rows of the test set, where there is one.
    pub rows_error: Option<&'static str>,
    /// Whether values over different data can be set against each other.
    pub across_data: bool,
    /// Whether a larger value is a better one.
    pub larger_is_better: bool,
    /// Whether tables for people show it unasked.
    pub usual: bool,
    /// Writes it for people, with the digits that its error leaves.
    pub show: fn(Estimate) -> String,
}

/// In the order of the tables.
pub const METRICS: &[Metric] = &[
    Metric { rows_error: Some("test_nll_stderr"), ..Metric::nats("test_nll", "test NLL", true) },
    Metric {
        rows_error: Some("test_nll_stderr"),
        ..Metric::nats("test_nll_standardized", "standardized test NLL", false)
    },
    Metric::nats("validation_nll", "validation NLL", false),
    Metric::nats("train_nll", "train NLL", false),
    // What the toy's own randomness costs is taken off.
    Metric { rows_error: Some("gap_stderr"), across_data: true, ..Metric::nats("gap", "gap", true) },
    Metric { unit: None, ..Metric::nats("bits_per_dim", "bits/dim", true) },
    Metric { show: |it| count(it.mean), ..Metric::cost("parameters", "parameters", false) },
    Metric { show: |it| format!("{:.0}", it.mean), ..Metric::cost("steps", "steps", false) },
    Metric { unit: Some("s"), show: |it| duration(it.mean), ..Metric::cost("seconds", "time", true) },
    Metric {
        larger_is_better: true,
        show: |it| count(it.mean),
        ..Metric::cost("samples_per_second", "samples/s", true)
    },
];

impl Metric {
    const fn nats(name: &'static str, head: &'static str, usual: bool) -> Self {
        Self {
            name,
            head,
            unit: Some("nats"),
            rows_error: None,
            across_data: false,
            larger_is_better: false,
            usual,
            show: |it| with_error(it.mean, it.error),
        }
    }

    const fn cost(name: &'static str, head: &'static str, usual: bool) -> Self {
        Self { unit: None, across_data: true, ..Self::nats(name, head, usual) }
    }

    /// What an axis is called: the head and the unit.
    pub fn axis(&self) -> String {
        self.unit.map_or_else(|| self.head.to_owned(), |unit| format!("{} ({unit})", self.head))
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
