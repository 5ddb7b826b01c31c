//! `--set`, `--seeds` and `--device`.

use super::{Folder, shown};
use crate::spec::{Device, OptimizerName, Overrides, Spec};

const FILE: &str = "seeds = [7]\n[dataset]\nname = \"moons\"\nnoise = 0.1\n[training]\nsteps = 2_000\n[optimizer]\nschedule = \"constant\"\n";

fn resolved(overrides: Overrides) -> Spec {
    Folder::with(FILE).load(overrides).unwrap_or_else(|problems| panic!("{problems}")).spec
}

#[test]
fn overrides_take_toml_values_and_bare_words_and_the_last_one_wins() {
    let overrides = Overrides::default()
        .set("optimizer.name=sgd")
        .set("model.depth = 3")
        .set("model.depth=5")
        .set("optimizer.schedule={ name = \"step\", every = 9 }")
        .set("dataset.noise=2e-1")
        .set("\"model\".'width'=32");
    let spec = resolved(overrides);
    assert_eq!(spec.optimizer.name, OptimizerName::Sgd);
    assert_eq!((spec.model.depth, spec.model.width), (5, 32));
    assert_eq!(spec.optimizer.schedule.every, Some(9));
    assert_eq!(spec.dataset.parameters["noise"], 0.2);
    assert_eq!(spec.training.steps, Some(2_000), "what is not overridden stays");
}

#[test]
fn words_need_no_quotes_where_a_key_takes_words() {
    let overrides = Overrides::default()
        .set("name=2024")
        .set("training.kernel=fused")
        .set("dataset.path=data.csv")
        .set("dataset.drop=a")
        .set("dataset.delimiter=\\t");
    let spec = Folder::with("[dataset]\nname = \"moons\"\n")
        .load(overrides)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .spec;
    assert_eq!(
        (spec.name.as_str(), spec.dataset.drop, spec.dataset.delimiter),
        ("2024", vec!["a".to_owned()], Some('\t'))
    );
    let cases = [("b,a", vec!["b", "a"]), ("[b, a]", vec!["b", "a"]), ("[\"b\"]", vec!["b"]), ("\"b\"", vec!["b"])];
    for (text, expected) in cases {
        let overrides = Overrides::default().set("dataset.path=data.csv").set(format!("dataset.columns={text}"));
        let spec = Folder::with("[dataset]\nname = \"moons\"\n")
            .load(overrides)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .spec;
        assert_eq!(spec.dataset.columns.expect("columns"), expected, "{text}");
    }
}

#[test]
fn several_values_for_one_key_point_to_the_sweep_that_takes_them() {
    let cases = [
        ("model.depth=4,8", "sweep.parameters.model.depth=[4, 8]"),
        ("model.depth=[4,8]", "sweep.parameters.model.depth=[4, 8]"),
        ("model.mask=half,random", "sweep.parameters.model.mask=[\"half\", \"random\"]"),
    ];
    for (text, hint) in cases {
        let problems = Folder::with(FILE).load(Overrides::default().set(text)).expect_err(text);
        assert!(problems.to_string().contains(&format!("--set '{hint}'")), "{problems}");
        let plan =
            Folder::with(FILE).plan(Overrides::default().set(hint)).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(plan.trials.len(), 2, "{hint}");
    }
    let problems = Folder::with("[dataset]\nname = \"moons\"\n[model]\ndepth = [4, 8]\n")
        .load(Overrides::default())
        .expect_err("a list");
    assert!(problems.to_string().contains("`\"model.depth\" = [4, 8]` under `[sweep.parameters]`"), "{problems}");
}

#[test]
fn an_override_of_one_alternative_replaces_the_other() {
    let spec = resolved(Overrides::default().set("training.epochs=3"));
    assert_eq!((spec.training.steps, spec.training.epochs), (None, Some(3)));
}

#[test]
fn seeds_and_device_have_options_of_their_own() {
    let cases =
        [("0,1,2", vec![0, 1, 2]), ("3", vec![3]), ("[4, 2]", vec![4, 2]), ("5,", vec![5]), (" 1 , 2 ", vec![1, 2])];
    for (text, expected) in cases {
        assert_eq!(resolved(Overrides::default().seeds(Some(text.to_owned()))).seeds, expected, "{text}");
    }
    assert_eq!(resolved(Overrides::default().device(Some("cpu".to_owned()))).device, Device::Cpu);
}

#[test]
fn wrong_overrides_are_shown_as_the_source_line() {
    let cases = [
        (Overrides::default().set("model.wdith=3"), "--set:1:7", "did you mean `width`?"),
        (Overrides::default().set("model.depth=four"), "--set:1:13", "not a string"),
        (Overrides::default().set("model.depth=0"), "--set:1:13", "out of range"),
        (Overrides::default().set("model.depth = [1"), "--set:1:17", "not valid TOML"),
        (Overrides::default().set("model.depth"), "--set:1:1", "has no `=`"),
        (Overrides::default().set("model.depth="), "--set:1:13", "needs a value"),
        (Overrides::default().set("=3"), "--set:1:1", "not valid TOML"),
        (Overrides::default().set("#=3"), "--set:1:1", "sets one key"),
        (Overrides::default().set("optimizer.momentum=0.5"), "--set:1:11", "no effect"),
        (Overrides::default().set("model=3"), "--set:1:7", "takes a table"),
        (Overrides::default().seeds(Some("0,x,1".to_owned())), "--seeds:1:3", "not a string"),
        (Overrides::default().seeds(Some("1,1".to_owned())), "--seeds:1:3", "twice"),
        (Overrides::default().device(Some("gpu".to_owned())), "--device:1:1", "unknown device `gpu`"),
    ];
    for (overrides, place, part) in cases {
        let problems = Folder::with(FILE).load(overrides).expect_err(place);
        assert_eq!(problems.len(), 1, "{problems}");
        let text = problems.to_string();
        assert!(text.contains(place) && text.contains(part), "{place} {part}:\n{text}");
    }
}

#[test]
fn an_override_that_leaves_a_key_of_the_file_without_effect_points_at_the_file() {
    let problems = Folder::with(FILE).load(Overrides::default().set("dataset.name=checkerboard")).expect_err("noise");
    assert!(shown(&problems)[0].starts_with("4:1 `dataset.noise` has no effect"), "{problems}");
}
