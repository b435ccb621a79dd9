//! The page on channels says what the source says, wherever in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../../../docs/channels.md");

/// The code of every file of the crates that are published, without comments and tests.
fn sources() -> BTreeMap<PathBuf, String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let is_published = |folder: &PathBuf| {
        fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| !text.contains("publish = false"))
    };
    let mut folders: Vec<_> = entries(crates).filter(is_published).map(|folder| folder.join("src")).collect();
    let mut sources = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        let (inner, files): (Vec<_>, Vec<_>) = entries(&folder).partition(|path| path.is_dir());
        folders.extend(inner);
        for file in files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
            let code = code.filter(|line| !line.trim_start().starts_with("//"));
            sources.insert(file, code.map(|line| line.to_owned() + "\n").collect());
        }
    }
    sources
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
}

/// What stands between each of `markers` and the next quote.
fn named(code: &str, markers: &[&str]) -> BTreeSet<String> {
    let after = |marker: &&str| {
        let rests = code.split(*marker).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        rests.collect::<Vec<_>>()
    };
    markers.iter().flat_map(after).collect()
}

/// Every channel, and the type of its messages.
fn channels(sources: &BTreeMap<PathBuf, String>) -> BTreeMap<String, String> {
    let mut channels = BTreeMap::new();
    for code in sources.values() {
        // A static of a channel's type, whatever kind of channel and however it is broken into lines.
        for statement in code.split("static ").skip(1).map(|rest| rest.split(';').next().unwrap()) {
            let Some((_, rest)) = statement.split_once("Channel<") else { continue };
            let Some((message, rest)) = rest.split_once("> =") else { continue };
            let name = named(rest, &["Channel::new(\"", "Channel::new(\n    \""]).pop_first();
            channels.insert(name.unwrap_or_else(|| panic!("no name: {statement}")), message.to_owned());
        }
    }
    channels
}

/// The first column of the table under a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let section = PAGE.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("the page has no section {heading}"));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

#[test]
fn every_channel_and_field_is_on_the_page_and_no_other() {
    let sources = sources();
    let channels = channels(&sources);
    let mut with_fields: BTreeSet<_> =
        sources.iter().filter(|(_, code)| code.contains("visit(\"")).map(|(path, _)| path).collect();
    for (name, message) in &channels {
        let implementation = format!("impl Message for {message} {{");
        let (path, code) = sources.iter().find(|(_, code)| code.contains(&implementation)).unwrap();
        let mut fields = named(code, &["visit(\""]);
        fields.extend(named(code, &["field_key(\""]).into_iter().map(|prefix| format!("{prefix}<name>")));
        assert_eq!(documented(&format!("`{name}`")), fields, "{name}");
        with_fields.remove(path);
    }
    let others: Vec<_> = with_fields.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(others, ["message.rs"], "fields of no channel, but for those of plain numbers");
    let headings = PAGE.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    assert_eq!(headings.collect::<BTreeSet<_>>(), channels.keys().map(String::as_str).collect());
}

#[test]
fn every_attribute_and_event_is_on_the_page_and_no_other() {
    let sources = sources();
    let of_exporters = |code: &&String| code.contains("TraceSubscriber<") && code.contains("Telemetry");
    let exporters: String = sources.values().filter(of_exporters).map(String::as_str).collect();
    let attributes = named(&exporters, &[".attribute(\"", "set(\""]);
    assert_eq!(documented("What the exporter adds"), attributes);
    let names = "pub const fn as_str(self) -> &'static str {";
    let kinds = sources.values().find_map(|code| code.split_once("impl EventKind {")?.1.split_once(names));
    assert_eq!(documented("Events"), named(kinds.unwrap().1.split("\n    }").next().unwrap(), &["=> \""]));
}
