//! Caches beside the bytecode, as 3.8 to 3.10 have them: of `LOAD_GLOBAL`, and of `LOAD_ATTR` in 3.10.
//!
//! A code object gets them when it was called 1024 times, and a debug build never. A global is found in its
//! cache while the versions of both dicts are what they were; if not, the cache is filled anew. An attribute
//! is found while the version of the class is the same, and given up for good after 20 misses.

use slowpath_profile::evidence::{OpFamily, SpecState};

use super::caches::{CodeParts, SitePlan, SiteView};
use crate::layout::spec::{Layout, Opcache};
use crate::process::memory::{Bytes, Memory};

/// What the sites of a code object are, whose fixed part this is a copy of.
pub fn views(memory: &dyn Memory, layout: &Layout, header: &[u8], parts: &CodeParts) -> Vec<SiteView> {
    let caches = layout.code.opcache.and_then(|fields| Caches::read(memory, fields, header, parts));
    let view = |site: &SitePlan| {
        let form = parts.instructions.get(site.instruction).map_or("", |instruction| instruction.name);
        let view = SiteView { form, ..SiteView::default() };
        caches.as_ref().and_then(|caches| caches.view(site, view)).unwrap_or(view)
    };
    parts.sites.iter().map(view).collect()
}

/// The caches of a code object.
struct Caches {
    fields: Opcache,
    /// One byte per unit; empty while the code object has none.
    map: Vec<u8>,
    entries: Vec<u8>,
}

impl Caches {
    fn read(memory: &dyn Memory, fields: Opcache, header: &[u8], parts: &CodeParts) -> Option<Self> {
        let (map, entries) = (header.u64_at(fields.map)?, header.u64_at(fields.entries)?);
        if map == 0 || entries == 0 {
            return Some(Self { fields, map: Vec::new(), entries: Vec::new() });
        }
        let units = parts.instructions.last().map_or(0, |last| (last.offset + last.len) as usize / 2);
        let len = usize::from(header.u8_at(fields.len)?);
        Some(Self {
            fields,
            map: memory.read_bytes(map, units).ok()?,
            entries: memory.read_bytes(entries, len * fields.entry_size).ok()?,
        })
    }

    /// `None` if nothing is known of the site.
    fn view(&self, site: &SitePlan, view: SiteView) -> Option<SiteView> {
        let is_attribute = site.family == OpFamily::LoadAttr && view.form == "LOAD_ATTR";
        match site.family {
            OpFamily::LoadGlobal => {}
            _ if is_attribute && self.fields.type_version.is_some() => {}
            _ => return None,
        }
        if self.map.is_empty() {
            return Some(SiteView { state: SpecState::Warming, ..view });
        }
        // The map counts from where the interpreter stands when it executes the instruction: behind it.
        let number = usize::from(self.map.u8_at(site.offset as usize / 2 + 1)?);
        let at = number.checked_sub(1)? * self.fields.entry_size;
        let entry = self.entries.get(at..at + self.fields.entry_size)?;
        let word = |at: usize| entry.u32_at(at);
        let optimized = entry.u8_at(self.fields.optimized)?.cast_signed();
        if optimized <= 0 {
            // Not filled: it may not have been executed since, or cannot be.
            let state = if optimized < 0 { SpecState::BackedOff } else { SpecState::Unknown };
            return Some(SiteView { state, ..view });
        }
        // Versions are 64 bits wide and count up; the low half of them tells one from the next.
        let (tag, keys_tag) = match self.fields.type_version.filter(|_| is_attribute) {
            Some(version) => (word(version), None),
            None => (word(self.fields.globals_version), word(self.fields.builtins_version)),
        };
        Some(SiteView { state: SpecState::Specialised, tag, keys_tag, ..view })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::forms::Forms;
    use crate::layout::spec_for;
    use crate::read::testing::Image;

    const MAP: u64 = 0x1000;
    const ENTRIES: u64 = MAP + 16;
    const NOWHERE: u64 = 0x9000;

    fn layout(minor: u8) -> Layout {
        spec_for(minor).unwrap().headers(false).clone()
    }

    fn parts(layout: &Layout) -> CodeParts {
        let forms = Forms::new(layout);
        let opcode = |name: &str| (0..=255).find(|opcode| forms.get(*opcode).name == name).unwrap();
        let code = [opcode("LOAD_GLOBAL"), 0, opcode("LOAD_ATTR"), 1, opcode("RETURN_VALUE"), 0];
        CodeParts::new(&code, &forms, vec!["limit".into(), "value".into()], 0, 0)
    }

    /// The states of both sites, whose entries have these values of `optimized`.
    fn states(minor: u8, map: &[u8], optimized: [i8; 2]) -> Vec<(SpecState, Option<u32>)> {
        let layout = layout(minor);
        let fields = layout.code.opcache.unwrap();
        let mut header = vec![0; layout.code.size];
        let pointer = if map.is_empty() { NOWHERE } else { MAP };
        header[fields.map..fields.map + 8].copy_from_slice(&pointer.to_le_bytes());
        header[fields.entries..fields.entries + 8].copy_from_slice(&ENTRIES.to_le_bytes());
        header[fields.len] = 2;
        let mut bytes = map.to_vec();
        bytes.resize((ENTRIES - MAP) as usize, 0);
        let mut entries = vec![0; 2 * fields.entry_size];
        for (number, optimized) in optimized.into_iter().enumerate() {
            let at = number * fields.entry_size;
            entries[at + fields.optimized] = optimized.cast_unsigned();
            entries[at + fields.globals_version] = 7;
            entries[at + 16] = 9;
        }
        bytes.extend(entries);
        let memory = Image { start: MAP, bytes };
        views(&memory, &layout, &header, &parts(&layout)).iter().map(|it| (it.state, it.tag)).collect()
    }

    #[test]
    fn a_filled_cache_is_specialised() {
        use SpecState::{BackedOff, Specialised, Unknown};
        assert_eq!(states(10, &[0, 1, 2], [1, 20]), [(Specialised, Some(7)), (Specialised, Some(9))]);
        assert_eq!(states(10, &[0, 1, 2], [0, -1]), [(Unknown, None), (BackedOff, None)]);
        assert_eq!(states(9, &[0, 1, 0], [1, 0]), [(Specialised, Some(7)), (Unknown, None)]);
    }

    #[test]
    fn caches_that_lie_tell_nothing() {
        use SpecState::Unknown;
        assert_eq!(states(10, &[0, 200, 3], [1, 1]), [(Unknown, None); 2]);
        assert_eq!(states(10, &[], [1, 1]), [(Unknown, None); 2], "the map cannot be read");
    }

    #[test]
    fn code_that_is_called_too_rarely_has_none_yet() {
        let layout = layout(8);
        let memory = Image { start: 0, bytes: Vec::new() };
        let header = vec![0; layout.code.size];
        let views = views(&memory, &layout, &header, &parts(&layout));
        let states: Vec<SpecState> = views.iter().map(|view| view.state).collect();
        assert_eq!(states, [SpecState::Warming, SpecState::Unknown]);
        assert_eq!(views[0].form, "LOAD_GLOBAL");
    }
}
