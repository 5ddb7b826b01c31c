//! `extends`: a spec on top of another one, its base, which may have a base itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::Diagnostic;
use super::earlier::Defaults;
use super::keys;
use super::load::{is_of_a_run, read};
use super::node;
use super::resolved::absolute;
use super::settings::Settings;
use super::source::Source;

/// Most files of one spec, itself included.
pub(crate) const LONGEST_CHAIN: usize = 16;

/// Lays `settings`, read from the file at `path`, over those of its bases. Paths in a base are relative to its folder and
/// are rewritten to be relative to that of `path`. `None` where a base cannot be had. The files rank from `order` on, below `order + LONGEST_CHAIN`.
pub(crate) fn over_bases(
    settings: Settings,
    path: &Path,
    order: usize,
    problems: &mut Vec<Diagnostic>,
) -> Option<Settings> {
    let mut chain = vec![path.to_path_buf()];
    let mut layers = vec![of_its_release(settings, path, order)];
    let mut folder = PathBuf::new();
    while let Some(extends) = layers.last_mut().and_then(|layer| layer.take("extends")) {
        let row = keys::rows("extends").map(|(_, rows)| rows[0]);
        let written = row.and_then(|row| row.check(&extends.node, problems));
        let written = written.as_ref().and_then(toml::Value::as_str)?;
        let base = chain[chain.len() - 1].parent().unwrap_or(Path::new("")).join(written);
        let place = &extends.node.place;
        if let Some(first) = chain.iter().position(|file| is_same(file, &base)) {
            let names: Vec<_> = chain[first..].iter().chain([&base]).map(|file| file.display().to_string()).collect();
            let message = format!("`extends` leads in a circle: {}", names.join(" → "));
            problems.push(Diagnostic::error(place, message).help("leave one of these `extends` out"));
            return None;
        }
        if chain.len() == LONGEST_CHAIN {
            let message = format!("this is the base of {LONGEST_CHAIN} specs in a row");
            problems.push(Diagnostic::error(place, message).help("copy some of them into one"));
            return None;
        }
        let text = match read(&base, order + chain.len()) {
            Ok(file) => file.text,
            Err(found) => {
                let help = "the path of a base starts at the folder of the spec that extends it";
                problems.extend(found.into_iter().map(|problem| match problem.source_line {
                    Some(_) => problem,
                    None => problem.moved_to(place).help(help),
                }));
                return None;
            }
        };
        let source: Arc<Source> = Source::new(base.display().to_string(), text, order + chain.len());
        let before = problems.len();
        let entries = node::parse_document(&source, problems);
        if problems.len() > before {
            return None;
        }
        let mut layer = of_its_release(Settings::read(entries, problems), &base, order + chain.len());
        folder = folder.join(Path::new(written).parent().unwrap_or(Path::new("")));
        layer.rebase(&folder);
        layers.push(layer);
        chain.push(base);
    }
    // The base of all comes first.
    let mut whole = layers.pop().unwrap_or_default();
    layers.iter().rev().for_each(|layer| whole.lay_over(layer));
    Some(whole)
}

/// What the resolved spec of a run leaves out, its release did not know: it meant what there was then.
fn of_its_release(settings: Settings, path: &Path, order: usize) -> Settings {
    if is_of_a_run(path) { Defaults::First.complete(settings, order) } else { settings }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
    found(one) == found(other)
}
