//! Lists the modules of the page, so that a new one is one file and nothing else.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let page = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("page");
    println!("cargo:rerun-if-changed={}", page.display());
    let mut names: Vec<String> = fs::read_dir(&page)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()?;
    names.retain(|name| name.ends_with(".js"));
    names.sort();
    let mut list = "&[\n".to_owned();
    for name in names {
        let path = page.join(&name);
        println!("cargo:rerun-if-changed={}", path.display());
        list += &format!("    ({name:?}, include_str!({path:?})),\n");
    }
    list += "]\n";
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("modules.rs"), list)?;
    Ok(())
}
