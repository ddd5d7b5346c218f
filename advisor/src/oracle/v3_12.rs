//! CPython 3.12: forms for `for`, properties and `super()`; a value in a class stops reads and writes
//! of instance attributes; versions of dict keys are kept in 16 bits.

use super::{Version, v3_11};

pub(super) const VERSION: Version = Version {
    class_value_stops_reads: true,
    class_value_stops_writes: true,
    methods_beside_dict: false,
    getattr_stops_reads: false,
    reads_properties: true,
    reads_through_metaclass: false,
    narrow_keys_versions: true,
    has_for: true,
    ..v3_11::VERSION
};
