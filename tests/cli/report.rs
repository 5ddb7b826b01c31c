//! `runner report`, on runs that were trained here.

use std::fs;

use crate::workplace::{SMALL, Workplace};

#[test]
fn an_experiment_becomes_one_page_in_its_folder() {
    let here = Workplace::new();
    here.write("moons.toml", format!("seeds = 2\n{SMALL}\n[sweep.parameters]\n\"model.depth\" = [1, 2]\n"));
    here.runner("moons.toml --quiet").expect(0);
    let told = here.runner("report results/moons").expect(0).stdout;
    assert!(told.contains("results/moons/report.html"), "{told}");
    let page = fs::read_to_string(here.path("results/moons/report.html")).expect("a page");
    for part in ["<h1>moons</h1>", "4 runs: 4 finished.", "data:image/png;base64,", "id=\"coordinates\"", "model.depth"]
    {
        assert!(page.contains(part), "{part}");
    }
    // The page is no run.
    here.runner("compare results/moons").expect(0);
    assert!(!here.runner("list results/moons").expect(0).stdout.contains("report"));
}

#[test]
fn trials_are_shown_by_name_and_pages_go_where_they_are_asked_to() {
    let here = Workplace::new();
    here.write("moons.toml", format!("{SMALL}\n[sweep.parameters]\n\"model.depth\" = [1, 2]\n"));
    here.runner("moons.toml --quiet").expect(0);
    let pictures = |options: &str| {
        here.runner(&format!("report results/moons -o page.html {options}")).expect(0);
        fs::read_to_string(here.path("page.html")).expect("a page").matches("<img ").count()
    };
    let of_one = pictures("--pictures 1");
    assert!(of_one > 0 && pictures("--pictures 0") == 0);
    let trial = here.run_folders("results/moons", 0).remove(0);
    let trial = trial.parent().and_then(|it| it.file_name()).expect("a trial").to_string_lossy().into_owned();
    assert_eq!(pictures(&format!("--pictures 0 --show {trial}")), of_one);
    here.runner("report results/moons --show nobody").expect(2).says(&["--show nobody: no such trial"]);
    here.runner("report results/moons -o results/moons/plan.json").expect(2).says(&["belongs to the results"]);
    here.runner("report results/moons -o page.pdf").expect(2).says(&["the page is HTML; name it page.html"]);
    here.runner("report results/moons results/moons").expect(2).says(&["-o FILE.html"]);
    here.runner("report results/nothing").expect(2).says(&["there is nothing of that name"]);
}
