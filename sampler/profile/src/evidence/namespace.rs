//! Dicts of globals.

use serde::{Deserialize, Serialize};
use serde_with::apply;

use super::is_default;

/// `dk_kind` of a dict's keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysKind {
    /// `DICT_KEYS_GENERAL`: some key is, or was, not a string.
    General,
    /// `DICT_KEYS_UNICODE`.
    #[default]
    Unicode,
    /// `DICT_KEYS_SPLIT`.
    Split,
}

/// The keys of a dict over time.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysFacts {
    /// `dk_kind` at the last look.
    pub kind: KeysKind,
    /// `dk_version` at the last look; 0: none (3.11+).
    pub version: u32,
    /// Looks at the keys.
    pub looks: u32,
    /// Looks at which version or keys object differed from the look before, or the version was 0.
    pub changes: u32,
}

/// What happened to a key between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyEvent {
    /// It was not there before.
    Inserted,
    /// It is not there any more.
    Deleted,
    /// It has another value.
    #[default]
    Rebound,
}

/// A key that was seen to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// The key.
    pub name: String,
    /// How.
    pub event: KeyEvent,
    /// Between how many pairs of looks: a lower bound of how often.
    pub times: u32,
}

/// A dict of globals or builtins.
#[apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// `__name__` in it.
    pub module: String,
    /// It is the builtins.
    pub is_builtins: bool,
    /// Keys over time.
    pub keys: KeysFacts,
    /// `ma_version_tag` over time (up to 3.11 it moves with every store): looks at which it differed
    /// from the look before, of all looks at it.
    pub tag_changes: Option<(u32, u32)>,
    /// Stores to its keys that the just-in-time compiler has counted (3.13+); it gives up on the dict
    /// after a few.
    pub mutations: Option<u8>,
    /// Keys that changed between looks, the most frequent first.
    pub changes: Vec<KeyChange>,
    /// A key that is not a string, as `repr` shows it.
    pub foreign_key: Option<String>,
    /// Number of keys.
    pub entries: u32,
}
