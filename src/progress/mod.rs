//! What the terminal shows while runs go on: bars on a terminal, plain lines elsewhere, all on stderr.
//!
//! A training step may take 300 µs, so an event only stores numbers; drawing happens ten times a second at most.

mod line;
mod loading;

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use console::{Term, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::line::{Overall, outcome, overall_line, pieces, running_line};
pub use self::loading::loading;
use crate::data::printable;
use crate::locks::lock;
use crate::train::{Event, Metrics, Sink, Status, Summary};

const DRAWS_PER_SECOND: u8 = 10;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars where stderr is a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A line at the start, at every evaluation and at the end of each run.
    Plain,
    /// Nothing.
    None,
}

/// The view of all runs. Clones share one terminal view.
#[derive(Clone)]
pub struct Progress {
    view: Arc<View>,
}

struct View {
    output: Output,
    total_runs: usize,
    begin: Instant,
    overall: Mutex<Overall>,
}

enum Output {
    Bars { bars: MultiProgress, overall: Option<ProgressBar> },
    Plain(Mutex<Box<dyn Write + Send>>),
    Silent,
}

impl Progress {
    /// A view of `total_runs` runs.
    pub fn new(mode: ProgressMode, total_runs: usize) -> Self {
        let able = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let output = match mode {
            ProgressMode::None => Output::Silent,
            ProgressMode::Auto if able => bars(total_runs),
            ProgressMode::Auto | ProgressMode::Plain => Output::Plain(Mutex::new(Box::new(std::io::stderr()))),
        };
        Self::with_output(output, total_runs)
    }

    fn with_output(output: Output, total_runs: usize) -> Self {
        let view = View { output, total_runs, begin: Instant::now(), overall: Mutex::default() };
        Self { view: Arc::new(view) }
    }

    /// The listener of one run; `label` names it, e.g. `base-3f9a2c1d seed 0`. Its line appears with the first event and
    /// goes when the listener is dropped.
    pub fn sink(&self, label: String) -> RunProgress {
        RunProgress {
            progress: self.clone(),
            label,
            total_steps: 0,
            first_step: 0,
            begin: Instant::now(),
            latest: Metrics::default(),
            share: 0.0,
            bar: None,
            drawn: None,
        }
    }

    /// Prints a line on stderr without tearing the bars; in every mode. A closed stderr is no error.
    pub fn println(&self, line: impl AsRef<str>) {
        let line = printable(line.as_ref());
        match &self.view.output {
            Output::Bars { bars, .. } => drop(bars.println(line)),
            Output::Plain(writer) => drop(writeln_whole(&mut *lock(writer), &line)),
            Output::Silent => drop(writeln_whole(&mut std::io::stderr(), &line)),
        }
    }

    /// Tells of a run that need not be done, because it was done before.
    pub fn kept(&self, line: impl AsRef<str>) {
        self.tell(line);
        self.advance(0.0, true);
    }

    /// Tells what is nobody's loss where nothing is shown.
    pub fn tell(&self, line: impl AsRef<str>) {
        if !matches!(self.view.output, Output::Silent) {
            self.println(line);
        }
    }

    /// Takes the overall bar away; what was printed stays. Called by itself when all runs have ended.
    pub fn finish(&self) {
        self.view.clear();
    }

    /// Adds to the overall bar what a run did since its last call: `more` in shares of the run, and whether it `ended`.
    fn advance(&self, more: f64, ended: bool) {
        let mut overall = lock(&self.view.overall);
        overall.running += more;
        overall.ended += usize::from(ended);
        let Output::Bars { overall: Some(bar), .. } = &self.view.output else {
            return;
        };
        if overall.ended >= self.view.total_runs {
            bar.finish_and_clear();
        } else {
            bar.set_message(overall_line(&overall, self.view.total_runs, self.view.begin.elapsed(), terminal_width()));
        }
    }
}

impl View {
    fn clear(&self) {
        if let Output::Bars { overall: Some(bar), .. } = &self.output {
            bar.finish_and_clear();
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bars(total_runs: usize) -> Output {
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
    let overall = (total_runs > 1).then(|| bars.add(blank_bar()));
    Output::Bars { bars, overall }
}

/// A bar that shows nothing but its message: the lines are composed here, for the terminal's width.
fn blank_bar() -> ProgressBar {
    let message = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::no_length().with_style(message)
}

/// Listens to one run for [`Progress`].
pub struct RunProgress {
    progress: Progress,
    label: String,
    total_steps: i64,
    /// Step at which this process took over.
    first_step: i64,
    begin: Instant,
    /// The last known value of each number.
    latest: Metrics,
    /// Share of the run counted in the overall bar.
    share: f64,
    bar: Option<ProgressBar>,
    drawn: Option<Instant>,
}

impl RunProgress {
    fn start(&mut self, resumed_at: Option<i64>, parameters: usize) {
        self.first_step = resumed_at.unwrap_or(0);
        self.latest.step = self.first_step;
        self.begin = Instant::now();
        match &self.progress.view.output {
            Output::Bars { bars, overall } => {
                let bar = match overall {
                    Some(overall) => bars.insert_before(overall, blank_bar()),
                    None => bars.add(blank_bar()),
                };
                self.bar = Some(bar);
                self.draw();
            }
            Output::Plain(_) => {
                let steps = self.total_steps;
                self.say(&match resumed_at {
                    Some(step) => format!("resumed at step {step} of {steps}"),
                    None => format!("started: {steps} steps, {parameters} parameters"),
                });
            }
            Output::Silent => {}
        }
    }

    fn follow(&mut self, metrics: &Metrics) {
        self.latest = Metrics {
            train_nll: metrics.train_nll.or(self.latest.train_nll),
            validation_nll: metrics.validation_nll.or(self.latest.validation_nll),
            samples_per_second: metrics.samples_per_second.or(self.latest.samples_per_second),
            ..metrics.clone()
        };
        let rested = Duration::from_secs(1) / u32::from(DRAWS_PER_SECOND);
        match &self.progress.view.output {
            Output::Bars { .. } if self.drawn.is_none_or(|drawn| drawn.elapsed() >= rested) => self.draw(),
            Output::Plain(_) if metrics.validation_nll.is_some() => {
                let pieces = pieces(&self.latest, self.total_steps, self.seconds_left());
                self.say(&format!("step {}", pieces[1..].join("  ")));
            }
            _ => {}
        }
    }

    fn draw(&mut self) {
        self.drawn = Some(Instant::now());
        if let Some(bar) = &self.bar {
            bar.set_message(running_line(
                &self.label,
                &self.latest,
                self.total_steps,
                self.seconds_left(),
                terminal_width(),
            ));
        }
        let share = (self.latest.step - self.first_step) as f64 / self.total_steps.max(1) as f64;
        self.progress.advance(share - self.share, false);
        self.share = share;
    }

    /// From the mean speed since this process took over, evaluations included; `None` before the first step.
    fn seconds_left(&self) -> Option<f64> {
        let done = self.latest.step - self.first_step;
        let left = (self.total_steps - self.latest.step).max(0);
        (done > 0).then(|| self.begin.elapsed().as_secs_f64() * left as f64 / done as f64)
    }

    fn end(&mut self, status: Status, summary: &Summary, reason: Option<&str>) {
        self.remove_bar();
        let text = outcome(status, summary, reason);
        match &self.progress.view.output {
            Output::Bars { .. } => {
                let mark = match status {
                    Status::Finished => style("✓").green(),
                    Status::Diverged | Status::Failed => style("✗").red(),
                    Status::Stopped => style("–").dim(),
                    Status::Interrupted | Status::Running => style("!").yellow(),
                };
                self.progress.println(format!("{} {}  {text}", mark.bold().for_stderr(), self.label));
            }
            Output::Plain(_) => self.say(&match status {
                Status::Finished => format!("finished: {text}"),
                _ => text,
            }),
            Output::Silent => {}
        }
        // One that is paused at a rung has not ended.
        self.progress.advance(-self.share, status != Status::Interrupted);
        self.share = 0.0;
    }

    fn say(&self, text: &str) {
        self.progress.println(format!("[{}] {text}", self.label));
    }

    fn remove_bar(&mut self) {
        if let (Some(bar), Output::Bars { bars, .. }) = (self.bar.take(), &self.progress.view.output) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
    }
}

impl Sink for RunProgress {
    /// Never fails: a terminal that went away must not stop a run.
    fn record(&mut self, event: &Event) -> std::io::Result<()> {
        match event {
            Event::Started { resumed_at, total_steps, parameters } => {
                self.total_steps = *total_steps;
                self.start(*resumed_at, *parameters);
            }
            Event::Metrics(metrics) => self.follow(metrics),
            Event::Saved { .. } | Event::Picture { .. } => {}
            Event::Ended { status, summary, reason } => self.end(*status, summary, reason.as_deref()),
        }
        Ok(())
    }
}

impl Drop for RunProgress {
    fn drop(&mut self) {
        self.remove_bar();
    }
}

/// Letters in a line of the terminal; the last place stays free, where some terminals wrap.
fn terminal_width() -> usize {
    usize::from(Term::stderr().size().1).saturating_sub(1)
}

/// One write a line, so that lines of several processes do not mix.
fn writeln_whole(writer: &mut dyn Write, line: &str) -> std::io::Result<()> {
    writer.write_all(format!("{line}\n").as_bytes())?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer whose text can be read afterwards.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn metrics(step: i64, validation_nll: Option<f64>) -> Event {
        let (train_nll, samples_per_second) = (Some(0.5), Some(85_000.0));
        Event::Metrics(Metrics { step, train_nll, validation_nll, samples_per_second, ..Metrics::default() })
    }

    fn ended(status: Status, reason: Option<&str>) -> Event {
        let test_nll = Some(0.3412);
        let summary = Summary { test_nll, steps: 70, best_step: Some(50), seconds: 12.34, ..Summary::default() };
        Event::Ended { status, summary, reason: reason.map(str::to_owned) }
    }

    #[test]
    fn plain_progress_says_start_evaluations_and_end_without_control_characters() {
        let paper = Paper::default();
        let progress = Progress::with_output(Output::Plain(Mutex::new(Box::new(paper.clone()))), 2);
        let started = Event::Started { resumed_at: None, total_steps: 100, parameters: 42 };
        let mut run = progress.sink("base-1 seed 0".into());
        for event in [started, metrics(50, None), metrics(100, Some(0.25)), ended(Status::Finished, None)] {
            run.record(&event).unwrap();
        }
        progress.println("warning: one feature");
        let mut run = progress.sink("base-1 seed 1".into());
        run.record(&Event::Started { resumed_at: Some(60), total_steps: 100, parameters: 42 }).unwrap();
        run.record(&ended(Status::Diverged, Some("at step 71 the loss is NaN"))).unwrap();

        let text = String::from_utf8(lock(&paper.0).clone()).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "[base-1 seed 0] started: 100 steps, 42 parameters",
                "[base-1 seed 0] step 100/100  train  0.5000  val  0.2500  85.0k/s   0:00 left",
                "[base-1 seed 0] finished: test NLL 0.3412  best at step 50 of 70  12.3 s",
                "warning: one feature",
                "[base-1 seed 1] resumed at step 60 of 100",
                "[base-1 seed 1] diverged: at step 71 the loss is NaN",
            ]
        );
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()));
    }
}
