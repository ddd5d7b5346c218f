//! Renders objects of the target as text, without running any of its code: no `__repr__` is called.

use std::fmt::Write;

use crate::layout::spec::Layout;
use crate::process::memory::{Bytes, Memory};
use crate::read::dict::{self, read_word};
pub use crate::read::dict::{get_str as dict_get_str, instance_attribute, items as dict_items};
use crate::read::ints::{MAX_DIGITS, int_size, int_value};
use crate::read::text;
use crate::read::type_flags::{
    BYTES_SUBCLASS, DICT_SUBCLASS, LIST_SUBCLASS, LONG_SUBCLASS, TUPLE_SUBCLASS, TYPE_SUBCLASS,
    UNICODE_SUBCLASS,
};

/// Containers in containers that are opened; this also ends cycles.
const MAX_DEPTH: usize = 3;
/// Objects that one rendering visits.
const MAX_OBJECTS: usize = 200;
/// Items of one container that are shown.
const MAX_ITEMS: usize = 50;

/// The object at `addr`, much as `repr` would show it, in at most `limit` characters (and `…`).
///
/// Instances of unknown types are shown as `<name at 0x…>`, unreadable ones as `<unreadable at 0x…>`.
pub fn render(memory: &dyn Memory, layout: &Layout, addr: u64, limit: usize) -> String {
    let mut renderer = Renderer { memory, layout, limit, out: String::new(), chars: 0, objects: 0 };
    // Fullness ends the rendering early and is no failure.
    let _ = renderer.object(addr, 0);
    renderer.out
}

/// `tp_name` of the type of the object at `addr`, at most 128 bytes of it.
pub fn type_name(memory: &dyn Memory, layout: &Layout, addr: u64) -> Option<String> {
    class_name(memory, layout, read_word(memory, addr, layout.object.ob_type)?)
}

/// `tp_name` of the type at `class`.
pub(crate) fn class_name(memory: &dyn Memory, layout: &Layout, class: u64) -> Option<String> {
    text::c_string(memory, read_word(memory, class, layout.object.tp_name)?, 128)
}

/// Whether the object at `addr` is a `str`, not an instance of a subclass.
pub fn is_exact_str(memory: &dyn Memory, layout: &Layout, addr: u64) -> bool {
    read_word(memory, addr, layout.object.ob_type).is_some_and(|class| {
        read_word(memory, class, layout.object.tp_flags).is_some_and(|flags| flags & UNICODE_SUBCLASS != 0)
            && class_name(memory, layout, class).is_some_and(|name| name == "str")
    })
}

/// The limit is reached.
struct Full;

struct Renderer<'a> {
    memory: &'a dyn Memory,
    layout: &'a Layout,
    limit: usize,
    out: String,
    chars: usize,
    objects: usize,
}

impl Renderer<'_> {
    fn object(&mut self, addr: u64, depth: usize) -> Result<(), Full> {
        self.objects += 1;
        if self.objects > MAX_OBJECTS {
            return self.text("…");
        }
        match self.known(addr, depth) {
            Some(done) => done,
            None => self.text(&format!("<unreadable at {addr:#x}>")),
        }
    }

    /// `None` if the object cannot be read.
    fn known(&mut self, addr: u64, depth: usize) -> Option<Result<(), Full>> {
        let object = &self.layout.object;
        let class = read_word(self.memory, addr, object.ob_type)?;
        let flags = read_word(self.memory, class, object.tp_flags)?;
        let name = class_name(self.memory, self.layout, class)?;
        let is = |bit| flags & bit != 0;
        Some(if is(UNICODE_SUBCLASS) {
            self.string(&text::string_up_to(self.memory, object, addr, self.limit + 1)?)
        } else if is(LONG_SUBCLASS) {
            self.text(&self.int(addr, name == "bool")?)
        } else if is(BYTES_SUBCLASS) {
            self.bytes(&text::bytes(self.memory, object, addr)?)
        } else if is(TUPLE_SUBCLASS) {
            self.sequence(addr.checked_add(object.tuple_ob_item as u64)?, addr, ["(", ")"], depth)?
        } else if is(LIST_SUBCLASS) {
            self.sequence(read_word(self.memory, addr, object.list_ob_item)?, addr, ["[", "]"], depth)?
        } else if is(DICT_SUBCLASS) {
            self.dict(addr, depth)
        } else if is(TYPE_SUBCLASS) {
            self.text(&format!("<class '{}'>", escaped(&class_name(self.memory, self.layout, addr)?)))
        } else if name == "NoneType" {
            self.text("None")
        } else if name == "float" {
            self.text(&float(f64::from_bits(read_word(self.memory, addr, object.float_ob_fval)?)))
        } else {
            self.text(&format!("<{} at {addr:#x}>", escaped(&name)))
        })
    }

    /// Decimal up to 120 bits; of larger ones the size alone.
    fn int(&self, addr: u64, is_bool: bool) -> Option<String> {
        let (digits, _) = int_size(self.memory, self.layout, addr)?;
        if digits > MAX_DIGITS {
            return Some(format!("<int of about {} bits>", digits.saturating_mul(30)));
        }
        let value = int_value(self.memory, self.layout, addr, MAX_DIGITS)?;
        Some(match (is_bool, value) {
            (true, 0) => "False".into(),
            (true, _) => "True".into(),
            _ => value.to_string(),
        })
    }

    fn sequence(&mut self, first: u64, addr: u64, ends: [&str; 2], depth: usize) -> Option<Result<(), Full>> {
        let size = read_word(self.memory, addr, self.layout.object.ob_size)?;
        let size = usize::try_from(size).ok()?;
        let shown = size.min(MAX_ITEMS);
        let items =
            if depth < MAX_DEPTH { self.memory.read_bytes(first, shown * 8).ok()? } else { Vec::new() };
        Some((|| {
            self.text(ends[0])?;
            for (index, item) in items.chunks_exact(8).enumerate() {
                if index > 0 {
                    self.text(", ")?;
                }
                self.object(item.u64_at(0).unwrap_or(0), depth + 1)?;
            }
            self.rest(items.len() / 8, size)?;
            if ends[0] == "(" && size == 1 {
                self.text(",")?;
            }
            self.text(ends[1])
        })())
    }

    fn dict(&mut self, addr: u64, depth: usize) -> Result<(), Full> {
        let mut items = dict::items(self.memory, self.layout, addr, MAX_ITEMS + 1);
        if depth >= MAX_DEPTH {
            return self.text(if items.is_empty() { "{}" } else { "{…}" });
        }
        let size = items.len();
        items.truncate(MAX_ITEMS);
        self.text("{")?;
        for (index, (key, value)) in items.iter().enumerate() {
            if index > 0 {
                self.text(", ")?;
            }
            self.object(*key, depth + 1)?;
            self.text(": ")?;
            self.object(*value, depth + 1)?;
        }
        self.rest(items.len(), size)?;
        self.text("}")
    }

    /// `…` for the items of a container that were not shown.
    fn rest(&mut self, shown: usize, size: usize) -> Result<(), Full> {
        match (shown, size) {
            _ if shown >= size => Ok(()),
            (0, _) => self.text("…"),
            _ => self.text(", …"),
        }
    }

    fn string(&mut self, string: &str) -> Result<(), Full> {
        let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
        self.char(quote)?;
        for character in string.chars() {
            match character {
                _ if character == quote => self.text(&format!("\\{quote}"))?,
                '\n' => self.text("\\n")?,
                '\r' => self.text("\\r")?,
                '\t' => self.text("\\t")?,
                _ if is_hidden(character) => self.text(&format!("\\x{:02x}", u32::from(character)))?,
                _ => self.char(character)?,
            }
        }
        self.char(quote)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.text("b'")?;
        for byte in bytes {
            match byte {
                b'\'' | b'\\' => self.text(&format!("\\{}", char::from(*byte)))?,
                b'\n' => self.text("\\n")?,
                0x20..0x7f => self.char(char::from(*byte))?,
                _ => self.text(&format!("\\x{byte:02x}"))?,
            }
        }
        self.char('\'')
    }

    fn text(&mut self, text: &str) -> Result<(), Full> {
        text.chars().try_for_each(|character| self.char(character))
    }

    fn char(&mut self, character: char) -> Result<(), Full> {
        if self.chars == self.limit {
            self.out.push('…');
            self.chars += 1;
        }
        if self.chars > self.limit {
            return Err(Full);
        }
        self.chars += 1;
        self.out.push(character);
        Ok(())
    }
}

/// Control characters, and those that change the direction of text around them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name from the target, without control characters.
fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, character| {
        if is_hidden(character) {
            let _ = write!(out, "\\x{:02x}", u32::from(character));
        } else {
            out.push(character);
        }
        out
    })
}

/// As Python writes it: `1.0`, `1e+16`, `inf`, `nan`.
fn float(value: f64) -> String {
    let text = format!("{value:?}").to_lowercase();
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            format!("{}e+{exponent:0>2}", mantissa.trim_end_matches(".0"))
        }
        Some((mantissa, exponent)) => {
            format!("{}e-{:0>2}", mantissa.trim_end_matches(".0"), &exponent[1..])
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    #[test]
    fn floats_look_like_those_of_python() {
        let cases = [(1.0, "1.0"), (1e16, "1e+16"), (1.5e300, "1.5e+300"), (2e-7, "2e-07"), (0.1, "0.1")];
        for (value, text) in cases {
            assert_eq!(float(value), text);
        }
        assert_eq!([f64::INFINITY, -f64::INFINITY, f64::NAN].map(float), ["inf", "-inf", "nan"]);
    }

    proptest! {
        /// Objects made of random words that mostly point at each other.
        #[test]
        fn any_memory_renders_within_bounds(
            words in proptest::collection::vec(
                prop_oneof![(0u64..128).prop_map(|word| 0x1000 + word * 8), 0u64..64, any::<u64>()],
                128,
            ),
            minor in 8u8..=15,
            free_threaded: bool,
            limit in 0usize..80,
        ) {
            let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let image = Image { start: 0x1000, bytes };
            let layout = spec_for(minor).unwrap().headers(free_threaded);
            for addr in (0x1000..0x1400).step_by(64) {
                prop_assert!(render(&image, layout, addr, limit).chars().count() <= limit + 1);
                prop_assert!(dict_items(&image, layout, addr, 10).len() <= 10);
                instance_attribute(&image, layout, addr, "name");
                type_name(&image, layout, addr);
            }
        }
    }
}
