//! `runner diagnose`, on runs that were trained here.

use std::fs;

use crate::workplace::{SMALL, Workplace};

#[test]
fn a_run_is_diagnosed_and_what_was_found_lies_in_its_folder() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --quiet").expect(0);
    let run = here.run_folder("results/moons", 0);
    let told = here.runner(&format!("diagnose {}", run.display())).expect(0).stdout;
    // After sixty steps two moons are still one cloud.
    for part in ["Not a good fit", "latent coordinates", "z of x1", "against a Gaussian", "lowest density"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let text = fs::read_to_string(run.join("diagnose.json")).expect("a file");
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&found["rows"], &found["experiment"]), (&500.into(), &"moons".into()));
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("manifest.json")).expect("a file")).expect("JSON");
    // The same rows are scored as when the run ended.
    let nll = |value: &serde_json::Value| value.as_f64().expect("a number");
    assert!((nll(&found["baselines"]["flow"]) - nll(&manifest["summary"]["test_nll"])).abs() < 1e-9);
    assert!(found["energy"]["p"].as_f64().expect("a number") < 0.05);
    for picture in ["latents", "lengths", "quantiles"] {
        assert!(run.join(format!("plots/{picture}.png")).is_file(), "{picture}");
    }
    // Again, and the same; nothing of it stands in the way of the run.
    here.runner(&format!("diagnose {}", run.display())).expect(0);
    assert_eq!(fs::read_to_string(run.join("diagnose.json")).expect("a file"), text);
    here.runner("report results/moons").expect(0);
    let page = || fs::read_to_string(here.path("results/moons/report.html")).expect("a page");
    assert!(page().contains("Goodness of fit") && page().contains("Not a good fit"));
    here.runner("moons.toml --quiet --fresh").expect(0);
    here.runner("report results/moons").expect(0);
    assert!(!page().contains("Goodness of fit"), "the verdict is of a run that is no more");
}

#[test]
fn of_an_experiment_the_best_run_is_diagnosed_on_as_many_rows_as_asked() {
    let here = Workplace::new();
    here.write("moons.toml", format!("{SMALL}\n[sweep.parameters]\n\"optimizer.learning_rate\" = [1e-9, 1e-2]\n"));
    here.runner("moons.toml --quiet").expect(0);
    let ended = here.runner("diagnose results/moons --rows 100 --seed 3").expect(0);
    assert!(ended.stderr.contains("learning_rate=0.01"), "{}", ended.stderr);
    assert!(ended.stdout.contains("learning_rate=0.01") && ended.stdout.contains("diagnose.json"), "{}", ended.stdout);
    let runs = here.run_folders("results/moons", 0);
    assert_eq!(runs.iter().filter(|run| run.join("diagnose.json").is_file()).count(), 1);
    here.runner("diagnose results/nothing").expect(2).says(&["no finished run there"]);
    here.runner("diagnose results/moons --rows 3").expect(2);
    here.runner("diagnose results/moons --device gpu").expect(2).says(&["gpu"]);
}
