//! CPython 3.15: as 3.14, as far as evidence shows it.

use super::{Version, v3_14};

pub(super) const VERSION: Version = Version { ..v3_14::VERSION };
