//! Specs on top of others.

use super::{Folder, shown};
use crate::spec::Overrides;

const CHILD: &str = "extends = \"base/two.toml\"\n[model]\ndepth = 3\n";

/// A spec on a base in another folder, on a base in a third.
fn chain(child: &str, two: &str, one: &str) -> Folder {
    let folder = Folder::with(child);
    std::fs::create_dir_all(folder.path("base/deep")).expect("folders");
    folder.add("base/two.toml", two);
    folder.add("base/deep/one.toml", one);
    folder
}

#[test]
fn tables_are_merged_key_by_key_and_the_outermost_file_wins() {
    let two = "extends = \"deep/one.toml\"\n[model]\ndepth = 5\nwidth = 32\n[training]\nepochs = 2\n";
    let one =
        "seeds = 3\n[dataset]\nname = \"circles\"\n[model]\nwidth = 16\nhidden_layers = 1\n[training]\nsteps = 9\n";
    let found = chain(CHILD, two, one).load(Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
    let spec = &found.spec;
    assert_eq!((spec.name.as_str(), spec.seeds.as_slice()), ("moons", [0, 1, 2].as_slice()));
    assert_eq!((spec.model.depth, spec.model.width, spec.model.hidden_layers), (3, 32, Some(1)));
    assert_eq!((spec.training.steps, spec.training.epochs), (None, Some(2)), "one alternative replaces the other");
    assert!(!spec.to_toml().contains("extends"));
    let text = found.to_annotated_toml();
    for (line, origin) in [
        ("depth = 3", "moons.toml:3"),
        ("width = 32", "base/two.toml:4"),
        ("hidden_layers = 1", "base/deep/one.toml:6"),
        ("mask = \"alternating\"", "default"),
    ] {
        assert!(
            text.lines().any(|found| found.starts_with(line) && found.ends_with(origin)),
            "{line} {origin}\n{text}"
        );
    }
    assert!(text.parse::<toml::Table>().is_ok());
}

#[test]
fn a_key_swept_twice_on_top_of_a_base_is_reported() {
    let child = "extends = \"base.toml\"\n[sweep.parameters]\n\"model.depth\" = [4, 8]\nmodel.depth = [5, 9]\n";
    let folder = Folder::with(child);
    folder.add("base.toml", "[dataset]\nname = \"moons\"\n[sweep.parameters]\n\"model.depth\" = [1, 2]\n");
    let problems = folder.load(Overrides::default()).expect_err("swept twice");
    assert!(shown(&problems)[0].contains("is swept twice"), "{problems}");
}

#[test]
fn a_data_file_of_a_base_is_found_from_its_folder() {
    let folder = chain(CHILD, "extends = \"deep/one.toml\"\n", "[dataset]\npath = \"../here.csv\"\n");
    folder.add("base/here.csv", "a,b\n1,2\n");
    let spec = folder.load(Overrides::default()).unwrap_or_else(|error| panic!("{error}")).spec;
    assert!(spec.find(spec.dataset.path.as_ref().expect("a path")).is_file());
}

#[test]
fn problems_point_into_the_file_that_has_them() {
    let folder = chain(CHILD, "extends = \"deep/one.toml\"\n[model]\nwdith = 5\n", "[dataset]\nname = \"mons\"\n");
    let problems = folder.load(Overrides::default()).expect_err("two typos");
    let found: Vec<_> = problems.iter().map(|d| (d.file.rsplit('/').next().unwrap_or(""), d.line, d.column)).collect();
    assert_eq!(found, [("two.toml", 3, 1), ("one.toml", 2, 8)], "{problems}");
}

#[test]
fn bases_that_cannot_be_are_reported_at_the_key() {
    let cases = [
        (chain(CHILD, "extends = \"../moons.toml\"\n", ""), "leads in a circle"),
        (chain("extends = \"moons.toml\"\n", "", ""), "leads in a circle"),
        (chain("extends = \"gone.toml\"\n", "", ""), "cannot read the spec"),
        (chain("extends = \"base\"\n", "", ""), "cannot read the spec"),
        (chain("extends = 3\n", "", ""), "`extends` takes a string"),
        (chain(CHILD, &"#".repeat(1 << 21), ""), "longer than 1 MiB"),
        (chain(CHILD, "a = [", ""), "not valid TOML"),
    ];
    for (folder, part) in cases {
        let problems = folder.load(Overrides::default()).expect_err(part);
        let text = problems.to_string();
        assert!(text.contains(part) && text.contains(".toml:1:"), "{part}\n{text}");
    }
    let long = Folder::with("extends = \"1.toml\"\n");
    (1..40).for_each(|i| drop(long.add(&format!("{i}.toml"), &format!("extends = \"{}.toml\"\n", i + 1))));
    assert!(shown(&long.load(Overrides::default()).expect_err("long"))[0].contains("specs in a row"));
    let set = Folder::with("[dataset]\nname = \"moons\"\n").load(Overrides::default().set("extends=a.toml"));
    assert!(shown(&set.expect_err("an override"))[0].contains("cannot be overridden"));
}
