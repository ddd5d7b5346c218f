//! Prints what a file of the hooks says: `cargo run --example show FILE`.

#![allow(clippy::print_stdout)]

use slowpath_events::Reader;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: show FILE")?;
    let mut reader = Reader::new(std::fs::File::open(path)?)?;
    println!("{:?}", reader.header());
    for slot in reader.slots() {
        let code = reader.code(slot.code).unwrap_or_default();
        let object = reader.object(slot.object).unwrap_or_default();
        let import = if slot.at_import { " (import)" } else { "" };
        println!(
            "{:>9} kind {:>2} {}.{}.{} by {} {}:{}{import}",
            slot.count, slot.kind, object.module, object.name, slot.key, code.qualname, code.file, slot.line
        );
    }
    let events = reader.events();
    let imports = events.iter().filter(|event| event.slot.is_none()).count();
    println!("{} events, {imports} imports, {} lost", events.len(), reader.lost());
    for pause in reader.collections() {
        println!("{pause:?}");
    }
    println!("{} collections lost", reader.lost_collections());
    Ok(())
}
