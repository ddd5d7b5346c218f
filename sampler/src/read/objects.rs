//! stub
use crate::layout::spec::Layout;
use crate::process::memory::Memory;
/// s
pub fn render(_: &dyn Memory, _: &Layout, _: u64, _: usize) -> String {
    String::new()
}
