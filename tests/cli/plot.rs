//! `runner plot`, on runs that were trained here.

use std::fs;
use std::path::Path;

use crate::workplace::{SMALL, Workplace};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("listed");
    let mut names: Vec<_> =
        entries.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_experiment_has_curves_a_chart_for_each_swept_key_and_costs() {
    let here = Workplace::new();
    here.write("moons.toml", format!("seeds = 2\n{SMALL}\n[sweep.parameters]\n\"model.depth\" = [1, 2]\n"));
    here.runner("moons.toml --quiet").expect(0);
    let told = here.runner("plot results/moons").expect(0).stdout;
    let folder = here.path("results/moons/plots");
    let stems = ["cost-parameters", "cost-seconds", "curves", "model.depth"];
    let expected: Vec<_> = stems.iter().flat_map(|stem| [format!("{stem}.png"), format!("{stem}.svg")]).collect();
    assert_eq!(names(&folder), expected);
    for name in &expected {
        assert!(told.contains(&format!("results/moons/plots/{name}")), "{told}");
        let content = fs::read(folder.join(name)).expect("read");
        let start: &[u8] = if name.ends_with("png") { b"\x89PNG" } else { b"<svg" };
        assert!(content.starts_with(start), "{name}");
    }
    // What the charts add is no run.
    here.runner("compare results/moons").expect(0);
    assert!(!here.runner("list results/moons").expect(0).stdout.contains("plots"));
}

#[test]
fn a_run_has_its_curve_and_its_density_drawn_anew() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --quiet").expect(0);
    let run = here.run_folder("results/moons", 0);
    here.runner(&format!("plot {} --output pictures", run.display())).expect(0);
    let made = here.path("pictures");
    assert_eq!(names(&made), ["curves.png", "curves.svg", "density.png", "samples.png"]);
    let drawn = fs::read(made.join("density.png")).expect("a picture");
    here.runner(&format!("plot {} --output again", run.display())).expect(0);
    let again = fs::read(here.path("again").join("density.png")).expect("a picture");
    assert!(drawn == again, "the same weights make the same picture");
    // What is asked for by itself is finer than what a run leaves.
    assert!(drawn != fs::read(run.join("density.png")).expect("a picture"));
}

#[test]
fn nothing_to_draw_is_an_error() {
    let here = Workplace::with_moons();
    here.runner("plot results").expect(2).says(&["there is nothing of that name", "runner list"]);
    here.runner("plot . --metric speed").expect(2).says(&["--metric speed: no such metric"]);
}
