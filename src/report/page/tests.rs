//! What the page says, and what it must not do.

use super::*;
use crate::record::trial_columns;
use crate::report::comparison::{By, rows, test_nll};
use crate::train::{Status, Summary};

/// A finished run whose test NLL tells `depth` and `seed`.
fn run(experiment: &str, depth: i64, seed: u64) -> Run {
    let test_nll = Some(depth as f64 + 0.01 * seed as f64);
    let text = serde_json::json!({
        "status": "finished", "experiment": experiment, "trial": format!("depth={depth}-{depth:08x}"), "seed": seed,
        "spec_hash": format!("{depth:064x}"), "overrides": { "model.depth": depth }, "runner": "0.1.0", "git_commit": null,
        "device": "cpu", "static_shape": false, "instruction_set": "x86_64 avx2", "parameters": 100, "host": "here", "pid": 1,
        "started": null, "ended": null, "reason": null, "resumes": 0,
        "summary": serde_json::to_value(Summary { test_nll, steps: 30, seconds: 1.0, ..Summary::default() }).unwrap(),
    });
    let point = |step: i64| Metrics {
        step,
        validation_nll: Some(9.0 / step as f64),
        scale_max: Some(0.5),
        ..Metrics::default()
    };
    let spec = [("model.depth".to_owned(), depth.into()), ("model.width".to_owned(), 64.into())];
    Run {
        manifest: serde_json::from_value(text).unwrap(),
        curve: (1..=30).map(point).collect(),
        spec: spec.into_iter().collect(),
        diagnosis: None,
    }
}

fn html(title: &str, runs: &[Run], waiting: usize) -> String {
    let manifests: Vec<Manifest> = runs.iter().map(|run| run.manifest.clone()).collect();
    let table = polars::prelude::DataFrame::new(manifests.len(), trial_columns(&manifests)).unwrap();
    let comparison = Comparison::new(&rows(&table).unwrap(), &By::Trial, test_nll());
    let made = "2026-01-02T03:04:05Z";
    let report = Report { title, made, comparison: &comparison, runs, waiting, albums: &[], csv: b"n\n3\n" };
    report.html().unwrap()
}

fn sweep() -> Vec<Run> {
    [2, 4].into_iter().flat_map(|depth| [0, 1].map(|seed| run("moons", depth, seed))).collect()
}

#[test]
fn the_best_trial_stands_first_and_runs_that_wait_are_told() {
    let page = html("moons", &sweep(), 3);
    assert!(page.contains("2.0050 ± 0.0050"), "mean and standard error of 2.00 and 2.01");
    assert!(page.contains("+2.0000"), "every pair of seeds differs by 2");
    assert!(page.contains("7 runs: 4 finished, 3 waiting."));
    let order = ["00000002", "00000004"].map(|hash| page.find(&format!("<code class=\"hash\">{hash}")).unwrap());
    assert!(order[0] < order[1]);
}

#[test]
fn settings_say_where_they_come_from() {
    let page = html("moons", &sweep(), 0);
    let row = |key: &str| page.split("<tr>").find(|row| row.contains(&format!("<td><code>{key}</code></td>"))).unwrap();
    assert!(row("model.depth").contains("<code>2, 4</code>") && row("model.depth").contains("<td>swept</td>"));
    assert!(row("model.width").contains("<td>default</td>"));
    assert!(row("seeds").contains("<code>0, 1</code>"));
}

#[test]
fn what_explains_the_metric_stands_there_where_there_are_trials_enough() {
    let trials = |count: i64| (1..=count).map(|depth| run("moons", depth, 0)).collect::<Vec<Run>>();
    let page = html("moons", &trials(16), 0);
    assert!(page.contains("Share of the variance of test NLL that settings explain: model.depth 100 %"));
    assert!(page.contains("by functional ANOVA of a forest"));
    assert!(!html("moons", &trials(11), 0).contains("functional ANOVA"));
}

#[test]
fn text_stays_text() {
    let evil = "</script><script>alert(1)</script>";
    let mut runs: Vec<Run> = [2, 4].map(|depth| run(evil, depth, 0)).to_vec();
    for run in &mut runs {
        run.manifest.trial = format!("{evil}-{}", run.manifest.trial);
        run.manifest.overrides.insert("model.activation".into(), evil.into());
        run.spec.insert("model.activation".into(), evil.into());
    }
    runs[1].manifest.status = Status::Failed;
    runs[1].manifest.reason = Some(evil.to_owned());
    let page = html(evil, &runs, 0);
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"));
    assert_eq!(page.matches("</script>").count(), 2, "those of the data and of the page's own script");
}

#[test]
fn runs_that_failed_say_why() {
    let mut runs = sweep();
    runs[3].manifest.status = Status::Diverged;
    runs[3].manifest.reason = Some("the loss was NaN at step 12".to_owned());
    let page = html("moons", &runs, 0);
    assert!(page.contains("the loss was NaN at step 12") && page.contains("1 diverged"));
    assert!(!html("moons", &sweep(), 0).contains("Runs that did not finish"));
}

#[test]
fn no_tag_asks_for_another_file() {
    let page = html("moons", &sweep(), 0);
    for address in [" src=\"", " href=\"", "url("] {
        for rest in page.split(address).skip(1).filter(|rest| !rest.starts_with("\"")) {
            assert!(rest.starts_with("data:") || rest.starts_with('#'), "{address}{}", &rest[..40.min(rest.len())]);
        }
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn two_hundred_trials_of_three_seeds_make_a_page_that_can_be_sent() {
    let mut runs: Vec<Run> = (1..=200).flat_map(|depth| [0, 1, 2].map(|seed| run("moons", depth, seed))).collect();
    for run in &mut runs {
        let seed = run.manifest.seed as f64;
        run.curve = (1..=1000)
            .map(|step| Metrics { step, validation_nll: Some((step as f64 * 0.7 + seed).sin()), ..Metrics::default() })
            .collect();
    }
    // Pictures fill what is left of 2 MB, but for those of the best trial.
    let bytes = html("moons", &runs, 0).len();
    assert!(bytes < 1_700_000, "{bytes} bytes");
}
