//! A run whose files are not all its own, or not what it wrote, gives no numbers.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use realnvp_runner::plan::spec_hash;
use realnvp_runner::spec::Spec;
use safetensors::SafeTensors;

use crate::workplace::{SMALL, Workplace};

const SPEC: &str = "spec.toml";
const MANIFEST: &str = "manifest.json";
const BEST: &str = "checkpoints/best.safetensors";

/// A workplace with `moons` of seeds 0 and 1 and one row to score; the run of seed 0.
fn trained() -> (Workplace, PathBuf) {
    let here = Workplace::new();
    here.write(
        "moons.toml",
        SMALL.replace("[model]", "[model]\ncoupling = \"affine\"\nmixing = \"none\"\nmask = \"random\""),
    );
    here.write("rows.csv", "x1,x2\n0.5,0.25\n");
    here.runner("moons.toml --seeds 0,1 --quiet").expect(0);
    let run = here.run_folder("results/moons", 0);
    (here, run)
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("text");
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(path, text.replace(from, to)).expect("written");
}

#[test]
fn an_edited_spec_is_not_believed() {
    let (here, run) = trained();
    let spec = run.join(SPEC);
    let original = fs::read(&spec).expect("a spec");
    let edits = [
        ("depth = 2", "depth = 1"),
        ("activation = \"relu\"", "activation = \"tanh\""),
        ("mask = \"random\"", "mask = \"half\""),
        ("normalization = \"none\"", "normalization = \"batch\""),
        ("seeds = [0]", "seeds = [1]"),
        ("steps = 60", "steps = 61"),
    ];
    let commands = [
        "score RUN --data rows.csv -o out.csv",
        "sample RUN -n 5 -o out.csv",
        "transform RUN --data rows.csv -o out.csv",
    ];
    for ((from, to), command) in edits.iter().zip(commands.iter().cycle()) {
        edit(&spec, from, to);
        let command = command.replace("RUN", &run.display().to_string());
        here.runner(&command).expect(2).says(&["spec.toml is not the spec that was trained", "put back", "plan.json"]);
        assert!(!here.path("out.csv").exists(), "{to}");
        fs::write(&spec, &original).expect("written");
    }
    edit(&spec, "depth = 2\n", "");
    let score = format!("score {} --data rows.csv -o out.csv", run.display());
    here.runner(&score).expect(2).says(&["spec.toml: not a resolved spec: missing field `depth`", "put back"]);
    fs::write(&spec, &original).expect("written");
    here.runner(&score).expect(0);
}

#[test]
fn a_manifest_or_checkpoint_of_another_run_is_not_believed() {
    let (here, run) = trained();
    here.runner("moons.toml --set model.width=16 --quiet").expect(0);
    let reseeded = here.run_folders("results/moons", 1).remove(0);
    let narrower = here.run_folders("results/moons", 0).into_iter().find(|other| *other != run).expect("another run");
    let score = format!("score {} --data rows.csv -o out.csv", run.display());
    for other in [reseeded, narrower] {
        for (file, expected) in
            [(MANIFEST, "manifest.json is not that of the run"), (BEST, "best.safetensors is that of another run")]
        {
            let own = fs::read(run.join(file)).expect("a file");
            fs::copy(other.join(file), run.join(file)).expect("copied");
            here.runner(&score).expect(2).says(&[expected, "train it again"]);
            fs::write(run.join(file), own).expect("written");
        }
    }
    let aside = run.join("aside.json");
    fs::rename(run.join(MANIFEST), &aside).expect("moved");
    here.runner(&score).expect(2).says(&["cannot read", "manifest.json", "copy the whole folder"]);
    fs::rename(&aside, run.join(MANIFEST)).expect("moved");
    here.runner(&score).expect(0);
}

#[test]
fn an_interrupted_run_does_not_go_on_from_a_checkpoint_that_is_not_its_own() {
    let (here, run) = trained();
    let other = here.run_folder("results/moons", 1);
    edit(&run.join(MANIFEST), "\"finished\"", "\"interrupted\"");
    for file in ["checkpoints/last.safetensors", BEST] {
        let own = fs::read(run.join(file)).expect("a file");
        fs::copy(other.join(file), run.join(file)).expect("copied");
        here.runner("moons.toml --seeds 0")
            .expect(1)
            .says(&["the checkpoint of another run: of seed 1, not 0", "train it again"]);
        let mut flipped = own.clone();
        flipped[own.len() / 2] ^= 1;
        fs::write(run.join(file), flipped).expect("written");
        here.runner("moons.toml --seeds 0").expect(1).says(&["damaged checkpoint: its checksum", "train it again"]);
        fs::write(run.join(file), own).expect("written");
    }
    here.runner("moons.toml --seeds 0").expect(0);
}

/// A checkpoint as earlier releases wrote it, without masks, origin and checksum.
fn of_an_earlier_release(checkpoint: &[u8]) -> Vec<u8> {
    let file = SafeTensors::deserialize(checkpoint).expect("safetensors");
    let (_, header) = SafeTensors::read_metadata(checkpoint).expect("a header");
    let mut metadata: HashMap<String, String> = header.metadata().clone().expect("metadata");
    metadata.retain(|key, _| ["space", "state"].contains(&key.as_str()));
    metadata.insert("format".to_owned(), "realnvp-runner/1".to_owned());
    let is_old = |name: &str| !name.ends_with(".kept") && !name.ends_with(".changed");
    let tensors = file.tensors().into_iter().filter(|(name, _)| is_old(name));
    safetensors::serialize(tensors, Some(metadata)).expect("encoded")
}

#[test]
fn a_run_of_an_earlier_release_is_opened_unless_its_spec_was_edited() {
    let (here, run) = trained();
    let score = format!("score {} --data rows.csv -o", run.display());
    here.runner(&format!("{score} before.csv")).expect(0);
    let best = fs::read(run.join(BEST)).expect("weights");
    fs::write(run.join(BEST), of_an_earlier_release(&best)).expect("written");
    here.runner(&format!("{score} after.csv")).expect(0);
    let read = |name: &str| fs::read_to_string(here.path(name)).expect("scores");
    assert_eq!(read("before.csv"), read("after.csv"));
    edit(&run.join(SPEC), "activation = \"relu\"", "activation = \"tanh\"");
    here.runner(&format!("{score} edited.csv")).expect(2).says(&["spec.toml and manifest.json are not of one run"]);
}

#[test]
fn a_run_of_a_gpu_scores_on_a_machine_without_one() {
    let (here, run) = trained();
    let score = |output: &str| here.runner(&format!("score {} --data rows.csv -o {output}", run.display())).expect(0);
    score("there.csv");
    // The files of a run are the same whatever it computed on, but for what they say of the device.
    edit(&run.join(SPEC), "device = \"cpu\"", "device = \"cuda:7\"");
    let hash = |text: &str| spec_hash(&toml::from_str::<Spec>(text).expect("a spec"));
    let spec = fs::read_to_string(run.join(SPEC)).expect("a spec");
    edit(&run.join(MANIFEST), &hash(&spec.replace("cuda:7", "cpu")), &hash(&spec));
    let best = fs::read(run.join(BEST)).expect("weights");
    fs::write(run.join(BEST), of_an_earlier_release(&best)).expect("written");
    score("here.csv");
    let read = |name: &str| fs::read_to_string(here.path(name)).expect("scores");
    assert_eq!(read("there.csv"), read("here.csv"));
}
