//! The secret in the address.

use std::fmt;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// Random bits of a token, in bytes.
const BYTES: usize = 16;
/// Bounds of a token that is given.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=128;

/// The secret in the address.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

impl Token {
    /// 128 random bits.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        let mut filled = 0;
        while filled < BYTES {
            filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
        }
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// One that was agreed on before: 32 to 128 letters and digits.
    pub fn given(text: &str) -> Option<Self> {
        let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric());
        (is_plain && LENGTH.contains(&text.len())).then(|| Self(text.into()))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Whether it is this; how long that takes does not tell how much of it is right.
    pub(super) fn is(&self, text: &str) -> bool {
        let pairs = self.0.bytes().zip(text.bytes());
        self.0.len() == text.len() && pairs.fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random() {
        let (one, other) = (Token::random().expect("Linux has random"), Token::random().expect("as before"));
        assert_eq!(one.text().len(), 32);
        assert!(one != other && !one.is(other.text()) && one.is(one.text()) && !one.is(""));
        assert!(!format!("{one:?}").contains(one.text()));
        assert!(Token::given(one.text()).is_some());
        for wrong in ["short", &"x".repeat(129), &"../".repeat(20)] {
            assert_eq!(Token::given(wrong), None);
        }
    }
}
