//! CPython 3.11: the first specialising version. `LOAD_METHOD` is its own instruction.

use super::Version;

pub(super) const VERSION: Version = Version {
    class_value_stops_reads: false,
    class_value_stops_writes: false,
    reads_class_value: false,
    reads_beside_dict: false,
    methods_beside_dict: true,
    own_dict_needs_shared_key: false,
    getattr_stops_reads: true,
    reads_properties: false,
    reads_through_metaclass: true,
    narrow_keys_versions: false,
    calls_init: false,
    clears_function_versions: false,
    mixes_numbers: false,
    has_contains: false,
    has_to_bool: false,
    has_for: false,
    subscripts_dict_subclass: false,
};
