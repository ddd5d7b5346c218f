//! Forms in which findings leave slowpath for other tools.
