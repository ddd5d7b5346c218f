//! What is typed behind `/`: words that must all match.

use regex_lite::{Regex, RegexBuilder};
use slowpath_profile::evidence::SpecState;
use slowpath_profile::view::live::Row;

/// One word of a filter.
#[derive(Clone, Debug)]
enum Word {
    /// Part of a name or of a path, in lower case.
    Text(String),
    /// Part of a path, in lower case.
    File(String),
    /// An expression that a name or a path matches.
    Expression(Regex),
    /// Some instruction is in this state.
    State(SpecState),
}

/// A filter as it was typed, understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowFilter {
    /// As it was typed.
    pub(crate) text: String,
    words: Vec<Word>,
}

impl RowFilter {
    /// Reads a filter.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let words = text.split_whitespace().map(word).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), words })
    }

    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a row is left.
    pub(crate) fn wants(&self, row: &Row) -> bool {
        self.words.iter().all(|word| match word {
            Word::State(state) => row.states.count(*state) > 0,
            word => word.matches(&row.name, &row.file),
        })
    }

    /// Whether a name in a file matches; states do not count.
    pub(crate) fn matches(&self, name: &str, file: &str) -> bool {
        !self.is_empty() && self.words.iter().all(|word| word.matches(name, file))
    }
}

impl Word {
    fn matches(&self, name: &str, file: &str) -> bool {
        match self {
            Self::Text(text) => name.to_lowercase().contains(text) || file.to_lowercase().contains(text),
            Self::File(text) => file.to_lowercase().contains(text),
            Self::Expression(expression) => expression.is_match(name) || expression.is_match(file),
            Self::State(_) => false,
        }
    }
}

fn word(text: &str) -> Result<Word, String> {
    if let Some(expression) = text.strip_prefix("re:") {
        let built = RegexBuilder::new(expression).size_limit(1 << 20).build();
        return built.map(Word::Expression).map_err(|error| format!("re: {error}"));
    }
    if let Some(file) = text.strip_prefix("file:") {
        return Ok(Word::File(file.to_lowercase()));
    }
    let Some(wanted) = text.strip_prefix("state:") else { return Ok(Word::Text(text.to_lowercase())) };
    let wanted = wanted.replace(['-', '_'], " ").to_lowercase();
    let is = |state: &&SpecState| !wanted.is_empty() && state.word().starts_with(&wanted);
    let state = SpecState::SHOWN.iter().find(is);
    state.map(|state| Word::State(*state)).ok_or_else(|| {
        "state: specialised, warming, backed-off, deopted, not-specialisable or unknown".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::evidence::StateCounts;
    use slowpath_profile::view::Split;
    use slowpath_profile::view::live::StateMix;

    fn row(name: &str, file: &str, deopted: u32) -> Row {
        Row {
            function: None,
            name: name.into(),
            file: file.into(),
            line: None,
            own: Split::default(),
            total: Split::default(),
            own_share: 0.0,
            total_share: 0.0,
            trend: None,
            states: StateMix(StateCounts { deopted, ..StateCounts::default() }),
            is_library: false,
        }
    }

    #[test]
    fn all_words_must_match() {
        let row = row("Cart.total", "shop/cart.py", 1);
        for (text, expected) in [
            ("", true),
            ("TOTAL", true),
            ("shop total", true),
            ("shop nothing", false),
            ("file:cart", true),
            ("file:total", false),
            ("re:^Cart\\.t", true),
            ("re:^total", false),
            ("state:deopted total", true),
            ("state:backed-off", false),
        ] {
            assert_eq!(RowFilter::parse(text).unwrap().wants(&row), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(RowFilter::parse("re:(").is_err());
        assert!(RowFilter::parse("state:fast").unwrap_err().contains("deopted"));
        assert!(RowFilter::parse("state:").is_err());
    }
}
