//! What it all comes to.

use serde::{Deserialize, Serialize};

use super::Diagnosis;
use super::calibration::{Calibration, Coverage, Ranks};
use super::distributions::holm;
use crate::quantity::{error_digits, number, with_error};

/// Tests reject at this share of false alarms, all of them together.
const LEVEL: f64 = 0.05;
/// Effects below these are small, whatever their p: distances of distribution functions, correlations, and the accuracy of the
/// classifier above ½.
const SMALL: f64 = 0.05;
/// Standard errors that a difference of means must have.
const ERRORS: f64 = 3.0;
/// Nats that the training rows must be better by before there is talk of overfitting.
const OVERFITTED: f64 = 0.1;

/// What a reader of the evidence must know.
pub const CORRECTED: &str = "Every p is corrected for the number of columns (Holm), and the words beside it for the number of \
                             tests too.";

/// Shares of samples beyond the data, more than twice those by chance, that are small and that are not.
const OUTSIDE: [f64; 2] = [0.02, 0.2];

/// How a finding speaks for the fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    /// Nothing against it.
    Good,
    /// Something is there, and it is small.
    Small,
    /// Something is wrong.
    Bad,
}

impl Rating {
    /// What it is called, wherever people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Small => "small difference",
            Self::Bad => "bad",
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub about: String,
    /// How it speaks for the fit.
    pub rating: Rating,
    /// What was found, in words and numbers.
    pub evidence: String,
}

/// A conclusion and what it rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a sentence.
    pub conclusion: String,
    /// Every piece of evidence.
    pub findings: Vec<Finding>,
}

/// A test: what it looked at, its p, how large what it found is, and the words.
struct Tested {
    about: &'static str,
    p: f64,
    effect: f64,
    words: String,
}

impl Verdict {
    /// Of a diagnosis whose verdict is still empty.
    pub fn of(it: &Diagnosis) -> Self {
        let tests = tests(it);
        let adjusted = holm(&tests.iter().map(|test| test.p).collect::<Vec<_>>());
        let tested = tests.into_iter().zip(adjusted).map(|(test, p)| {
            let rating = match (p < LEVEL, test.effect < SMALL) {
                (false, _) => Rating::Good,
                (true, true) => Rating::Small,
                (true, false) => Rating::Bad,
            };
            Finding { about: test.about.into(), rating, evidence: format!("{}, p = {}", test.words, p_value(test.p)) }
        });
        let findings: Vec<Finding> = tested.chain(compared_with_baselines(it)).chain([gap(it), range(it)]).collect();
        let conclusion = conclusion(it, &findings);
        Self { conclusion, findings }
    }
}

fn tests(it: &Diagnosis) -> Vec<Tested> {
    let mut tests = Vec::new();
    let latents = &it.latents;
    if let Some(worst) = latents.worst() {
        let p = latents.coordinates.iter().map(|it| it.p).fold(1.0, f64::min);
        let words = format!(
            "worst of {}: {}{} (mean {}, deviation {}), KS distance {}",
            latents.coordinates.len(),
            worst.name,
            if worst.p < LEVEL { format!(", {}", worst.direction.words()) } else { String::new() },
            number(worst.mean),
            number(worst.deviation),
            number(worst.distance)
        );
        tests.push(Tested { about: "latent coordinates", p, effect: worst.distance, words });
    }
    let radius = latents.radius;
    let words = format!("mean |z|²/D {}, KS distance from χ² {}", number(radius.mean), number(radius.distance));
    tests.push(Tested { about: "latent lengths", p: radius.p, effect: radius.distance, words });
    if let Some(found) = &latents.correlation {
        let words = format!("largest: {} between {} and {}", number(found.r), found.names[0], found.names[1]);
        tests.push(Tested { about: "latent correlations", p: found.p, effect: found.r.abs(), words });
    }
    tests.extend(it.calibration.iter().flat_map(calibrated));
    let energy = it.energy;
    let words =
        format!("energy distance {}, {} of the most it can be", number(energy.distance), percent(energy.coefficient));
    // As a share of the most it can be, the square of an effect.
    tests.push(Tested { about: "samples, as a whole", p: energy.p, effect: energy.coefficient.max(0.0).sqrt(), words });
    let told = it.classifier;
    let words = format!(
        "neighbours tell {} of {} samples and test rows apart ({} to {}; chance: 50 %)",
        percent(told.accuracy),
        told.rows,
        percent(told.interval[0]),
        percent(told.interval[1])
    );
    tests.push(Tested { about: "samples, by neighbours", p: told.p, effect: told.accuracy - 0.5, words });
    if let Some(worst) = it.columns.iter().max_by(|a, b| a.distance.total_cmp(&b.distance)) {
        let p = it.columns.iter().map(|it| it.p).fold(1.0, f64::min);
        let words = format!("worst of {}: {}, KS distance {}", it.columns.len(), worst.column, number(worst.distance));
        tests.push(Tested { about: "samples, by column", p, effect: worst.distance, words });
    }
    let memory = &it.memory;
    let words = format!(
        "{} of samples lie nearer to a training row than 95 % of test rows do (chance: 5 %); median distance {} against {}",
        percent(memory.near),
        number(memory.samples),
        number(memory.test)
    );
    tests.push(Tested { about: "memorising", p: memory.p, effect: memory.near - 0.05, words });
    tests
}

/// Tests of draws at the contexts of rows.
fn calibrated(it: &Calibration) -> Vec<Tested> {
    let mut tests = Vec::new();
    if let Some(worst) = it.features.iter().max_by(|a, b| a.distance.total_cmp(&b.distance)) {
        let p = it.features.iter().map(|it| it.p).fold(1.0, f64::min);
        let words = format!(
            "{}ranks of {} rows among {} samples at the context of each: worst of {}: {}, KS distance {}, χ² {:.1} over {} bins",
            worst_features(it),
            it.rows,
            it.draws,
            it.features.len(),
            worst.name,
            number(worst.distance),
            worst.chi_squared,
            worst.histogram.len()
        );
        tests.push(Tested { about: "calibration, by feature", p, effect: worst.distance, words });
    }
    let regions = &it.regions;
    let (levels, held): (Vec<String>, Vec<String>) = Coverage::NAMED
        .iter()
        .filter_map(|&level| Some((format!("{:.0}", 100.0 * level), format!("{:.0}", 100.0 * regions.at(level)?))))
        .unzip();
    // Uniform masses have a variance of 1/12.
    let off = (regions.mean - 0.5) * (12.0 * it.rows as f64).sqrt();
    let direction = match regions.p < LEVEL {
        false => "",
        true if off > ERRORS => "too small: ",
        true if off < -ERRORS => "too large: ",
        true => "too small at some levels, too large at others: ",
    };
    let words = format!(
        "{direction}regions of highest density of {} % hold {} % of rows, KS distance {}",
        levels.join(", "),
        held.join(", "),
        number(regions.distance)
    );
    tests.push(Tested { about: "calibration, by regions", p: regions.p, effect: regions.distance, words });
    let balls = &it.balls;
    let words = format!(
        "TARP: share of samples nearer to a random point than the row, KS distance from uniform {}",
        number(balls.distance)
    );
    tests.push(Tested { about: "calibration, as a whole", p: balls.p, effect: balls.distance, words });
    tests
}

/// The features whose samples are off, the worst first, and which way.
fn worst_features(it: &Calibration) -> String {
    /// How many are named.
    const NAMED: usize = 3;
    let mut off: Vec<&Ranks> = it.features.iter().filter(|it| it.p < LEVEL).collect();
    off.sort_by(|a, b| b.distance.total_cmp(&a.distance));
    let told: Vec<String> =
        off.iter().take(NAMED).map(|it| format!("samples of {} {}", it.name, it.direction.words())).collect();
    match off.len() {
        0 => String::new(),
        more if more > NAMED => format!("{} and {} more; ", told.join(", "), more - NAMED),
        _ => format!("{}; ", told.join(", ")),
    }
}

/// What the comparison with a baseline is headed by.
const AGAINST: &str = "against ";

fn compared_with_baselines(it: &Diagnosis) -> impl Iterator<Item = Finding> + '_ {
    it.baselines.chosen.iter().map(|other| {
        let noise = ERRORS * other.error.unwrap_or(f64::INFINITY);
        let (rating, words) = match other.better {
            better if better > noise => (Rating::Good, ""),
            better if better < -noise => (Rating::Bad, ""),
            _ => (Rating::Small, "about as good: "),
        };
        Finding {
            about: format!("{AGAINST}{}", other.name()),
            rating,
            evidence: format!("{words}{} nats a row", other.told()),
        }
    })
}

fn gap(it: &Diagnosis) -> Finding {
    let nats = it.gap.nats();
    let rating = match (nats > ERRORS * it.gap.error, nats > OVERFITTED) {
        (true, true) => Rating::Bad,
        (true, false) => Rating::Small,
        (false, _) => Rating::Good,
    };
    let words = if rating == Rating::Bad { "overfitted: training rows" } else { "training rows" };
    let evidence = format!("{words} above test rows by {} nats", with_error(nats, Some(it.gap.error)));
    Finding { about: "overfitting".into(), rating, evidence }
}

fn range(it: &Diagnosis) -> Finding {
    let beyond = it.outside - 2.0 * it.outside_by_chance;
    let rating = match OUTSIDE.map(|share| beyond > share) {
        [_, true] => Rating::Bad,
        [true, _] => Rating::Small,
        _ => Rating::Good,
    };
    let worst = it.columns.iter().max_by(|a, b| a.outside.total_cmp(&b.outside)).filter(|worst| worst.outside > 0.0);
    let most = worst.map_or(String::new(), |worst| format!(", most by {} ({})", worst.column, percent(worst.outside)));
    let [found, chance] = [it.outside, it.outside_by_chance].map(percent);
    let evidence =
        format!("{found} of samples have a value that no training or test row reaches (chance: {chance}){most}");
    Finding { about: "range".into(), rating, evidence }
}

/// A finding against the fit, as part of a sentence.
fn told(finding: &Finding) -> String {
    match (finding.about.strip_prefix(AGAINST), finding.rating) {
        (Some(other), Rating::Bad) => format!("worse than {other}"),
        (Some(other), _) => format!("no better than {other}"),
        (None, _) => finding.about.clone(),
    }
}

fn conclusion(it: &Diagnosis, findings: &[Finding]) -> String {
    let about = |rating: Rating| {
        let of = findings.iter().filter(|finding| finding.rating == rating).map(told);
        of.collect::<Vec<_>>().join("; ")
    };
    match findings.iter().map(|finding| finding.rating).max() {
        Some(Rating::Bad) => format!("Not a good fit: {}.", about(Rating::Bad)),
        Some(Rating::Small) => format!("A close fit, with small differences: {}.", about(Rating::Small)),
        _ => format!("Nothing tells the flow from the data in {} test rows.", it.rows),
    }
}

/// A p as people write it.
pub fn p_value(p: f64) -> String {
    if p < 1e-4 { "below 0.0001".to_owned() } else { error_digits(p) }
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent.abs() < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::super::Baseline;
    use super::*;

    #[test]
    fn a_baseline_that_is_better_is_told_as_such() {
        let of = |better: f64| Baseline { components: 4, context: 0, nll: 1.0, better, error: Some(0.025) };
        assert_eq!(of(-0.028).told(), "worse by 0.028 ± 0.025");
        assert_eq!(of(0.1).told(), "better by 0.100 ± 0.025");
        let finding =
            |rating| Finding { about: format!("{AGAINST}{}", of(0.0).name()), rating, evidence: String::new() };
        assert_eq!(told(&finding(Rating::Small)), "no better than a mixture of 4 Gaussians");
        assert_eq!(told(&finding(Rating::Bad)), "worse than a mixture of 4 Gaussians");
    }
}
