//! The tests' own house: nothing forgotten, nothing overgrown.

use std::path::{Path, PathBuf};

/// Every Rust file under a directory.
pub(crate) fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(rust_files(&path)),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
    files.sort();
    files
}

#[test]
fn no_test_file_is_forgotten() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&here).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_module =
            path.join("mod.rs").exists() || path.extension().is_some_and(|extension| extension == "rs");
        assert!(
            name == "main" || !is_module || main.contains(&format!("mod {name};")),
            "main.rs lacks `mod {name};`"
        );
    }
}

#[test]
fn no_file_is_overgrown() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in rust_files(&crates) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 800, "{} has {lines} lines", file.display());
    }
}
