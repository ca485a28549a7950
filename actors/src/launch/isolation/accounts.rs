//! Which user ids are somebody's already. Pure: texts in, ranges out.

use std::ops::Range;

/// Where a range begins that nobody asked for otherwise.
const USUAL: u32 = 400_000;
/// Beyond the users of the machine, and before what systemd hands out.
const FREE: Range<u32> = 65_536..524_288;

/// The ids that a file like `/etc/passwd` or `/etc/group` names, one by one.
pub(super) fn named(file: &str) -> impl Iterator<Item = (Range<u32>, String)> {
    file.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        Some((id..id.saturating_add(1), name.to_owned()))
    })
}

/// The ids that a file like `/etc/subuid` or `/etc/subgid` gives to somebody.
pub(super) fn subordinate(file: &str) -> impl Iterator<Item = (Range<u32>, String)> {
    file.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.trim().parse().ok()?;
        Some((first..first.saturating_add(count), name.to_owned()))
    })
}

/// A range of `count` ids that is nobody's: from `base` if that is asked for, else wherever there is one.
///
/// # Errors
/// Words on whose it is, and what to set instead.
pub(super) fn choose(
    base: Option<u32>,
    count: u32,
    taken: &[(Range<u32>, String)],
) -> Result<Range<u32>, String> {
    let overlap = |first: u32| {
        let range = first..first.saturating_add(count);
        taken.iter().find(|(other, _)| other.start < range.end && range.start < other.end)
    };
    let places = std::iter::once(USUAL).chain((FREE.start..FREE.end).step_by(4_096));
    let mut free =
        places.filter(|first| first.saturating_add(count) <= FREE.end && overlap(*first).is_none());
    let Some(base) = base else {
        let first = free.next();
        return first.map(|first| first..first + count).ok_or_else(|| {
            format!("there are no {count} user ids in a row that are nobody's; set isolation.uid-count lower")
        });
    };
    if base < 1_000 || base.checked_add(count).is_none() {
        return Err("user ids begin at 1000 and end at 4294967295; set isolation.uid-base within".into());
    }
    match overlap(base) {
        None => Ok(base..base + count),
        Some((theirs, name)) => {
            let instead = free.next().map_or(String::new(), |first| format!(", {first} for instance"));
            Err(format!(
                "the user ids {} to {} belong to {name}; set isolation.uid-base to where {count} are nobody's{instead}",
                theirs.start,
                theirs.end - 1
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nodd\n\nann:x:400010:400010::/home/ann:/bin/sh\n";
    const SUBUID: &str = "ann:100000:65536\nben:165536:65536\n# none\n";

    #[test]
    fn the_files_of_the_system_are_read_and_what_is_no_entry_is_passed_over() {
        let names = |(range, name): (Range<u32>, String)| (range.start, range.end, name);
        let passwd: Vec<_> = named(PASSWD).map(names).collect();
        assert_eq!(passwd, [(0, 1, "root".into()), (400_010, 400_011, "ann".into())]);
        let subuid: Vec<_> = subordinate(SUBUID).map(names).collect();
        assert_eq!(subuid, [(100_000, 165_536, "ann".into()), (165_536, 231_072, "ben".into())]);
    }

    #[test]
    fn a_range_that_somebody_has_is_refused_by_their_name_and_another_told() {
        let taken: Vec<_> = named(PASSWD).chain(subordinate(SUBUID)).collect();
        let refused = choose(Some(400_000), 65_536, &taken).unwrap_err();
        assert!(refused.contains("belong to ann") && refused.contains("233472"), "{refused}");
        assert!(choose(Some(164_000), 10, &taken).unwrap_err().contains("belong to ann"));
        assert_eq!(choose(Some(231_072), 10, &taken), Ok(231_072..231_082));
        for base in [0, 999, u32::MAX] {
            assert!(choose(Some(base), 10, &[]).is_err(), "{base}");
        }
    }

    #[test]
    fn where_nothing_is_asked_for_the_first_free_range_is_taken() {
        assert_eq!(choose(None, 65_536, &[]), Ok(400_000..465_536));
        let taken: Vec<_> = named(PASSWD).chain(subordinate(SUBUID)).collect();
        let range = choose(None, 65_536, &taken).unwrap();
        assert!(taken.iter().all(|(other, _)| other.end <= range.start || range.end <= other.start));
        assert!(choose(None, 500_000, &taken).is_err());
    }
}
