//! The arrows between the server's rooms, as ARCHITECTURE.md draws them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tidy::rust_files;

/// The line of ARCHITECTURE.md that says who may import whom: each room those to its right.
fn drawn() -> Vec<BTreeSet<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(page).unwrap();
    let line = text.lines().find(|line| line.starts_with("main -> ")).expect("the arrows");
    let rooms = |step: &str| {
        let names = step.trim().trim_matches(['{', '}']).split(',');
        names.map(|name| name.trim().to_owned()).collect()
    };
    line.split("->").map(rooms).collect()
}

/// Rooms named in a file as `crate::room`.
fn imports(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let names = code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest[..end].to_owned()
    });
    // `crate::{a, b}` would hide from this test; nobody needs it.
    assert!(!code.contains("crate::{"), "`use crate::{{…}}` hides an arrow: one `use` per room");
    names.collect()
}

#[test]
fn rooms_import_only_rooms_to_their_right() {
    let steps = drawn();
    let step = |room: &str| steps.iter().position(|rooms| rooms.contains(room));
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = BTreeSet::new();
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let room = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        if room == "lib" {
            continue;
        }
        for to in imports(&std::fs::read_to_string(&file).unwrap()) {
            // `config` is plain structs, which those who open and serve things may read; it imports nothing.
            let reads_config = to == "config" && matches!(room.as_str(), "cli" | "app");
            let allowed = to == room || reads_config || step(&room) < step(&to) && step(&to).is_some();
            assert!(allowed, "{}: no arrow leads from {room} to {to}", inside.display());
            seen.insert((room.clone(), to));
        }
    }
    let arrow = ("ingest".to_owned(), "store".to_owned());
    assert!(
        seen.len() > 8 && (seen.contains(&arrow) || seen.contains(&("app".to_owned(), "ingest".to_owned())))
    );
}

#[test]
fn only_config_reads_the_environment_and_only_app_the_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let source = std::fs::read_to_string(&file).unwrap();
        let reads = |what: &str| source.contains(what);
        let environment = reads("env::var") || reads("env::vars");
        assert!(!environment || inside.starts_with("config"), "{} reads the environment", inside.display());
        let clock = reads("SystemTime::now") || reads("jiff::Timestamp::now") || reads("Zoned::now");
        assert!(!clock || inside.starts_with("app"), "{} reads the clock", inside.display());
    }
}
