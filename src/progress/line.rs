//! The texts of the progress view: pure functions from numbers to lines.

use std::time::Duration;

use crate::quantity::{clock, count, duration, number, shortened};
use crate::train::{Metrics, Status, Summary};

const BAR_WIDTH: usize = 20;

/// What is done of all runs together.
#[derive(Default)]
pub(super) struct Overall {
    pub ended: usize,
    /// Shares of the running runs that were done since they were started or resumed here.
    pub running: f64,
}

/// Best weights of an earlier share of the steps than this are told of: what came later was in vain.
const EARLY: f64 = 0.8;

/// The numbers of a running run in the order shown: bar, steps, train and validation NLL, speed, time left. Padded, so
/// that columns stay in place.
pub(super) fn pieces(latest: &Metrics, total_steps: i64, seconds_left: Option<f64>) -> [String; 6] {
    let nll = |value: Option<f64>| value.map_or_else(|| "–".into(), number);
    let share = latest.step as f64 / total_steps.max(1) as f64;
    let digits = total_steps.to_string().len();
    [
        bar(share, BAR_WIDTH),
        format!("{:>digits$}/{total_steps}", latest.step),
        format!("train {:>7}", nll(latest.train_nll)),
        format!("val {:>7}", nll(latest.validation_nll)),
        format!("{:>5}/s", latest.samples_per_second.map_or_else(|| "–".into(), count)),
        format!("{:>5} left", seconds_left.map_or_else(|| "--:--".into(), clock)),
    ]
}

/// One line for a running run, at most `width` letters.
pub(super) fn running_line(
    label: &str,
    latest: &Metrics,
    total_steps: i64,
    seconds_left: Option<f64>,
    width: usize,
) -> String {
    /// What is left out first where there is no room, as indices of the pieces; the steps never are.
    const LEAVING: [usize; 5] = [0, 4, 2, 5, 3];
    const SHORTEST_LABEL: usize = 20;
    let mut pieces = pieces(latest, total_steps, seconds_left).map(Some);
    let letters = |text: &str| text.chars().count();
    let taken = |pieces: &[Option<String>]| pieces.iter().flatten().map(|piece| letters(piece) + 2).sum::<usize>();
    for leaving in LEAVING {
        if letters(label).min(SHORTEST_LABEL) + taken(&pieces) > width {
            pieces[leaving] = None;
        }
    }
    let label = shortened(label, width.saturating_sub(taken(&pieces)));
    std::iter::once(label).chain(pieces.into_iter().flatten()).collect::<Vec<_>>().join("  ")
}

pub(super) fn overall_line(overall: &Overall, total_runs: usize, elapsed: Duration, width: usize) -> String {
    let done = overall.ended as f64 + overall.running;
    let left = if done > 0.0 { elapsed.as_secs_f64() * (total_runs as f64 - done) / done } else { f64::NAN };
    let counted = format!("{}/{total_runs} runs  {:>5} left", overall.ended, clock(left));
    let room = width.saturating_sub(counted.chars().count() + 2).min(2 * BAR_WIDTH);
    format!("{}  {counted}", bar(done / total_runs as f64, room))
}

fn bar(share: f64, width: usize) -> String {
    let filled = (share.clamp(0.0, 1.0) * width as f64).floor() as usize;
    "━".repeat(filled) + &"┄".repeat(width - filled)
}

/// How a run ended, in words.
pub(super) fn outcome(status: Status, summary: &Summary, reason: Option<&str>) -> String {
    let at = |what: &str| match reason {
        // The reason names the step: the one after the last that was done.
        Some(reason) if status == Status::Diverged => format!("{what}: {reason}"),
        Some(reason) if status == Status::Failed && summary.steps == 0 => {
            format!("{what} before its first step: {reason}")
        }
        // Whatever fails does so between two of the steps that the record tells of.
        Some(reason) if status == Status::Failed => format!("{what} after step {}: {reason}", summary.steps),
        Some(reason) => format!("{what} at step {}: {reason}", summary.steps),
        None => format!("{what} at step {}", summary.steps),
    };
    match status {
        Status::Finished => {
            let numbers = [("test NLL", summary.test_nll), ("gap", summary.gap), ("bits/dim", summary.bits_per_dim)];
            let numbers = numbers.iter().filter_map(|(name, value)| Some(format!("{name} {}", number((*value)?))));
            let early = summary.best_step.filter(|&best| (best as f64) < EARLY * summary.steps as f64);
            let best = early.map(|best| format!("best at step {best} of {}", summary.steps));
            numbers.chain(best).chain([duration(summary.seconds)]).collect::<Vec<_>>().join("  ")
        }
        other => at(other.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_line_fits_and_keeps_what_matters_most() {
        let latest =
            Metrics { step: 1250, train_nll: Some(0.3412), validation_nll: Some(0.3398), ..Metrics::default() };
        let label = "depth=8,optimizer.learning_rate=0.001-3f9a2c1d seed 0";
        for width in [30, 40, 60, 80, 101, 102, 200] {
            let line = running_line(label, &latest, 5000, Some(83.0), width);
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert!(line.contains("1250/5000"), "{width}: {line}");
            assert_eq!(line.contains("val  0.3398"), width >= 60, "{width}: {line}");
            assert_eq!(line.contains('━'), width >= 102, "{width}: {line}");
        }
    }

    #[test]
    fn the_overall_line_counts_running_runs_by_their_share() {
        let overall = Overall { ended: 1, running: 1.0 };
        // Half of the work took 60 s, so 60 s are left.
        let line = overall_line(&overall, 4, Duration::from_secs(60), 80);
        assert!(line.ends_with("1/4 runs   1:00 left"), "{line}");
        assert_eq!(line.matches('━').count(), line.matches('┄').count());
        assert!(overall_line(&Overall::default(), 4, Duration::ZERO, 10).contains("--:-- left"));
    }
}
