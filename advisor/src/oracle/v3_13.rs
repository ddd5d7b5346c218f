//! CPython 3.13: forms for truth tests, `in` and calls of classes; a dict beside the values of an
//! instance does no harm to reads; a function that was modified is never specialised again.

use super::{Version, v3_12};

pub(super) const VERSION: Version = Version {
    reads_class_value: true,
    reads_beside_dict: true,
    methods_beside_dict: true,
    calls_init: true,
    clears_function_versions: true,
    has_contains: true,
    has_to_bool: true,
    ..v3_12::VERSION
};
