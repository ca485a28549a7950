//! A trail over real files, by its handle.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::api::audit::{Actor, AuditResult, FindingKind};

struct Ground {
    dir: TempDir,
    full: u64,
}

impl Ground {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), full: FULL }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("audit")
    }

    fn live(&self) -> std::path::PathBuf {
        self.path().join(files::LIVE)
    }

    fn trail(&self, head: Option<Head>) -> Trail {
        let log = Logger::root(slog::Discard, slog::o!());
        let options = Options::new(self.path(), Zeroizing::new([1; 32]), head, log);
        Trail::start(Options { full: self.full, ..options }).unwrap()
    }

    /// A trail with this many records, and its newest.
    fn written(&self, count: u64) -> (Trail, Head) {
        let trail = self.trail(Some(Head::GENESIS));
        for seq in 1..=count {
            assert_eq!(trail.record_now(entry(seq)).unwrap(), seq);
        }
        let head = *trail.head().borrow();
        (trail, head)
    }
}

fn entry(n: u64) -> Entry {
    Entry::by_daemon("test", AuditResult::Done).with("n", n)
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn kinds(trail: &Trail) -> Vec<(FindingKind, u64, u64)> {
    let chain = trail.chain(true).unwrap();
    chain.problems.iter().map(|found| (found.kind, found.seq, found.to_seq)).collect()
}

#[test]
fn a_trail_goes_on_where_the_last_daemon_left_it() {
    let ground = Ground::new();
    let (trail, head) = ground.written(3);
    assert_eq!(head.seq, 3);
    drop(trail);
    // The store may lag behind the files; that is no gap.
    let trail = ground.trail(Some(Head::GENESIS));
    assert_eq!(trail.record_now(entry(4)).unwrap(), 4);
    let chain = trail.chain(false).unwrap();
    assert!(chain.verified, "{chain:?}");
    assert_eq!((chain.from_seq, chain.to_seq, chain.records), (1, 4, 4));
}

#[test]
fn a_full_file_is_put_away_and_the_chain_goes_on_in_the_next() {
    let ground = Ground { full: 600, ..Ground::new() };
    let (trail, _) = ground.written(20);
    let names = files::names(&ground.path()).unwrap();
    assert!(names.len() > 5, "{names:?}");
    assert_eq!(names[0], files::full_name(1));
    let chain = trail.chain(false).unwrap();
    assert!(chain.verified && chain.records == 20, "{chain:?}");
    drop(trail);

    // Ended right after a file was put away: the next daemon begins a new one.
    fs::rename(ground.live(), ground.path().join(files::full_name(20))).unwrap();
    let trail = ground.trail(Some(Head::GENESIS));
    assert_eq!(trail.record_now(entry(21)).unwrap(), 21);
    assert!(trail.chain(false).unwrap().verified);

    fs::remove_file(ground.path().join(&names[2])).unwrap();
    let lost = files::first_seq(&names[2]).unwrap()..files::first_seq(&names[3]).unwrap();
    assert_eq!(kinds(&trail), [(FindingKind::Missing, lost.start, lost.end - 1)]);
}

#[test]
fn a_file_that_was_checked_is_checked_again_once_it_was_touched() {
    let ground = Ground { full: 600, ..Ground::new() };
    let (trail, _) = ground.written(20);
    assert!(trail.chain(false).unwrap().verified);
    let file = ground.path().join(files::full_name(1));
    let (text, modified) =
        (fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    fs::write(&file, text.replacen("\"n\":1", "\"n\":9", 1)).unwrap();
    // Neither length nor time of change give it away.
    fs::File::options().append(true).open(&file).unwrap().set_modified(modified).unwrap();
    let chain = trail.chain(false).unwrap();
    assert_eq!((chain.problems[0].kind, chain.problems[0].seq), (FindingKind::Changed, 1));
}

#[test]
fn a_line_torn_by_a_power_cut_is_put_aside_and_recorded() {
    let ground = Ground::new();
    let (trail, head) = ground.written(3);
    drop(trail);
    let whole = fs::read_to_string(ground.live()).unwrap();
    fs::write(ground.live(), format!("{whole}{{\"seq\":4,\"at\":")).unwrap();
    let trail = ground.trail(Some(head));
    assert_eq!(trail.record_now(entry(5)).unwrap(), 5);
    assert!(trail.chain(false).unwrap().verified);
    assert!(lines(&ground.live())[3].contains("audit.repaired"));
    let aside = fs::read_to_string(ground.path().join("torn-after-00000000000000000003.part")).unwrap();
    assert_eq!(aside, "{\"seq\":4,\"at\":");
}

#[test]
fn an_end_that_was_cut_off_while_no_daemon_ran_stays_visible() {
    let ground = Ground::new();
    let (trail, head) = ground.written(6);
    drop(trail);
    let kept = lines(&ground.live())[..4].join("\n") + "\n";
    fs::write(ground.live(), kept).unwrap();
    let trail = ground.trail(Some(head));
    // Numbers are not given twice.
    assert_eq!(trail.record_now(entry(0)).unwrap(), 8);
    let gap = &lines(&ground.live())[4];
    assert!(gap.contains("audit.gap") && gap.contains("records 5 to 6 are missing"), "{gap}");
    assert_eq!(kinds(&trail), [(FindingKind::Missing, 5, 6)]);
    drop(trail);

    fs::remove_dir_all(ground.path()).unwrap();
    let trail = ground.trail(Some(head));
    assert_eq!(trail.record_now(entry(0)).unwrap(), 8);
    assert_eq!(kinds(&trail), [(FindingKind::Missing, 1, 6)]);
}

#[test]
fn a_trail_that_the_store_knows_nothing_of_is_told() {
    let ground = Ground::new();
    drop(ground.written(2));
    let trail = ground.trail(None);
    trail.record_now(entry(0)).unwrap();
    assert!(lines(&ground.live())[2].contains("the database knows nothing of this trail"));
}

#[test]
fn what_is_removed_under_the_daemon_is_missed_and_nothing_is_written_into_the_void() {
    let ground = Ground::new();
    let (trail, _) = ground.written(3);
    fs::remove_dir_all(ground.path()).unwrap();
    assert_eq!(kinds(&trail), [(FindingKind::CutOff, 1, 3)]);
    // The next record goes into a new file, behind one that tells of the gap.
    assert_eq!(trail.record_now(entry(0)).unwrap(), 5);
    assert_eq!(lines(&ground.live()).len(), 2);
    assert_eq!(kinds(&trail), [(FindingKind::Missing, 1, 3)]);
}

#[test]
fn while_the_directory_is_unusable_records_are_refused_and_then_it_goes_on() {
    let ground = Ground::new();
    let (trail, _) = ground.written(3);
    let elsewhere = ground.dir.path().join("elsewhere");
    fs::rename(ground.path(), &elsewhere).unwrap();
    fs::write(ground.path(), "in the way").unwrap();
    for _ in 0..3 {
        trail.record_now(entry(0)).unwrap_err();
    }
    assert!(trail.standing().failing && trail.standing().refused == 3);
    fs::remove_file(ground.path()).unwrap();
    fs::rename(&elsewhere, ground.path()).unwrap();
    assert_eq!(trail.record_now(entry(4)).unwrap(), 4);
    assert!(trail.chain(false).unwrap().verified && !trail.standing().failing);
}

#[test]
fn records_are_read_newest_first_by_user_action_and_part() {
    let ground = Ground { full: 900, ..Ground::new() };
    let (trail, _) = ground.written(10);
    let user = uuid::Uuid::now_v7();
    let mut special = Entry::new(Actor::daemon(Some(user)), "credential.open", AuditResult::Done);
    special.detail.insert("run".into(), 1.into());
    trail.record_now(special).unwrap();
    let read = |wanted: Wanted| {
        let part = trail.part(&wanted).unwrap();
        (part.records.iter().map(|record| record.seq).collect::<Vec<_>>(), part.before)
    };
    let three = Wanted { limit: 3, ..Wanted::default() };
    assert_eq!(read(three.clone()), (vec![11, 10, 9], Some(9)));
    assert_eq!(read(Wanted { before: Some(9), ..three.clone() }), (vec![8, 7, 6], Some(6)));
    assert_eq!(read(Wanted { before: Some(3), ..three.clone() }), (vec![2, 1], None));
    assert_eq!(read(Wanted { user_id: Some(user), ..three.clone() }), (vec![11], None));
    assert_eq!(read(Wanted { action: Some("credential.".into()), ..three.clone() }), (vec![11], None));
    assert_eq!(read(Wanted { action: Some("credential".into()), ..three.clone() }), (vec![], None));
    assert_eq!(read(Wanted { since: Some(chrono::Utc::now()), ..three }), (vec![], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_wait_together_share_a_sync() {
    let ground = Ground::new();
    let trail = ground.trail(Some(Head::GENESIS));
    let all = futures::future::join_all((0..500).map(|n| trail.record(entry(n)))).await;
    let mut numbers: Vec<u64> = all.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=500).collect::<Vec<_>>());
    let standing = trail.standing();
    assert_eq!(standing.records, 500);
    assert!(standing.syncs <= 100, "{standing:?}");
    let ground_chain = tokio::task::spawn_blocking(move || trail.chain(false).unwrap()).await.unwrap();
    assert!(ground_chain.verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_can_have_only_so_much_written() {
    let ground = Ground::new();
    let trail = ground.trail(Some(Head::GENESIS));
    for _ in 0..1_000 {
        trail.denied(Entry::new(
            Actor::nobody([127, 0, 0, 1].into()),
            "authentication.fail",
            AuditResult::Refused,
        ));
    }
    // Behind all that was taken in.
    trail.record(entry(0)).await.unwrap();
    assert_eq!(trail.standing().records, 61);
}
