//! Round numbers along an axis.

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

/// At most `at_most` ticks within `limits`, at multiples of 1, 2 or 5 times a power of ten; of other digits where there would be
/// a lone tick, which tells no scale.
///
/// Empty where the limits are so close together that no round number can tell them apart.
pub(super) fn ticks(limits: [f64; 2], at_most: usize) -> Vec<Tick> {
    let [low, high] = limits;
    let magnitude = low.abs().max(high.abs());
    let raw = (high - low) / at_most.max(1) as f64;
    if !(raw.is_finite() && raw > magnitude * 1e-12) {
        return Vec::new();
    }
    let power = 10f64.powf(raw.log10().floor());
    let first = |factors: &[f64], at_least: usize| {
        let mut values = factors.iter().map(|factor| multiples(low, high, factor * power));
        values.find(|values| (at_least..=at_most).contains(&values.len()))
    };
    let (usual, others) = ([1.0, 2.0, 5.0, 10.0, 20.0], [3.0, 4.0, 6.0, 8.0, 30.0, 40.0]);
    let values = first(&usual, 2).or_else(|| first(&others, 2)).or_else(|| first(&usual, 0));
    values.map(|values| label(&values)).unwrap_or_default()
}

/// Most ticks of a logarithmic axis as wide as a chart: more do not fit side by side.
pub(super) const MOST_LOG_TICKS: usize = 9;

/// At most `at_most` ticks within `limits`, which are logarithms to base 10: at powers of ten, at more multiples of these where
/// less than three fit, and at any round numbers within limits that are close together.
pub(super) fn log_ticks(limits: [f64; 2], at_most: usize) -> Vec<Tick> {
    let [low, high] = limits;
    let powers = low.floor() as i32..=high.ceil() as i32;
    let at = |factors: &'static [f64]| {
        let all = powers.clone().flat_map(move |power| factors.iter().map(move |factor| (*factor, power)));
        all.map(|(factor, power)| (factor.log10() + f64::from(power), factor, power))
            .filter(|(value, ..)| (low..=high).contains(value))
            .collect::<Vec<_>>()
    };
    let multiples = [&[1.0] as &[f64], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]];
    let Some(found) = multiples.into_iter().map(at).find(|ticks| ticks.len() >= 3) else {
        let round = ticks(limits.map(|limit| 10f64.powf(limit)), at_most);
        return round.into_iter().map(|tick| Tick { value: tick.value.log10(), ..tick }).collect();
    };
    let every = found.len().div_ceil(at_most);
    let text = |factor: f64, power: i32| match power {
        -3..=4 => format!("{}", (factor * 10f64.powi(power) * 1e6).round() / 1e6),
        _ => format!("{factor}e{power}").replace('-', "\u{2212}"),
    };
    found.into_iter().step_by(every).map(|(value, factor, power)| Tick { value, label: text(factor, power) }).collect()
}

/// At most `at_most` ticks of an axis that shows an increasing map of numbers, `y_of`, within `limits` of what it maps to; `x_of`:
/// the map back. The numbers lie about evenly along the axis, and have as few digits as tell them apart.
pub(super) fn bent_ticks(
    limits: [f64; 2],
    at_most: usize,
    y_of: impl Fn(f64) -> f64,
    x_of: impl Fn(f64) -> f64,
) -> Vec<Tick> {
    let step = (limits[1] - limits[0]) / at_most.max(1) as f64;
    let mut found: Vec<Tick> = Vec::new();
    for i in 0..at_most {
        let y = limits[0] + (i as f64 + 0.5) * step;
        let apart = x_of(y + 0.5 * step) - x_of(y - 0.5 * step);
        let digit = 10f64.powf(apart.log10().floor());
        let x = (x_of(y) / digit).round() * digit;
        if !x.is_finite() {
            continue;
        }
        let decimals = (-x.abs().min(digit).log10().floor()).clamp(0.0, 12.0) as usize;
        let label = match x {
            0.0 => "0".to_owned(),
            x if (1e-3..1e5).contains(&x.abs()) => {
                let text = format!("{x:.decimals$}");
                if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
            }
            x => format!("{x:.0e}"),
        };
        let tick = Tick { value: y_of(x), label: label.replace('-', "\u{2212}") };
        if found.last().is_none_or(|last| last.value < tick.value) {
            found.push(tick);
        }
    }
    found
}

/// All multiples of `step` in `[low, high]`; the slack keeps a limit that is itself round.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let first = (low / step - 1e-6).ceil();
    let last = (high / step + 1e-6).floor();
    (0..=(last - first).max(-1.0) as i64).take_while(|_| last >= first).map(|i| (first + i as f64) * step).collect()
}

/// The ticks of ascending, evenly spaced `values`: as many decimals as the step needs, powers of ten where numbers
/// would get long.
fn label(values: &[f64]) -> Vec<Tick> {
    let biggest = values.iter().fold(0f64, |most, value| most.max(value.abs()));
    let step = values.get(1).map_or(biggest, |second| second - values[0]);
    let exponent = |value: f64| (value.log10() + 1e-9).floor() as i32;
    let scientific = biggest > 0.0 && !(1e-3..1e5).contains(&biggest);
    let shift = if scientific { exponent(biggest) } else { 0 };
    let decimals = if step > 0.0 { (shift - exponent(step)).clamp(0, 12) as usize } else { 0 };
    let text = |value: f64| match value / 10f64.powi(shift) {
        // Multiples of the step: below half of it lies only zero with its rounding error.
        _ if value.abs() < step / 2.0 => "0".to_owned(),
        mantissa if scientific => format!("{mantissa:.decimals$}e{shift}"),
        plain => format!("{plain:.decimals$}"),
    };
    values.iter().map(|&value| Tick { value, label: text(value).replace('-', "\u{2212}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithmic_ticks_stand_at_powers_or_between_them() {
        let labels = |low: f64, high: f64| -> Vec<String> {
            log_ticks([low.log10(), high.log10()], 9).into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(labels(1e-6, 1e-3), ["1e\u{2212}6", "1e\u{2212}5", "1e\u{2212}4", "0.001"]);
        assert_eq!(labels(0.9, 30.0), ["1", "2", "5", "10", "20"]);
        assert_eq!(labels(12.0, 45.0), ["15", "20", "30", "40"]);
        assert_eq!(labels(1.21, 1.68)[..2], ["1.25", "1.30"]);
        assert_eq!(log_ticks([100f64.log10() - 1e-4, 100f64.log10() + 1e-4], 9)[0].label, "99.980");
        assert!(labels(1e-30, 1e30).len() <= 9);
    }

    #[test]
    fn ticks_of_a_bent_axis_are_round_numbers_at_their_places() {
        let labels = |low: f64, high: f64| -> Vec<String> {
            let ticks = bent_ticks([low.ln(), high.ln()], 4, f64::ln, f64::exp);
            assert!(ticks.iter().all(|tick| (low.ln()..=high.ln()).contains(&tick.value)));
            assert!(ticks.windows(2).all(|pair| pair[0].value < pair[1].value));
            ticks.into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(labels(0.01, 100.0), ["0.03", "0.3", "3", "30"]);
    }

    #[test]
    fn ticks_are_round_numbers_with_the_decimals_of_their_step() {
        let cases: [([f64; 2], usize, &[&str]); 9] = [
            // Steps of 2 would be too many, and those of 5 leave a lone 0 or 50.
            ([-4.4, 4.6], 4, &["−3", "0", "3"]),
            ([13.0, 92.0], 2, &["40", "80"]),
            ([-1.4, 2.3], 5, &["−1", "0", "1", "2"]),
            ([0.0, 1.0], 6, &["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            ([-0.07, 0.07], 4, &["−0.05", "0", "0.05"]),
            ([0.0, 4.1e6], 5, &["0", "1e6", "2e6", "3e6", "4e6"]),
            ([0.0, 2.6e-5], 6, &["0", "0.5e−5", "1.0e−5", "1.5e−5", "2.0e−5", "2.5e−5"]),
            ([995.0, 1015.0], 5, &["995", "1000", "1005", "1010", "1015"]),
            ([3.0, 3.0], 5, &[]),
        ];
        for (limits, at_most, expected) in cases {
            let labels: Vec<String> = ticks(limits, at_most).into_iter().map(|tick| tick.label).collect();
            assert_eq!(labels, expected, "{limits:?}");
        }
    }

    #[test]
    fn ticks_lie_within_the_limits_and_never_exceed_their_number() {
        for exponent in -30..30 {
            for at_most in 2..9 {
                let limits = [-1.7 * 10f64.powi(exponent), 3.9 * 10f64.powi(exponent)];
                let ticks = ticks(limits, at_most);
                assert!(!ticks.is_empty() && ticks.len() <= at_most, "{limits:?} {at_most}: {ticks:?}");
                let slack = 1e-6 * (limits[1] - limits[0]);
                assert!(ticks.iter().all(|t| t.value >= limits[0] - slack && t.value <= limits[1] + slack));
            }
        }
    }
}
