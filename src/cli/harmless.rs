//! What servers and users wrote, made harmless for a terminal: colours stay, whatever else could move the
//! cursor, set the title or answer for the person at the keyboard goes.

use std::borrow::Cow;

/// The text without control characters other than line ends, tabs and colour sequences.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control()) {
        let (plain, from) = rest.split_at(at);
        kept.push_str(plain);
        let control = from.chars().next().map_or(0, char::len_utf8);
        let taken = match color_sequence(from) {
            Some(length) => {
                kept.push_str(&from[..length]);
                length
            }
            None => {
                if from.starts_with(['\n', '\t']) {
                    kept.push_str(&from[..control]);
                }
                control
            }
        };
        rest = &from[taken..];
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// The length of `ESC [ digits ; … m` at the beginning of the text.
fn color_sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    body[end..].starts_with('m').then_some("\u{1b}[".len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn colours_and_lines_stay_and_everything_else_that_controls_goes() {
        for (text, kept) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[1;32mok\u{1b}[0m", "\u{1b}[1;32mok\u{1b}[0m"),
            ("\u{1b}[2Jgone", "[2Jgone"),
            ("\u{1b}]0;title\u{7}x", "]0;titlex"),
            ("a\rb\u{8}c\u{9b}31mcaf\u{e9}", "abc31mcaf\u{e9}"),
            ("cut \u{1b}[3", "cut [3"),
        ] {
            assert_eq!(harmless(text), kept, "{text:?}");
        }
    }
}
