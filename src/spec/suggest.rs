//! "Did you mean …?"

/// Longer words are no typing errors but noise, and comparing them costs time; characters.
const LONGEST: usize = 60;

/// The candidate nearest to `word`, where one is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().nth(LONGEST).is_some() {
        return None;
    }
    let word = word.to_lowercase();
    // One edit for a short word, a third of its letters for a long one: more would guess rather than recognise.
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?" or, where nothing is near, "expected one of `a`, `b`".
pub(crate) fn choose<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(found) => format!("did you mean `{found}`?"),
        None => format!("expected one of {}", listed(candidates)),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// `1 run`, `2 runs`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `text`, cut where it is too long to read.
pub(crate) fn clip(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognised_and_other_words_are_not() {
        let candidates = ["width", "depth", "mask", "learning_rate"];
        let cases = [
            ("wdith", Some("width")),
            ("Depth", Some("depth")),
            ("learningrate", Some("learning_rate")),
            ("learn_rate", Some("learning_rate")),
            ("banana", None),
            ("x", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, candidates), expected, "{word}");
        }
        assert_eq!(nearest(&"width".repeat(10_000), candidates), None);
    }
}
