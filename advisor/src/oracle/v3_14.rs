//! CPython 3.14: integers and floats may be mixed; metaclasses and values in classes are no obstacle
//! to reads any more; a dict beside the values of an instance is one again.

use super::{Version, v3_13};

pub(super) const VERSION: Version = Version {
    class_value_stops_reads: false,
    reads_beside_dict: false,
    own_dict_needs_shared_key: true,
    reads_through_metaclass: true,
    mixes_numbers: true,
    subscripts_dict_subclass: true,
    ..v3_13::VERSION
};
