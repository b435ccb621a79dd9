use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Damage, LARGE_BYTES, Log, Payload};

impl Payload for Vec<u8> {
    fn parts(&self) -> [&[u8]; 2] {
        let (header, body) = self.split_at(self.len() / 3);
        [header, body]
    }
}

const SEGMENT: u64 = 4096;

type Entry = (u64, Vec<u8>);

/// What entry `n` holds: recognisable, of different lengths.
fn entry(n: u64) -> Vec<u8> {
    format!("entry {n} ").repeat(n as usize % 7 + 1).into_bytes()
}

fn append(log: &mut Log, group: &[Vec<u8>]) -> u64 {
    log.make_room(Log::framed_len(group)).unwrap();
    log.append(group).unwrap()
}

fn replay(dir: &Path, after: u64) -> (Vec<Entry>, Vec<Damage>, Log) {
    let mut log = Log::open(dir, SEGMENT).unwrap();
    let mut entries = Vec::new();
    let damage = log
        .replay(after, |sequence, payload| {
            entries.push((sequence, payload.to_vec()));
            Ok::<_, std::io::Error>(())
        })
        .unwrap();
    (entries, damage, log)
}

fn expected(range: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    range.map(|n| (n, entry(n))).collect()
}

/// The only log file that holds this sequence as its first.
fn file(dir: &TempDir, first: u64) -> std::path::PathBuf {
    dir.path().join(format!("{first:020}.log"))
}

#[test]
fn what_was_appended_is_replayed_in_order_over_many_files() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::open(dir.path(), SEGMENT).unwrap();
    for n in 1..=400 {
        assert_eq!(append(&mut log, &[entry(n)]), n);
    }
    drop(log);
    let (entries, damage, _) = replay(dir.path(), 0);
    assert_eq!((entries, damage), (expected(1..=400), vec![]));
    let (entries, _, mut log) = replay(dir.path(), 333);
    assert_eq!(entries, expected(334..=400));
    assert_eq!(append(&mut log, &[entry(401)]), 401, "appending goes on behind what was there");
}

#[test]
fn an_entry_larger_than_a_file_gets_a_file_of_its_own() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::open(dir.path(), SEGMENT).unwrap();
    let large = vec![7; 3 * SEGMENT as usize];
    append(&mut log, &[entry(1)]);
    append(&mut log, std::slice::from_ref(&large));
    append(&mut log, &[entry(3)]);
    drop(log);
    assert_eq!(replay(dir.path(), 0).0, [(1, entry(1)), (2, large), (3, entry(3))]);
}

#[test]
fn large_and_small_entries_stand_one_behind_the_other() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::open(dir.path(), SEGMENT).unwrap();
    // The first parts are a third: of some entries both are large, of others one or none.
    let lengths = [0, 1, LARGE_BYTES, 2 * LARGE_BYTES + 1, 100, 3 * LARGE_BYTES, 4 * LARGE_BYTES + 5, 7];
    let group: Vec<Vec<u8>> = (b'a'..).zip(lengths).map(|(byte, length)| vec![byte; length]).collect();
    append(&mut log, &group);
    append(&mut log, &group[..2]);
    drop(log);
    let expected: Vec<Entry> = (1..).zip(group.iter().chain(&group[..2]).cloned()).collect();
    let (entries, damage, _) = replay(dir.path(), 0);
    assert!(
        entries == expected,
        "{:?}",
        entries.iter().map(|(n, entry)| (n, entry.len())).collect::<Vec<_>>()
    );
    assert_eq!(damage, []);
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_what_was_torn() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::open(dir.path(), SEGMENT).unwrap();
    append(&mut log, &[entry(1)]);
    append(&mut log, &[entry(2), entry(3)]);
    let end = log.active.as_ref().unwrap().written as usize;
    drop(log);
    let whole = fs::read(file(&dir, 1)).unwrap();
    for cut in 0..=end {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        fs::write(file(&dir, 1), &torn).unwrap();
        let (entries, damage, log) = replay(dir.path(), 0);
        assert_eq!(entries, expected(1..=entries.len() as u64), "cut at {cut}");
        assert_eq!((damage, log.next), (vec![], entries.len() as u64 + 1), "cut at {cut}");
    }
}

#[test]
fn damage_in_the_middle_is_reported_and_the_rest_is_kept() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::open(dir.path(), SEGMENT).unwrap();
    for n in 1..=5 {
        append(&mut log, &[entry(n)]);
    }
    drop(log);
    let mut bytes = fs::read(file(&dir, 1)).unwrap();
    let at = bytes.windows(7).position(|window| window == b"entry 3").unwrap();
    bytes[at] ^= 1;
    fs::write(file(&dir, 1), bytes).unwrap();
    let (entries, damage, _) = replay(dir.path(), 0);
    assert_eq!(entries.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 4, 5]);
    let [damage] = &damage[..] else { panic!("{damage:?}") };
    assert_eq!((damage.lost, damage.acknowledged), ((3, 3), true));
    assert_eq!(damage.file, file(&dir, 1));
}

#[test]
fn a_group_whose_first_frame_was_torn_was_not_acknowledged() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::open(dir.path(), SEGMENT).unwrap();
    append(&mut log, &[entry(1)]);
    append(&mut log, &[entry(2), entry(3)]);
    drop(log);
    let mut bytes = fs::read(file(&dir, 1)).unwrap();
    let at = bytes.windows(7).position(|window| window == b"entry 2").unwrap();
    bytes[at] ^= 1;
    fs::write(file(&dir, 1), bytes).unwrap();
    let (_, damage, _) = replay(dir.path(), 0);
    assert_eq!((damage[0].lost, damage[0].acknowledged), ((2, 2), false));
}

#[test]
fn files_are_used_again_and_their_old_frames_never_come_back() {
    let dir = TempDir::new().unwrap();
    let mut log = Log::open(dir.path(), SEGMENT).unwrap();
    for n in 1..=2000 {
        append(&mut log, &[entry(n)]);
        if n % 100 == 0 {
            log.release(n).unwrap();
        }
    }
    drop(log);
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert!(files <= super::SPARE_FILES + 2, "{files} files are left");
    let (entries, damage, mut log) = replay(dir.path(), 2000);
    assert_eq!((entries, damage), (vec![], vec![]));
    append(&mut log, &[entry(2001)]);
    drop(log);
    assert_eq!(replay(dir.path(), 2000).0, expected(2001..=2001));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bytes are damaged, nothing is invented and nothing before the damage is lost.
    #[test]
    fn damaged_files_never_invent_entries(flips in prop::collection::vec((0usize..3000, 1u8..), 1..5)) {
        let dir = TempDir::new().unwrap();
        let mut log = Log::open(dir.path(), SEGMENT).unwrap();
        for n in 1..=30 {
            append(&mut log, &[entry(n)]);
        }
        drop(log);
        let mut bytes = fs::read(file(&dir, 1)).unwrap();
        for (at, mask) in flips {
            bytes[at] ^= mask;
        }
        fs::write(file(&dir, 1), bytes).unwrap();
        let (entries, damage, _) = replay(dir.path(), 0);
        let lost: u64 = damage.iter().map(|gap| gap.lost.1 - gap.lost.0 + 1).sum();
        for (sequence, payload) in &entries {
            prop_assert_eq!(payload, &entry(*sequence));
        }
        let last = entries.last().map_or(0, |(sequence, _)| *sequence);
        prop_assert_eq!(entries.len() as u64 + lost, last);
    }
}
