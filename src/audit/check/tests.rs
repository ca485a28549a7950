use proptest::prelude::*;

use super::super::chain::tests::{key, lines};
use super::*;

type Lines = Vec<Vec<u8>>;

/// The findings in these files as `kind first-last`, if the head is that of this many records.
fn found(files: &[&[Vec<u8>]], written: &Lines) -> Vec<String> {
    let key = key(1);
    let head = written.last().map_or(Head::GENESIS, |line| {
        let link = chain::open(&key, line.trim_ascii_end()).unwrap();
        Head { seq: link.seq, code: link.code }
    });
    let read = |(at, lines): (usize, &&[Vec<u8>])| {
        let mut reading = Reading::new(&key, &format!("file-{at}"));
        for line in *lines {
            reading.line(line.trim_ascii_end());
        }
        reading.end()
    };
    let chain = join(files.iter().enumerate().map(read).collect(), head);
    assert_eq!(chain.verified, chain.problems.is_empty());
    chain.problems.iter().map(|found| format!("{:?} {}-{}", found.kind, found.seq, found.to_seq)).collect()
}

fn change(line: &mut [u8]) {
    let at = line.windows(6).position(|part| part == b"\"test\"").unwrap();
    line[at + 1] ^= 1;
}

#[test]
fn what_was_not_touched_is_verified_wherever_it_was_parted_into_files() {
    let written = lines(9);
    assert!(found(&[], &Vec::new()).is_empty());
    for cut in 0..9 {
        assert_eq!(found(&[&written[..cut], &written[cut..]], &written), Vec::<String>::new());
    }
    // Written after the head was kept.
    assert!(found(&[&written], &written[..5].to_vec()).is_empty());
}

#[test]
fn each_way_to_touch_a_trail_is_told_with_the_number_of_the_record() {
    let written = lines(9);
    let touched = |touch: &dyn Fn(&mut Lines)| {
        let mut lines = written.clone();
        touch(&mut lines);
        found(&[&lines], &written)
    };
    assert_eq!(touched(&|lines| change(&mut lines[4])), ["Changed 5-5"]);
    assert_eq!(touched(&|lines| change(&mut lines[0])), ["Changed 1-1"]);
    assert_eq!(touched(&|lines| change(&mut lines[8])), ["Changed 9-9"]);
    assert_eq!(touched(&|lines| lines[4] = b"???\n".to_vec()), ["Changed 5-5"]);
    assert_eq!(touched(&|lines| drop(lines.remove(4))), ["Missing 5-5"]);
    assert_eq!(touched(&|lines| drop(lines.drain(2..5))), ["Missing 3-5"]);
    assert_eq!(touched(&|lines| drop(lines.remove(0))), ["Missing 1-1"]);
    assert_eq!(touched(&|lines| lines.swap(3, 4)), ["Moved 4-4"]);
    assert_eq!(touched(&|lines| lines.insert(6, lines[2].clone())), ["Repeated 3-3"]);
    assert_eq!(touched(&|lines| lines.insert(4, b"{\"seq\":5}\n".to_vec())), ["Inserted 5-5"]);
    assert_eq!(touched(&|lines| lines.push(b"{\"seq\":10}\n".to_vec())), ["Inserted 10-10"]);
    let absurd = format!("{{\"seq\":{},\"prev\":\"\"}}\n", u64::MAX).into_bytes();
    assert_eq!(touched(&|lines| lines[0] = absurd.clone()), ["Changed 1-1"]);
    assert!(!touched(&|lines| *lines = vec![absurd.clone()]).is_empty());
    assert_eq!(touched(&|lines| lines.truncate(6)), ["CutOff 7-9"]);
    assert_eq!(touched(&Vec::clear), ["CutOff 1-9"]);
    let both = touched(&|lines| {
        change(&mut lines[1]);
        lines.truncate(8);
    });
    assert_eq!(both, ["Changed 2-2", "CutOff 9-9"]);
}

#[test]
fn a_file_that_is_gone_emptied_or_exchanged_is_told() {
    let written = lines(9);
    let (one, two, three) = (&written[..3], &written[3..6], &written[6..]);
    assert_eq!(found(&[one, three], &written), ["Missing 4-6"]);
    assert_eq!(found(&[two, three], &written), ["Missing 1-3"]);
    assert_eq!(found(&[one, two], &written), ["CutOff 7-9"]);
    assert_eq!(found(&[one, &[], three], &written), ["Missing 4-6"]);
    assert_eq!(found(&[one, &two[..2], three], &written), ["Missing 6-6"]);
    assert!(!found(&[two, one, three], &written).is_empty());
    let foreign: Lines = two.iter().map(|_| b"not ours\n".to_vec()).collect();
    assert_eq!(found(&[one, &foreign, three], &written), ["Changed 4-4", "Changed 5-5", "Changed 6-6"]);
}

#[test]
fn records_of_another_run_of_the_chain_do_not_fit_in() {
    let (written, other) = (lines(9), lines(9));
    let mixed: Lines = written[..4].iter().chain(&other[4..]).cloned().collect();
    assert_eq!(found(&[&mixed], &written), ["Detached 5-5", "Detached 9-9"]);
    assert_eq!(found(&[&mixed[..4], &mixed[4..]], &written)[0], "Detached 5-9");
}

proptest! {
    /// Whatever is done to the lines, it is told; and nothing is told of what was not touched.
    #[test]
    fn no_change_goes_unseen(
        order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(),
        kept in 0..=12usize,
        cut in 0..=12usize,
    ) {
        let written = lines(12);
        let left: Lines = order[..kept].iter().map(|at| written[*at].clone()).collect();
        let cut = cut.min(left.len());
        let untouched = left == written;
        prop_assert_eq!(found(&[&left[..cut], &left[cut..]], &written).is_empty(), untouched);
    }

    #[test]
    fn a_dropped_stretch_is_named_exactly(from in 0..10usize, count in 1..4usize, cut in 0..=12usize) {
        let written = lines(14);
        let mut left = written.clone();
        left.drain(from..from + count);
        let told = found(&[&left[..cut.min(left.len())], &left[cut.min(left.len())..]], &written);
        prop_assert_eq!(told, [format!("Missing {}-{}", from + 1, from + count)]);
    }
}
