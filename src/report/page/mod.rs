//! The report: one HTML page of an experiment that needs no other file and no network.
//!
//! Everything that can be read stands in the page as text, tables and SVG; the script only adds to it: sorting, filtering, curves
//! to zoom into. The page's policy lets no request leave it.

mod asked;
mod curves;
mod document;
mod fit;
mod health;
mod parallel;
mod pictures;
mod places;
mod summary;
#[cfg(test)]
mod tests;
mod trials;

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::charts::{cost_charts, legend_names, swept_charts};
use super::{Comparison, Explained, ReportError};
use crate::diagnose::Diagnosis;
use crate::record::Manifest;
use crate::train::Metrics;

/// Frame of a chart that has another beside it: width and height in pixels.
const BESIDE: [f64; 2] = [340.0, 270.0];

/// One run, as its folder tells it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it is and how it stands.
    pub manifest: Manifest,
    /// Rows of `metrics.parquet`.
    pub curve: Vec<Metrics>,
    /// The resolved spec under its dotted keys; empty where it cannot be read.
    pub spec: BTreeMap<String, toml::Value>,
    /// How good its fit is, where somebody has asked.
    pub diagnosis: Option<Diagnosis>,
}

/// The pictures of one run.
#[derive(Clone, Debug)]
pub struct Album {
    /// The run: its index in [`Report::runs`].
    pub run: usize,
    /// What each of them shows (`density`, `samples`, …), and the bytes of its PNG file.
    pub pictures: Vec<(String, Vec<u8>)>,
}

/// What a page is made of.
#[derive(Debug)]
pub struct Report<'a> {
    /// What the runs are of, usually the experiment's name.
    pub title: &'a str,
    /// When the page is made, RFC 3339.
    pub made: &'a str,
    /// The trials, best first.
    pub comparison: &'a Comparison,
    /// The runs that are compared, in the order of their rows.
    pub runs: &'a [Run],
    /// Runs that are asked for and have not started.
    pub waiting: usize,
    /// Pictures to show, best trial first.
    pub albums: &'a [Album],
    /// The comparison as a CSV file.
    pub csv: &'a [u8],
}

/// The place of the pictures among the sections.
const PICTURES: usize = 4;

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// Where a chart cannot be drawn or a picture is damaged.
    pub fn html(&self) -> Result<String, ReportError> {
        let names = legend_names(self.comparison);
        let curves = curves::Curves::new(self, &names);
        let parallel = parallel::Parallel::new(self.comparison);
        let charts = swept_charts("", self.comparison).into_iter().chain(cost_charts("", self.comparison));
        let charts = charts.map(|chart| document::figure(&chart, BESIDE)).collect::<Result<Vec<Markup>, _>>()?;
        // Where there are too few trials, it is left out.
        let explained = Explained::new(self.comparison).ok();
        let importance = explained.map(|it| document::importance(&it)).transpose()?;
        let charts = importance.into_iter().chain(charts).collect();
        let mut sections = [
            document::section("results", "Results", Some(trials::table(self))),
            document::section("curves", "Learning curves", curves.markup()?),
            document::section("parallel", "Settings and results", parallel.as_ref().map(|it| it.markup(&names))),
            document::section("charts", "What matters, and what it costs", all(charts)),
            None,
            document::section("fit", "Goodness of fit", fit::section(self, &names)?),
            document::section("health", "Health", health::table(self, &names)),
            document::section("failures", "Runs that did not finish", health::failures(self)),
            document::section("asked", "What was asked", Some(asked::tables(self))),
            document::section("places", "Where it ran", Some(places::table(self))),
        ];
        let data = serde_json::json!({ "curves": curves.data(), "axes": parallel.map(|it| it.data()) });
        let page = |sections: &[Option<_>]| {
            let there: Vec<_> = sections.iter().flatten().collect();
            document::page(self, summary::summary(self, &names), &there, &data)
        };
        // Pictures take what the rest leaves.
        let pictures = pictures::section(self, &names, page(&sections).len())?;
        sections[PICTURES] = document::section("pictures", "Pictures", pictures);
        Ok(page(&sections))
    }
}

/// Charts side by side, where there are any.
fn all(charts: Vec<Markup>) -> Option<Markup> {
    (!charts.is_empty()).then(|| html! { div.charts { @for chart in charts { (chart) } } })
}
