//! From what a person types to an id: a whole id, a unique prefix of one, or a name.

use uuid::Uuid;

use super::failure::Failure;

/// Something that can be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its id.
    pub(crate) id: Uuid,
    /// What its owner calls it.
    pub(crate) name: Option<String>,
    /// What tells it from others, such as its type and status.
    pub(crate) note: String,
}

/// A whole id, which needs no list to be understood.
pub(crate) fn whole(wanted: &str) -> Option<Uuid> {
    // Uuid also reads forms in braces and without dashes; both are whole ids.
    wanted.parse().ok()
}

/// The one that is meant. A name counts before a prefix, so that a name like `a1` always works.
///
/// `noun` is what the candidates are, `list` the command that lists them.
pub(crate) fn pick(wanted: &str, candidates: &[Candidate], noun: &str, list: &str) -> Result<Uuid, Failure> {
    let prefix = wanted.to_ascii_lowercase();
    let named: Vec<&Candidate> =
        candidates.iter().filter(|candidate| candidate.name.as_deref() == Some(wanted)).collect();
    let meant = if named.is_empty() && !prefix.is_empty() {
        candidates.iter().filter(|candidate| candidate.id.to_string().starts_with(&prefix)).collect()
    } else {
        named
    };
    match meant.as_slice() {
        [one] => Ok(one.id),
        [] => Err(Failure::new(format!("there is no {noun} with the id or name `{wanted}`"))
            .next(format!("`{list}` shows yours"))),
        several => {
            let failure = Failure::new(format!("`{wanted}` means {} of your {noun}s", several.len()))
                .next("write more of the id of one of them:");
            Err(several.iter().take(10).fold(failure, |failure, candidate| {
                let name = candidate.name.as_deref().unwrap_or("-");
                failure.next(format!("{}  {name}  {}", candidate.id, candidate.note))
            }))
        }
    }
}

/// How many characters of the ids of a list tell them all apart. The first 13 of an id hold its time to the
/// millisecond, which mostly is enough.
pub(crate) fn telling_length(ids: &[Uuid]) -> usize {
    let mut texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    texts.sort_unstable();
    let shared = texts.windows(2).map(|pair| {
        let [one, other] = pair else { return 0 };
        one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
    });
    let needed = shared.max().unwrap_or(0) + 1;
    needed.clamp(13, 36)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, name: Option<&str>) -> Candidate {
        Candidate { id: id.parse().unwrap(), name: name.map(str::to_owned), note: "github, running".into() }
    }

    fn three() -> Vec<Candidate> {
        vec![
            candidate("0192f3a4-5b6c-7000-8000-000000000001", Some("work")),
            candidate("0192f3a4-5b6c-7000-8000-000000000002", None),
            candidate("0292f3a4-5b6c-7000-8000-000000000003", Some("0192")),
        ]
    }

    fn ends_with(wanted: &str) -> Result<char, String> {
        pick(wanted, &three(), "instance", "minimcp ls")
            .map(|id| id.to_string().pop().unwrap())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn names_and_unique_prefixes_are_understood() {
        assert_eq!(ends_with("work"), Ok('1'));
        assert_eq!(ends_with("02"), Ok('3'));
        assert_eq!(ends_with("0292F3A4-5B"), Ok('3'));
        assert_eq!(ends_with("0192f3a4-5b6c-7000-8000-000000000002"), Ok('2'));
        // A name counts before a prefix.
        assert_eq!(ends_with("0192"), Ok('3'));
    }

    #[test]
    fn what_is_unclear_names_the_candidates_and_what_is_unknown_the_list() {
        let unclear = ends_with("0192f").unwrap_err();
        assert!(unclear.contains("means 2 of your instances"), "{unclear}");
        assert!(unclear.contains("000000000001  work") && unclear.contains("000000000002  -"), "{unclear}");
        assert!(ends_with("home").unwrap_err().contains("`minimcp ls`"));
        assert!(ends_with("").is_err());
    }

    #[test]
    fn ids_are_shown_as_long_as_it_takes_to_tell_them_apart() {
        let ids: Vec<Uuid> = three().iter().map(|candidate| candidate.id).collect();
        assert_eq!(telling_length(&ids), 36);
        assert_eq!(telling_length(&ids[1..]), 13);
        assert_eq!(telling_length(&[]), 13);
    }
}
