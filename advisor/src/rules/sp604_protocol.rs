//! SP604: isinstance() with a runtime protocol.

use super::idiom::{self, Idiom};
use crate::rule::{Page, Rule, everywhere, fix};

const IDIOM: Idiom = Idiom {
    key: "idiom.protocol",
    callees: &[(
        "typing.py",
        &[
            "_ProtocolMeta.__instancecheck__",
            "_ProtocolMeta.__subclasscheck__",
            "_proto_hook",
            "_get_protocol_attrs",
        ],
    )],
    title: "isinstance() with a Protocol looks for every member of it, at each call",
    what: "typing.Protocol's isinstance check",
    own: false,
    through: &[],
    applies: "all versions, worst before 3.12",
    fix: || {
        fix(
            "Check for an ordinary class, for one attribute, or not at all where the type is known.",
            &["-    if isinstance(shape, HasArea):", "+    if hasattr(shape, 'area'):"],
            "Objects with some of the members pass.",
        )
    },
};

pub(super) const RULE: Rule = Rule {
    code: "SP604",
    name: "isinstance() with a runtime protocol",
    page: Page {
        plain: "`isinstance(x, SomeProtocol)` with a @runtime_checkable protocol looks up each member of the \
                protocol on the object, in Python code, at each call. With an ordinary class it is one comparison.",
        mechanism: "_ProtocolMeta.__instancecheck__ collects the members of the protocol and calls hasattr (or, \
                    since 3.12, inspect.getattr_static) for each.",
        versions: "All versions.",
        cost: "100 to 200 times an ordinary isinstance before 3.12, 7 to 16 since.",
        slow: "if isinstance(shape, HasArea):        # a Protocol\n    total += shape.area()",
        fast: "if isinstance(shape, Shape):          # a class\n    total += shape.area()",
        fix: "Use an ordinary base class, or test for the one attribute that is needed.",
    },
    holds: everywhere,
    check: |context| idiom::check(context, &IDIOM),
};
