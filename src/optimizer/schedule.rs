//! The learning rate over a run.

use crate::spec::{Schedule, ScheduleName};

/// The factor on the learning rate for step number `step` (from 0) of `total`: a linear warm-up times the schedule.
///
/// Cosine: ½(1 + cos(π·p)) with p the part of the steps after the warm-up already done (Loshchilov & Hutter 2017,
/// without restarts).
pub fn factor(schedule: &Schedule, step: u64, total: u64) -> f64 {
    let warmup = schedule.warmup as u64;
    if step < warmup {
        return (step + 1) as f64 / (warmup + 1) as f64;
    }
    match schedule.name {
        ScheduleName::Constant => 1.0,
        ScheduleName::Cosine => {
            let done = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
            0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
        }
        ScheduleName::Step => {
            let drops = step / schedule.every.unwrap_or(usize::MAX).max(1) as u64;
            schedule.factor.unwrap_or(1.0).powi(drops.min(i32::MAX as u64) as i32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: ScheduleName) -> Schedule {
        Schedule { name, warmup: 10, every: Some(20), factor: Some(0.5) }
    }

    #[test]
    fn warm_up_rises_to_one_whatever_follows() {
        for name in [ScheduleName::Constant, ScheduleName::Cosine, ScheduleName::Step] {
            let rates: Vec<f64> = (0..10).map(|step| factor(&schedule(name), step, 100)).collect();
            assert!(rates[0] > 0.0 && rates.windows(2).all(|w| w[0] < w[1]) && rates[9] < 1.0);
            assert_eq!(factor(&schedule(name), 10, 100), 1.0);
        }
    }

    #[test]
    fn cosine_is_half_way_down_in_the_middle_and_nearly_zero_at_the_end() {
        let cosine = schedule(ScheduleName::Cosine);
        assert!((factor(&cosine, 55, 100) - 0.5).abs() < 1e-12);
        assert!(factor(&cosine, 99, 100) < 1e-3);
    }

    #[test]
    fn steps_halve_the_rate() {
        let step = schedule(ScheduleName::Step);
        assert_eq!([19, 20, 39, 40].map(|s| factor(&step, s, 100)), [1.0, 0.5, 0.5, 0.25]);
    }
}
