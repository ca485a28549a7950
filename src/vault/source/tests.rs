use super::{KeyError, KeySource, Place};
use std::ffi::OsString;
use std::path::PathBuf;

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn choose(set: &[(&str, &str)]) -> Result<KeySource, KeyError> {
    let variable =
        |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    KeySource::choose(variable, PathBuf::from("data/master.key"))
}

#[test]
fn one_source_is_taken_and_of_two_both_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let secrets = directory.path().to_str().unwrap();
    let place = |set: &[_]| choose(set).unwrap().place().clone();
    assert_eq!(place(&[]), Place::Own("data/master.key".into()));
    assert_eq!(place(&[("MINIMCP_MASTER_KEY_FILE", "k")]), Place::Given("k".into()));
    assert_eq!(place(&[("MINIMCP_MASTER_KEY", HEX)]), Place::Variable);
    assert_eq!(
        place(&[("CREDENTIALS_DIRECTORY", secrets)]),
        Place::Own("data/master.key".into()),
        "a service may have other secrets only"
    );
    std::fs::write(directory.path().join("minimcp.key"), HEX).unwrap();
    assert_eq!(
        place(&[("CREDENTIALS_DIRECTORY", secrets)]),
        Place::Given(directory.path().join("minimcp.key"))
    );
    let all =
        [("MINIMCP_MASTER_KEY", HEX), ("MINIMCP_MASTER_KEY_FILE", "k"), ("CREDENTIALS_DIRECTORY", secrets)];
    for pair in [[all[0], all[1]], [all[0], all[2]], [all[1], all[2]]] {
        let words = choose(&pair).unwrap_err().to_string();
        assert!(pair.iter().all(|(name, _)| words.contains(name)) && !words.contains(HEX), "{words}");
    }
}

#[test]
fn a_malformed_key_is_named_by_its_variable_and_never_repeated() {
    for text in ["CANARY-passphrase", &HEX[2..], &format!("{HEX}20"), "CANARY=!"] {
        let source = KeySource::variable(text);
        let error = source.load().unwrap_err();
        let words = format!("{error} {error:?} {source:?}");
        assert!(words.contains("MINIMCP_MASTER_KEY") && !words.contains(text), "{words}");

        let source = KeySource::variable(HEX).after(format!("{HEX};{text}"));
        let error = source.previous().unwrap_err();
        let words = format!("{error} {error:?} {source:?}");
        assert!(words.contains("MINIMCP_MASTER_KEYS_PREVIOUS") && !words.contains(text), "{words}");
    }
}

#[test]
fn keys_before_are_separated_by_semicolons() {
    let source = KeySource::variable(HEX).after(format!(" {HEX} ; {} ;", "11".repeat(32)));
    let ids: Vec<_> = source.previous().unwrap().iter().map(|key| key.id()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], source.load().unwrap().unwrap().id());
    assert!(KeySource::variable(HEX).previous().unwrap().is_empty());
}

#[test]
fn a_file_that_was_asked_for_and_is_not_there_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("typo.key");
    let source = choose(&[("MINIMCP_MASTER_KEY_FILE", path.to_str().unwrap())]).unwrap();
    let words = source.load_or_make().unwrap_err().to_string();
    assert!(words.contains("typo.key") && !path.exists(), "{words}");
}
