//! Wrong command lines and specs: exit status 2, nothing written, and words that help.

use crate::workplace::Workplace;

#[test]
fn check_lists_every_problem_with_file_line_and_column_and_writes_nothing() {
    let here = Workplace::with_moons();
    let bad = "seeds = 0.5\nnme = \"x\"\n[dataset]\nname = \"mons\"\n[model]\ndepth = 0\nwidht = 64\n\
               mask = \"checkerbord\"\n[optimizer]\nname = \"adam\"\nmomentum = 0.9\n[training]\nsteps = 1\nepochs = 3\n";
    here.write("bad.toml", bad);
    here.write("file.toml", "[dataset]\npath = \"nowhere.csv\"\n");
    let before = here.files();
    let expected = [
        "bad.toml:1:9",
        "bad.toml:2:1",
        "did you mean `name`?",
        "bad.toml:4:8",
        "did you mean `moons`?",
        "bad.toml:6:9",
        "from 1 to 1024",
        "bad.toml:7:1",
        "did you mean `width`?",
        "bad.toml:8:8",
        "did you mean `checkerboard`?",
        "bad.toml:11:1",
        "has no effect",
        "bad.toml:13:1",
        "file.toml:2:8",
        "nowhere.csv",
    ];
    for command in
        ["check bad.toml file.toml", "bad.toml file.toml", "plan bad.toml file.toml", "moons.toml bad.toml file.toml"]
    {
        let ended = here.runner(command).expect(2).says(&expected);
        assert!(ended.stdout.is_empty(), "{command}: {}", ended.stdout);
        assert_eq!(here.files(), before, "{command}");
    }
}

#[test]
fn wrong_words_are_refused_with_what_to_do_instead() {
    let here = Workplace::with_moons();
    here.write("broken.toml", "[dataset\nname = \"moons\"\n");
    let cases: &[(&str, &[&str])] = &[
        ("", &["Usage: runner", "SPEC"]),
        ("rnu", &["cannot read the spec `rnu`", "`runner --help`"]),
        ("list --bogus", &["--bogus"]),
        ("moons.toml --bogus", &["--bogus", "--help"]),
        ("run", &["<SPEC>"]),
        ("nowhere.toml", &["nowhere.toml", "check the path"]),
        (".", &["Is a directory"]),
        ("broken.toml", &["broken.toml:1:"]),
        ("moons.toml moons.toml", &["is in `moons.toml` too", "its own `name`"]),
        ("moons.toml --jobs 0", &["--jobs"]),
        ("moons.toml --seeds a,b", &["--seeds:1:1", "--seeds:1:3"]),
        ("moons.toml --seeds 1,1", &["seed 1 stands here twice"]),
        ("moons.toml --set depth=3", &["--set:1:1", "did you mean `model.depth`?"]),
        ("moons.toml --set model.depth", &["KEY=VALUE"]),
        ("moons.toml --set model.depth=x --set model.width=0", &["--set:1:13", "`model.depth`", "`model.width`"]),
        ("moons.toml --set optimizer.learning_rate=1e6", &["at most 10"]),
        ("moons.toml --set training.batch_size=5000", &["a batch of 5000 rows is larger than the 1000"]),
        ("moons.toml --device gpu", &["`cpu`, `cuda` or `cuda:N`"]),
        ("moons.toml --progress loud", &["auto, plain, none"]),
        ("exec --plan nowhere.json --index 0", &["cannot read the plan `nowhere.json`", "results/<experiment>/"]),
        ("exec --plan moons.toml --index 0", &["not a plan.json"]),
        ("sample results -n 5 -o a.csv", &["results is no run directory", "runner list"]),
        ("sample . -o a.csv", &["-n <N>"]),
    ];
    let before = here.files();
    for (command, parts) in cases {
        let ended = here.runner(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{command}: {ended:?}");
        ended.says(parts);
        assert_eq!(here.files(), before, "{command}");
    }
    assert!(!here.path("results").exists());
}
