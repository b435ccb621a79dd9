use std::fs;
use std::io::Write as _;
use std::path::Path;

use tantivy::Directory as _;
use tantivy::directory::TerminatingWrite as _;
use tempfile::TempDir;

use super::IndexDirectory;
use crate::store::priority::Senders;

fn write(directory: &IndexDirectory, name: &str, content: &[u8]) {
    let mut file = directory.open_write(Path::new(name)).unwrap();
    file.write_all(content).unwrap();
    file.terminate().unwrap();
    directory.sync_directory().unwrap();
}

fn read(directory: &IndexDirectory, name: &str) -> Vec<u8> {
    directory.open_read(Path::new(name)).unwrap().read_bytes().unwrap().to_vec()
}

/// Names of what is kept to be written over.
fn spares(dir: &TempDir) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir.path().join("spare")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_is_deleted_is_written_over_and_only_the_new_content_is_read() {
    let dir = TempDir::new().unwrap();
    let directory = IndexDirectory::open(dir.path(), Senders::default()).unwrap();
    for (number, length) in
        [100_000, 90_000, 100_001, 60_000, 99_990, 0, 5, 300_000, 100_000].into_iter().enumerate()
    {
        let name = format!("{number}.store");
        let content: Vec<u8> = (0..length).map(|place| (place * 7 + number) as u8).collect();
        write(&directory, &name, &content);
        assert_eq!(read(&directory, &name), content, "{length} bytes");
        let reopened = IndexDirectory::open(dir.path(), Senders::default()).unwrap();
        assert_eq!(read(&reopened, &name), content, "{length} bytes, opened again");
        assert!(
            dir.path().join(&name).metadata().unwrap().len()
                <= (length + length / 2).max(length + 16_384) as u64
        );
        directory.delete(Path::new(&name)).unwrap();
        assert!(!directory.exists(Path::new(&name)).unwrap());
    }
    let kept = spares(&dir);
    assert!(kept.len() < 9, "nothing was written over: {kept:?}");
}

#[test]
fn what_is_still_read_is_not_written_over() {
    let dir = TempDir::new().unwrap();
    let directory = IndexDirectory::open(dir.path(), Senders::default()).unwrap();
    write(&directory, "a.store", &[b'a'; 50_000]);
    let reader = directory.open_read(Path::new("a.store")).unwrap();
    let part = reader.slice(10..20).read_bytes().unwrap();
    drop(reader);
    directory.delete(Path::new("a.store")).unwrap();
    write(&directory, "b.store", &[b'b'; 50_000]);
    assert_eq!(part.as_slice(), &[b'a'; 10]);
    assert_eq!(spares(&dir), ["a.store"]);
    drop(part);
    write(&directory, "c.store", &[b'c'; 50_000]);
    assert!(spares(&dir).is_empty());
    assert_eq!(read(&directory, "c.store"), [b'c'; 50_000]);
}

#[test]
fn spares_may_vanish_and_no_file_is_begun_twice() {
    let dir = TempDir::new().unwrap();
    let directory = IndexDirectory::open(dir.path(), Senders::default()).unwrap();
    write(&directory, "a.store", &[b'a'; 50_000]);
    write(&directory, "b.store", &[b'b'; 50_000]);
    directory.delete(Path::new("a.store")).unwrap();
    assert!(directory.open_write(Path::new("b.store")).is_err());
    assert_eq!(read(&directory, "b.store"), [b'b'; 50_000]);
    directory.delete(Path::new("b.store")).unwrap();
    super::remove_spares(dir.path()).unwrap();
    write(&directory, "c.store", &[b'c'; 50_000]);
    assert_eq!(read(&directory, "c.store"), [b'c'; 50_000]);
}

#[test]
fn small_files_are_replaced_as_a_whole() {
    let dir = TempDir::new().unwrap();
    let directory = IndexDirectory::open(dir.path(), Senders::default()).unwrap();
    for length in [10, 40_000, 3] {
        let json = serde_json::to_vec(&vec![7; length]).unwrap();
        directory.atomic_write(Path::new("meta.json"), &json).unwrap();
        let read: Vec<u8> =
            serde_json::from_slice(&directory.atomic_read(Path::new("meta.json")).unwrap()).unwrap();
        assert_eq!(read.len(), length);
    }
}
