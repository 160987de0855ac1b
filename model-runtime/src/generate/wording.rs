//! From tokens to text that can be shown: whole characters, and nothing that could still become a text
//! that ends the answer.

use crate::text::Text;

/// Most tokens of one character: those of its bytes.
const LONGEST: usize = 5;

/// Text of tokens that come one by one. A character may need several of them.
#[derive(Default)]
pub(super) struct Wording {
    ids: Vec<u32>,
    /// Where the tokens begin that are read together with the new ones: some tokenizers write a token
    /// differently at the start of a text.
    from: usize,
    /// The tokens before this are told.
    told: usize,
}

impl Wording {
    /// Takes a token; gives the text that it completes.
    pub(super) fn push(&mut self, id: u32, text: &Text) -> String {
        self.ids.push(id);
        let before = self.text(self.from, self.told, text);
        let now = self.text(self.from, self.ids.len(), text);
        // A replacement character at the end is the first part of one that is not there yet, or of none.
        let is_open = now.ends_with('\u{fffd}') && self.ids.len() - self.told < LONGEST;
        if is_open || now.len() <= before.len() {
            return String::new();
        }
        let new = now.get(before.len()..).map(str::to_owned);
        self.from = self.told;
        self.told = self.ids.len();
        new.unwrap_or(now)
    }

    /// What is left at the end, even if it is no whole character.
    pub(super) fn rest(&mut self, text: &Text) -> String {
        let before = self.text(self.from, self.told, text);
        let now = self.text(self.from, self.ids.len(), text);
        self.told = self.ids.len();
        now.get(before.len()..).unwrap_or_default().to_owned()
    }

    fn text(&self, from: usize, to: usize, text: &Text) -> String {
        let ids = self.ids.get(from..to).unwrap_or_default();
        text.decode(ids).unwrap_or_default()
    }
}

/// Looks for texts that end an answer, wherever pieces are cut.
#[derive(Debug, Default)]
pub(super) struct Stops {
    stops: Vec<String>,
    held: String,
}

impl Stops {
    pub(super) fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes more text; gives what can be shown, and whether the answer ends there.
    pub(super) fn push(&mut self, more: &str) -> (String, bool) {
        if self.stops.is_empty() {
            return (more.to_owned(), false);
        }
        self.held.push_str(more);
        let first = self.stops.iter().filter_map(|stop| self.held.find(stop));
        if let Some(at) = first.min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let keep = self.stops.iter().map(|stop| begun(&self.held, stop)).max();
        let kept = self.held.split_off(self.held.len() - keep.unwrap_or(0));
        (std::mem::replace(&mut self.held, kept), false)
    }

    /// What was held back, when nothing more comes.
    pub(super) fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end of `text` could be the beginning of `stop`.
fn begun(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    (1..=longest)
        .rev()
        .find(|length| {
            stop.is_char_boundary(*length) && text.as_bytes().ends_with(&stop.as_bytes()[..*length])
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Stops;

    #[test]
    fn a_stop_is_found_wherever_the_pieces_are_cut() {
        let whole = "naïve — end of text, END of it";
        for stop in ["END", "— e", "ï", "t, E"] {
            let expected = &whole[..whole.find(stop).unwrap()];
            for size in 1..8 {
                let mut stops = Stops::new(vec![stop.into(), "never".into()]);
                let letters: Vec<char> = whole.chars().collect();
                let mut shown = String::new();
                for piece in letters.chunks(size) {
                    let (text, ends) = stops.push(&piece.iter().collect::<String>());
                    shown.push_str(&text);
                    assert!(expected.starts_with(&shown), "{shown}");
                    if ends {
                        break;
                    }
                }
                assert_eq!(shown, expected);
            }
        }
    }

    #[test]
    fn what_is_held_back_is_told_at_the_end() {
        let mut stops = Stops::new(vec!["<end>".into()]);
        assert_eq!(stops.push("a <en"), ("a ".into(), false));
        assert_eq!(stops.rest(), "<en");
        assert_eq!(
            Stops::new(vec![String::new()]).push("x"),
            ("x".into(), false)
        );
    }
}
