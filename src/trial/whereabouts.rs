//! How far a run is, for when it fails and can no longer be asked.

use std::io;

use crate::train::{Event, Outcome, Sink, Status, Summary};

/// Passes every event on and remembers the latest step and numbers.
pub(super) struct Whereabouts<S> {
    sink: S,
    latest: Summary,
}

impl<S: Sink> Whereabouts<S> {
    pub fn of(sink: S) -> Self {
        Self { sink, latest: Summary::default() }
    }

    /// The outcome of a run that failed at this point.
    pub fn failed(&self, reason: String) -> Outcome {
        Outcome { status: Status::Failed, summary: self.latest.clone(), reason: Some(reason) }
    }
}

impl<S: Sink> Sink for Whereabouts<S> {
    fn record(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { resumed_at, .. } => self.latest.steps = resumed_at.unwrap_or(0),
            Event::Metrics(row) => {
                self.latest.steps = row.step;
                self.latest.seconds = row.seconds;
                self.latest.train_nll = row.train_nll.or(self.latest.train_nll);
                let best = [self.latest.validation_nll, row.validation_nll].into_iter().flatten();
                self.latest.validation_nll = best.filter(|nll| nll.is_finite()).reduce(f64::min);
            }
            Event::Saved { step } => self.latest.steps = *step,
            Event::Picture { .. } | Event::Ended { .. } => {}
        }
        self.sink.record(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Metrics;

    struct Deaf;

    impl Sink for Deaf {
        fn record(&mut self, _: &Event) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failure_tells_how_far_the_run_was_and_its_best_validation_nll() {
        let mut run = Whereabouts::of(Deaf);
        assert_eq!(run.failed("no GPU".into()).summary, Summary::default());
        run.record(&Event::Started { resumed_at: Some(10), total_steps: 40, parameters: 1 }).expect("heard");
        assert_eq!(run.failed("a full disk".into()).summary.steps, 10);
        for (step, validation_nll) in [(20, Some(1.0)), (30, Some(2.0)), (40, None)] {
            let row = Metrics { step, validation_nll, train_nll: Some(0.5), seconds: 7.0, ..Metrics::default() };
            run.record(&Event::Metrics(row)).expect("heard");
        }
        let expected =
            Summary { steps: 40, seconds: 7.0, train_nll: Some(0.5), validation_nll: Some(1.0), ..Summary::default() };
        let outcome = run.failed("a full disk".into());
        assert_eq!((outcome.status, outcome.summary), (Status::Failed, expected));
    }
}
