use super::{KeyError, KeySource, MasterKey};
use std::path::PathBuf;

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn base64_and_hexadecimal_of_32_bytes_are_the_same_key_and_nothing_else_is_one() {
    let key = MasterKey::parse(HEX).unwrap();
    let upper = HEX.to_uppercase();
    for text in [
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        upper.as_str(),
    ] {
        assert_eq!(MasterKey::parse(text).unwrap().id(), key.id(), "{text}");
    }
    let (short, long) = (&HEX[2..], format!("{HEX}20"));
    for text in ["", "correct horse battery staple", "AAEC", short, &long, &HEX.replace('0', "g")] {
        assert!(MasterKey::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_key_shows_its_id_only_and_its_text_reads_back() {
    let key = MasterKey::parse(HEX).unwrap();
    assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    assert_eq!(key.id().to_string().len(), 16);
    assert_eq!(MasterKey::parse(&key.text()).unwrap().id(), key.id());
    assert_ne!(MasterKey::random().unwrap().id(), MasterKey::random().unwrap().id());
}

#[test]
fn the_variable_wins_over_the_default_file_and_two_variables_are_refused() {
    let default = PathBuf::from("data/master.key");
    let file = |path: &str| Some(path.into());
    let choose = |key, file| KeySource::choose(key, file, default.clone());
    assert!(matches!(choose(None, None).unwrap(), KeySource::File(path) if path == default));
    assert!(matches!(choose(None, file("k")).unwrap(), KeySource::File(path) if path.ends_with("k")));
    assert!(matches!(choose(file(HEX), None).unwrap(), KeySource::Variable(_)));
    assert!(matches!(choose(file(HEX), file("k")), Err(KeyError::TwoSources)));
}

#[test]
fn a_malformed_key_is_named_by_its_variable_and_never_repeated() {
    let source = KeySource::Variable("CANARY-passphrase".to_owned().into());
    let error = source.load().unwrap_err();
    let words = format!("{error} {error:?} {source:?}");
    assert!(words.contains("MINIMCP_MASTER_KEY") && !words.contains("CANARY"), "{words}");
}
