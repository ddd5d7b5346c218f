//! The statistics file of `cProfile`, for Python's own `pstats` and the viewers built on it.
//!
//! It is one marshalled dictionary, `{(file, line, name): (cc, nc, tt, ct, callers)}`, where callers
//! maps a caller to the same four numbers for calls from it. A sampler counts no calls: `cc` and `nc`
//! are the samples in which the function was on the stack, `tt` the seconds at its leaf, `ct` the
//! seconds on the stack. A function counts once per sample however deep it recurses. What is no
//! function, such as `[idle]`, appears like a built-in, in the file `~`.
//!
//! Only marshal types that CPython has read since 2.x and reads still are used.

use std::hash::Hash;
use std::io::{self, Write};

use rustc_hash::FxHashMap;

use super::counts::{Weight, count};
use super::frames::FrameSet;
use super::label::FrameText;
use super::{ExportError, ExportOptions};
use crate::source::Source;

/// Samples and time of a function or of a call edge.
#[derive(Clone, Copy, Default)]
struct Cost {
    samples: u64,
    self_ns: u64,
    total_ns: u64,
}

/// The costs of all functions and of all edges `(caller, callee)`, by entries of the frame set.
#[derive(Default)]
struct Costs {
    functions: FxHashMap<u32, (Cost, u64)>,
    edges: FxHashMap<(u32, u32), (Cost, u64)>,
    /// Number of stacks added: marks what the current stack has counted already.
    stacks: u64,
}

impl Costs {
    /// Adds a stack, given from the root to the leaf.
    fn add(&mut self, stack: &[u32], weight: &Weight) {
        self.stacks += 1;
        let leaf = stack.len().saturating_sub(1);
        for (at, &entry) in stack.iter().enumerate() {
            once(&mut self.functions, entry, self.stacks, weight, at == leaf);
            if at > 0 {
                once(&mut self.edges, (stack[at - 1], entry), self.stacks, weight, at == leaf);
            }
        }
    }
}

/// Counts a key, but not twice for the same stack; self time belongs to the leaf alone.
fn once<K: Eq + Hash>(
    costs: &mut FxHashMap<K, (Cost, u64)>,
    key: K,
    stack: u64,
    weight: &Weight,
    leaf: bool,
) {
    let (cost, seen) = costs.entry(key).or_default();
    if std::mem::replace(seen, stack) != stack {
        cost.samples += weight.samples;
        cost.total_ns += weight.wall_ns;
    }
    if leaf {
        cost.self_ns += weight.wall_ns;
    }
}

/// Writes the statistics.
pub(super) fn write(
    source: &mut dyn Source,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let counts = count(source, options)?;
    let tables = source.tables();
    let frames = FrameSet::by_function(tables);
    let mut costs = Costs::default();
    let (mut levels, mut stack) = (Vec::new(), Vec::new());
    for (place, weight) in counts {
        place.levels(tables, options.mark_states, &mut levels);
        stack.clear();
        stack.extend(levels.iter().map(|level| frames.entry(*level)));
        costs.add(&stack, &weight);
    }
    let texts: Vec<FrameText<'_>> = frames.texts(tables).collect();
    write_dictionary(&costs, &texts, out)?;
    Ok(())
}

fn write_dictionary(costs: &Costs, texts: &[FrameText<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut functions: Vec<_> = costs.functions.iter().map(|(entry, (cost, _))| (*entry, *cost)).collect();
    functions.sort_unstable_by_key(|(entry, _)| *entry);
    let mut edges: Vec<_> = costs.edges.iter().map(|((from, to), (cost, _))| (*to, *from, *cost)).collect();
    edges.sort_unstable_by_key(|(to, from, _)| (*to, *from));
    let mut edges = edges.as_slice();
    marshal::begin_dict(out)?;
    for (entry, cost) in functions {
        let mine = edges.iter().take_while(|(to, _, _)| *to == entry).count();
        let (callers, rest) = edges.split_at(mine);
        edges = rest;
        write_key(out, texts, entry)?;
        marshal::tuple(out, 5)?;
        write_cost(out, &cost)?;
        marshal::begin_dict(out)?;
        for (_, caller, cost) in callers {
            write_key(out, texts, *caller)?;
            marshal::tuple(out, 4)?;
            write_cost(out, cost)?;
        }
        marshal::end_dict(out)?;
    }
    marshal::end_dict(out)
}

fn write_key(out: &mut dyn Write, texts: &[FrameText<'_>], entry: u32) -> io::Result<()> {
    let Some(text) = texts.get(entry as usize) else { return Ok(()) };
    marshal::tuple(out, 3)?;
    marshal::text(out, if text.file.is_empty() { "~" } else { &text.file })?;
    marshal::integer(out, text.first_line.into())?;
    marshal::text(out, &text.name)
}

fn write_cost(out: &mut dyn Write, cost: &Cost) -> io::Result<()> {
    marshal::integer(out, cost.samples)?;
    marshal::integer(out, cost.samples)?;
    marshal::float(out, cost.self_ns as f64 / 1e9)?;
    marshal::float(out, cost.total_ns as f64 / 1e9)
}

/// Reads a whole file and gives the sum of all self times.
#[cfg(test)]
pub(super) fn read_self_time(rest: &mut &[u8]) -> f64 {
    let marshal::Value::Dict(functions) = marshal::read(rest) else { panic!("not a dictionary") };
    let self_time = |(key, value): &(marshal::Value, marshal::Value)| {
        let (marshal::Value::Tuple(key), marshal::Value::Tuple(cost)) = (key, value) else {
            panic!("not tuples")
        };
        assert!(matches!(&key[..], [marshal::Value::Text, marshal::Value::Integer, marshal::Value::Text]));
        let [_, _, marshal::Value::Float(own), marshal::Value::Float(total), marshal::Value::Dict(_)] =
            cost[..]
        else {
            panic!("not a cost: {cost:?}")
        };
        assert!(own <= total + 1e-9);
        own
    };
    functions.iter().map(self_time).sum()
}

/// The few types of Python's `marshal` that are needed.
mod marshal {
    use std::io::{self, Write};

    pub(super) fn begin_dict(out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"{")
    }

    pub(super) fn end_dict(out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"0")
    }

    pub(super) fn tuple(out: &mut dyn Write, length: u32) -> io::Result<()> {
        out.write_all(b"(")?;
        out.write_all(&length.to_le_bytes())
    }

    pub(super) fn text(out: &mut dyn Write, text: &str) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        out.write_all(b"u")?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(text.as_bytes())
    }

    pub(super) fn float(out: &mut dyn Write, value: f64) -> io::Result<()> {
        out.write_all(b"g")?;
        out.write_all(&value.to_le_bytes())
    }

    /// `i` holds 31 bits and a sign; larger numbers are `l`, a count and digits of 15 bits.
    pub(super) fn integer(out: &mut dyn Write, value: u64) -> io::Result<()> {
        if let Ok(small) = i32::try_from(value) {
            out.write_all(b"i")?;
            return out.write_all(&small.to_le_bytes());
        }
        let digits: Vec<u16> = (0..64).step_by(15).map(|shift| (value >> shift & 0x7fff) as u16).collect();
        let length = digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        out.write_all(b"l")?;
        out.write_all(&(length as i32).to_le_bytes())?;
        digits[..length].iter().try_for_each(|digit| out.write_all(&digit.to_le_bytes()))
    }

    /// A value read back.
    #[cfg(test)]
    #[derive(Debug)]
    pub(super) enum Value {
        Dict(Vec<(Value, Value)>),
        Tuple(Vec<Value>),
        Text,
        Integer,
        Float(f64),
    }

    #[cfg(test)]
    pub(super) fn read(rest: &mut &[u8]) -> Value {
        fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
            let (taken, after) = rest.split_at(count);
            *rest = after;
            taken
        }
        fn length(rest: &mut &[u8]) -> usize {
            u32::from_le_bytes(take(rest, 4).try_into().unwrap()) as usize
        }
        match take(rest, 1)[0] {
            b'{' => {
                let mut entries = Vec::new();
                while rest[0] != b'0' {
                    entries.push((read(rest), read(rest)));
                }
                take(rest, 1);
                Value::Dict(entries)
            }
            b'(' => Value::Tuple((0..length(rest)).map(|_| read(rest)).collect()),
            b'u' => {
                let length = length(rest);
                std::str::from_utf8(take(rest, length)).unwrap();
                Value::Text
            }
            b'i' => {
                take(rest, 4);
                Value::Integer
            }
            b'l' => {
                let digits = length(rest);
                take(rest, digits * 2);
                Value::Integer
            }
            b'g' => Value::Float(f64::from_le_bytes(take(rest, 8).try_into().unwrap())),
            other => panic!("unknown type {other}"),
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn integers_are_those_of_python() {
            let bytes = |value| {
                let mut out = Vec::new();
                super::integer(&mut out, value).unwrap();
                out
            };
            // What marshal.dumps gives for these numbers at version 2.
            assert_eq!(bytes(7), b"i\x07\0\0\0");
            assert_eq!(bytes(1 << 31), b"l\x03\0\0\0\0\0\0\0\x02\0");
            assert_eq!(bytes(u64::MAX), b"l\x05\0\0\0\xff\x7f\xff\x7f\xff\x7f\xff\x7f\x0f\0");
        }
    }
}
