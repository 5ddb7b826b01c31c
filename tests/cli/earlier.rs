//! Results of an earlier release (`tests/earlier`) in the hands of this one.

use std::fs;
use std::path::Path;

use crate::workplace::{Workplace, manifest};

/// Undisturbed, the earlier release reaches this test NLL in `long`.
const REACHED: f64 = 1.549690;

/// A copy of what the earlier release left.
fn workplace() -> Workplace {
    let here = Workplace::new();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/earlier"), &here.path(""));
    here
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

fn test_nll(run: &Path) -> f64 {
    manifest(run)["summary"]["test_nll"].as_f64().expect("a number")
}

#[test]
fn results_of_an_earlier_release_are_listed_and_compared() {
    let here = workplace();
    let listed = here.runner("list").expect(0).stdout;
    for total in ["results/long: 1 interrupted", "results/table: 1 finished", "results/toy: 2 finished"] {
        assert!(listed.contains(total), "{listed}");
    }
    let compared = here.runner("compare results/toy results/table").expect(0).stdout;
    assert!(compared.contains("2.0687 ± 0.0022") && compared.contains("7.4572"), "{compared}");
}

#[test]
fn finished_runs_of_an_earlier_release_are_kept_without_training() {
    let here = workplace();
    let ended = here.runner("toy.toml table.toml --progress plain").expect(0);
    assert!(!ended.stderr.contains("started:") && !ended.stderr.contains("resumed"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("finished already, kept").count(), 3, "{}", ended.stderr);
}

#[test]
fn the_spec_in_a_run_of_an_earlier_release_is_that_run_though_its_keys_have_changed() {
    let here = workplace();
    let spec = here.run_folder("results/toy", 0).join("spec.toml");
    assert!(fs::read_to_string(&spec).expect("a spec").contains("batch_norm = false"));
    let ended = here.runner(&format!("{} --progress plain", spec.display())).expect(0);
    assert_eq!(ended.stderr.matches("finished already, kept").count(), 1, "{}", ended.stderr);
    // Elsewhere the old key is refused, with the new spelling.
    fs::copy(&spec, here.path("copy.toml")).expect("copied");
    here.runner("check copy.toml").expect(2).says(&["`model.batch_norm` is now `model.normalization`"]);
}

#[test]
fn an_interrupted_run_of_an_earlier_release_goes_on_to_the_numbers_that_one_would_have_reached() {
    let here = workplace();
    here.runner("long.toml").expect(0).says(&["resumed at step 150438"]);
    let run = here.run_folder("results/long", 0);
    assert_eq!(manifest(&run)["status"], "finished");
    assert!((test_nll(&run) - REACHED).abs() < 1e-3, "{}", test_nll(&run));
}

#[test]
fn a_run_of_an_earlier_release_scores_as_that_one_did() {
    let here = workplace();
    let run = here.run_folder("results/table", 0);
    here.runner(&format!("score {} --data table.csv -o now.csv", run.display())).expect(0);
    let scores = |name: &str| -> Vec<f64> {
        let text = fs::read_to_string(here.path(name)).expect("scores");
        text.lines().skip(1).map(|line| line.parse().expect("a number")).collect()
    };
    let (then, now) = (scores("scores.csv"), scores("now.csv"));
    assert_eq!((then.len(), now.len()), (80, 80));
    for (then, now) in then.iter().zip(&now) {
        assert!((then - now).abs() < 1e-5, "{then} {now}");
    }
}

#[test]
fn an_experiment_goes_on_with_the_defaults_it_began_with_and_says_so() {
    let here = workplace();
    assert!(here.runner("plan toy.toml").expect(0).stdout.contains("base-b3d8adea"));
    let kept = "toy was begun with the defaults of an earlier release, which it keeps: model.coupling = \"affine\", model.mixing = \"none\", \
                optimizer.learning_rate = 0.001, training.ema = 0.0; those of today are for another `name` or --results";
    here.runner("toy.toml --seeds 0,1,2 --progress plain").expect(0).says(&[kept, "finished already, kept"]);
    assert_eq!(here.run_folders("results/toy", 2).len(), 1);
    // A trial that is new to it is of the same flow as the others, or they could not be compared.
    here.runner("toy.toml --seeds 0 --set model.width=8 --quiet").expect(0);
    let spec = |results: &str| fs::read_to_string(here.run_folders(results, 0)[1].join("spec.toml")).expect("a spec");
    assert!(spec("results/toy").contains("coupling = \"affine\""), "{}", spec("results/toy"));
    // Whatever becomes of its plan: the shell empties it before `plan` begins, or it is lost.
    let folder = here.path("results/toy");
    for plan in [Some(""), Some("{"), None] {
        let path = folder.join("plan.json");
        match plan {
            Some(text) => fs::write(path, text).expect("written"),
            None => fs::remove_file(path).expect("removed"),
        }
        here.runner("check toy.toml").expect(0).says(&[kept]);
        let ended = here.runner("toy.toml --seeds 0,1,2 --progress plain").expect(0);
        assert_eq!(ended.stderr.matches("finished already, kept").count(), 3, "{plan:?}: {}", ended.stderr);
    }
    here.runner("toy.toml --fresh --seeds 0 --progress plain")
        .expect(0)
        .says(&[kept, "[base-b3d8adea seed 0] started"]);
    // Elsewhere it has those of today. Where runs of both are, those of today count.
    let elsewhere = here.runner("toy.toml --results new --seeds 0 --progress plain").expect(0);
    assert!(
        !elsewhere.stderr.contains("earlier release") && !elsewhere.stderr.contains("b3d8adea"),
        "{}",
        elsewhere.stderr
    );
    copy(&folder, &here.path("new/toy"));
    let both =
        here.runner("toy.toml --results new --seeds 0 --progress plain").expect(0).says(&["finished already, kept"]);
    assert!(!both.stderr.contains("earlier release"), "{}", both.stderr);
}

/// What a spec of that time does not say, nobody had: it is not what it is today.
#[test]
fn the_spec_of_a_run_of_an_earlier_release_means_the_same_elsewhere_and_as_a_base() {
    let here = workplace();
    let spec = here.run_folder("results/toy", 0).join("spec.toml");
    here.write("on-top.toml", format!("extends = \"{}\"\nname = \"on-top\"\n", spec.display()));
    for command in
        [format!("plan {} --resolved --results new", spec.display()), "plan on-top.toml --resolved".to_owned()]
    {
        let resolved = here.runner(&command).expect(0).stdout;
        for line in ["mixing = \"none\"  # default of earlier releases", "ema = 0.0  # default of earlier releases"] {
            assert!(resolved.contains(line), "{command}: {resolved}");
        }
    }
}
