//! Words of data files in messages: short, and with nothing in them that a terminal would obey.

use std::borrow::Cow;
use std::fmt::Write;

/// Most characters shown of a name or a cell.
const WORD: usize = 60;
/// Most characters shown of what a decoder says, which may quote the file.
const SENTENCE: usize = 300;

/// A name or a cell between backquotes.
pub(crate) fn quoted(word: &str) -> String {
    let shown = format!("`{}`", shown(word, WORD));
    if word.chars().nth(WORD).is_some() { format!("{shown} ({} characters)", word.chars().count()) } else { shown }
}

/// A name as a spec would write it.
pub(crate) fn as_toml(name: &str) -> String {
    format!("\"{}\"", shown(&name.replace('\\', "\\\\").replace('"', "\\\""), WORD))
}

/// A name as the key of a table of a spec.
pub(crate) fn as_toml_key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { as_toml(name) }
}

/// Several names between backquotes, the first twenty of them.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 20;
    let count = names.len();
    let first = names.take(MOST).map(quoted).collect::<Vec<_>>().join(", ");
    if count > MOST { format!("{first}, … ({count} in all)") } else { first }
}

/// What another program's code says of a file.
pub(crate) fn sentence(text: &str) -> String {
    shown(text, SENTENCE)
}

/// The first `most` characters, those that control a terminal or turn its writing around as TOML escapes them.
fn shown(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (i, character) in text.chars().enumerate() {
        if i == most {
            shown.push('…');
            break;
        }
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // Writing to a string cannot fail.
            _ if is_unseen(character) => drop(write!(shown, "\\u{:04x}", u32::from(character))),
            _ => shown.push(character),
        }
    }
    shown
}

/// Lines for a terminal with nothing in them that it would obey, but for line ends, tabs and colours.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| matches!(c, '\n' | '\t');
    if text.chars().all(|c| harmless(c) || !is_unseen(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let taken = match colour(rest) {
            0 if harmless(character) || !is_unseen(character) => character.len_utf8(),
            0 => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{:04x}", u32::from(character));
                rest = &rest[character.len_utf8()..];
                continue;
            }
            length => length,
        };
        shown.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    Cow::Owned(shown)
}

/// Length of the sequence that sets colours (ECMA-48, SGR) at the start of `text`; 0 where there is none.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(parameters.len());
    if parameters[end..].starts_with('m') { end + 3 } else { 0 }
}

/// Control characters, and those that Unicode has for joining, hiding and turning text.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_obeyed_by_no_terminal() {
        let cases = [
            ("height", "`height`".to_owned()),
            ("größe", "`größe`".to_owned()),
            ("\u{1b}[31mred\u{7}", "`\\u001b[31mred\\u0007`".to_owned()),
            ("a\nb\tc", "`a\\nb\\tc`".to_owned()),
            ("abc\u{202e}fed", "`abc\\u202efed`".to_owned()),
            (&"x".repeat(1 << 20), format!("`{}…` (1048576 characters)", "x".repeat(60))),
        ];
        for (word, expected) in cases {
            assert_eq!(quoted(word), expected);
        }
        assert_eq!(as_toml("a \"b\" \\ \u{1b}"), "\"a \\\"b\\\" \\\\ \\u001b\"");
    }

    #[test]
    fn a_terminal_gets_lines_tabs_and_colours_and_obeys_nothing_else() {
        for kept in ["plain\n\ttext ü", "\u{1b}[1;31mred\u{1b}[0m"] {
            assert_eq!(printable(kept), kept);
        }
        assert_eq!(
            printable("a\u{1b}[2Jb\u{9b}31m\rc\u{1b}]0;t\u{7}"),
            "a\\u001b[2Jb\\u009b31m\\u000dc\\u001b]0;t\\u0007"
        );
    }

    #[test]
    fn of_many_names_the_first_are_listed() {
        let names: Vec<String> = (0..1000).map(|i| format!("n{i}")).collect();
        let text = listed(names.iter().map(String::as_str));
        assert!(text.starts_with("`n0`, `n1`") && text.ends_with("`n19`, … (1000 in all)"), "{text}");
    }
}
