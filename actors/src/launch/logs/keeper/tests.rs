//! Rotation, and what becomes of a flood.

use std::io::{Read, Seek, SeekFrom, Write};

use super::*;
use crate::launch::logs::{parts, tail};

const SMALL: Rotation = Rotation { file_bytes: 2 * BLOCK, files: 3, rate_bytes: u64::MAX };
const PLENTY: u64 = 1 << 40;

fn all(path: &Path) -> String {
    parts(path)
        .iter()
        .map(|part| {
            let mut file = File::open(part).unwrap();
            let (start, _) = extent(&file).unwrap();
            file.seek(SeekFrom::Start(start)).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        })
        .collect()
}

#[test]
fn rotation_keeps_every_line_that_there_is_room_for_while_the_writer_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("stdout.log");
    let mut writer = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let mut cut = Cut { allowance: PLENTY, ..Cut::default() };
    let mut written = String::new();
    for number in 0..300 {
        let line = format!("line {number:0>64}\n");
        writer.write_all(line.as_bytes()).unwrap();
        written.push_str(&line);
        rotate(&path, &mut cut, SMALL).unwrap();
    }
    let kept = all(&path);
    assert!(written.ends_with(&kept), "what is kept is the unbroken end of what was written");
    assert!(kept.len() as u64 >= SMALL.file_bytes * 2, "two whole files and the live one are kept");
    assert_eq!(parts(&path).len(), 3);
}

#[test]
fn output_that_came_too_fast_is_dropped_with_a_line_that_says_how_much() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("stdout.log");
    let written: String = (0..2_000).map(|number| format!("line {number:0>64}\n")).collect();
    std::fs::write(&path, &written).unwrap();
    rotate(&path, &mut Cut { allowance: PLENTY, ..Cut::default() }, SMALL).unwrap();
    let kept = all(&path);
    let (note, rest) = kept.split_once('\n').unwrap();
    let dropped: usize = note.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(&written[dropped..], rest, "{note}");
}

#[test]
fn a_cut_file_is_moved_aside_for_the_next_run_and_its_tail_is_readable() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("stderr.log");
    std::fs::write(&path, "x".repeat(10_000)).unwrap();
    rotate(&path, &mut Cut { allowance: PLENTY, ..Cut::default() }, SMALL).unwrap();
    assert_eq!(tail(&path, 0, 4_096).unwrap(), "x".repeat(10_000 - 8_192));

    let keeper = LogKeeper::start(SMALL, slog::Logger::root(slog::Discard, slog::o!())).unwrap();
    let mut fresh = keeper.open(&path).unwrap();
    fresh.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(tail(&path, 0, 4_096).unwrap(), "one\ntwo\n");
    assert_eq!(tail(&path, 4, 4_096).unwrap(), "two\n");
    assert_eq!(tail(&path, 0, 6).unwrap(), "two\n", "a cut line is left out");
    assert_eq!(all(&path), "x".repeat(10_000) + "one\ntwo\n");
}

#[test]
fn a_flood_is_kept_up_to_its_allowance_and_the_rest_is_told_at_its_end() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("stdout.log");
    let mut writer = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let mut cut = Cut { allowance: SMALL.file_bytes, ..Cut::default() };
    let flood = vec![b'x'; 10 * usize::try_from(SMALL.file_bytes).unwrap()];
    for _ in 0..3 {
        writer.write_all(&flood).unwrap();
        rotate(&path, &mut cut, SMALL).unwrap();
    }
    assert_eq!(cut.allowance, 0);
    let kept = SMALL.file_bytes;
    assert_eq!(cut.start, 30 * SMALL.file_bytes, "nothing waits that may not be copied");
    let first = std::fs::read_to_string(numbered(&path, 1)).unwrap();
    let told: u64 = first.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(told + cut.dropped + kept, 30 * SMALL.file_bytes, "each byte is kept or counted");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    tell(&mut file, &mut cut.dropped).unwrap();
    assert!(all(&path).ends_with("they came faster than they can be kept\n"));
}

#[test]
fn a_quiet_file_is_not_looked_at_until_somebody_writes_into_it() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("stdout.log");
    std::fs::write(&path, "one\n").unwrap();
    let mut news = News::new();
    assert!(news.announce(&path));
    assert!(news.written_to().is_empty());
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    writer.write_all(b"two\n").unwrap();
    assert_eq!(news.written_to(), std::slice::from_ref(&path));
    writer.write_all(b"three\n").unwrap();
    assert!(news.written_to().is_empty(), "once is enough");
}
