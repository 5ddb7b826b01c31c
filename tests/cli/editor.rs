//! What editors, shells and first-time users get: schema, messages as JSON, a starter, completions, man pages.

use crate::workplace::Workplace;

#[test]
fn problems_come_as_one_json_object_a_line() {
    let here = Workplace::new();
    here.write("bad.toml", "[dataset]\nname = \"moons\"\n[model]\nwdith = 3\n");
    for command in ["check", "run", "plan"] {
        let ended = here.runner(&format!("{command} bad.toml --set model.depth=0 --message-format json")).expect(2);
        let lines: Vec<serde_json::Value> =
            ended.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2, "{ended:?}");
        let expected = serde_json::json!({
            "file": "bad.toml", "line": 4, "column": 1, "end_line": 4, "end_column": 6, "start": 33, "end": 38,
            "severity": "error", "message": "unknown key `wdith` in `[model]`", "help": "did you mean `width`?",
            "suggestion": "width",
        });
        assert_eq!(lines[0], expected);
        assert_eq!((&lines[1]["file"], &lines[1]["column"]), (&"--set".into(), &13.into()));
    }
}

#[test]
fn a_starter_is_a_spec_that_runs_and_is_never_written_over() {
    let here = Workplace::new();
    assert!(here.runner("init").expect(0).stdout.contains("runner check moons.toml"));
    here.runner("check moons.toml").expect(0);
    let before = here.files();
    here.runner("init moons").expect(2).says(&["`moons.toml` is there already"]);
    assert_eq!(here.files(), before);
    here.runner("init study").expect(0);
    assert!(here.path("study.toml").exists());
}

#[test]
fn schema_completions_and_man_pages_are_printed() {
    let here = Workplace::new();
    let schema: serde_json::Value = serde_json::from_str(&here.runner("schema").expect(0).stdout).expect("JSON");
    assert_eq!(schema["definitions"]["model.depth"]["maximum"], 1024);
    for (command, part) in [
        ("completions bash", "complete -F"),
        ("completions zsh", "#compdef runner"),
        ("completions fish", "complete -c runner"),
        ("man", ".TH runner"),
        ("man run", "runner\\-run"),
    ] {
        let ended = here.runner(command).expect(0);
        assert!(ended.stdout.contains(part), "{command}: {}", ended.stdout);
    }
    here.runner("man rnu").expect(2).says(&["`rnu` is no command"]);
}
