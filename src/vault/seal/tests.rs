use std::collections::HashSet;
use std::sync::LazyLock;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use uuid::Uuid;
use zeroize::ZeroizeOnDrop;

use super::{HEADER_LENGTH, NONCE_LENGTH, Scope, SealError, key_id, nonce, open, seal};
use crate::vault::MasterKey;

const DEPLOYMENT: Uuid = Uuid::from_u128(0xD0);
const USER: Uuid = Uuid::from_u128(0x05);
const RECORD: Uuid = Uuid::from_u128(0xC0);

static MASTER: LazyLock<MasterKey> = LazyLock::new(|| MasterKey::parse(&"5a".repeat(32)).unwrap());

fn place() -> Scope<'static> {
    Scope::credential(USER, &RECORD, "github", 1)
}

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    seal(&MASTER, DEPLOYMENT, &place(), plaintext).unwrap()
}

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
fn the_layout_is_as_documented() {
    let sealed = sealed(b"four");
    assert_eq!(sealed[..2], [1, 1]);
    assert_eq!(&sealed[2..18], MASTER.id().as_bytes());
    assert_eq!(sealed.len(), 2 + 16 + 12 + 4 + 16);
    assert_eq!(key_id(&sealed), Ok(MASTER.id()));
}

#[test]
fn every_single_bit_flip_and_every_cut_is_rejected() {
    let sealed = sealed(br#"{"api_key":"CANARY"}"#);
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&MASTER, DEPLOYMENT, &place(), &flipped).is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(open(&MASTER, DEPLOYMENT, &place(), &sealed[..length]).is_err(), "length {length}");
    }
    assert!(open(&MASTER, DEPLOYMENT, &place(), &sealed).is_ok());
}

#[test]
fn a_record_opens_at_its_own_place_only() {
    let sealed = sealed(b"secret");
    let other = Uuid::from_u128(0x0E);
    let elsewhere = [
        ("user", DEPLOYMENT, Scope::credential(other, &RECORD, "github", 1)),
        ("record", DEPLOYMENT, Scope::credential(USER, &other, "github", 1)),
        ("type", DEPLOYMENT, Scope::credential(USER, &RECORD, "gmail", 1)),
        ("version", DEPLOYMENT, Scope::credential(USER, &RECORD, "github", 2)),
        ("deployment", other, place()),
        ("purpose", DEPLOYMENT, Scope { purpose: "minimcp/answer/1", ..place() }),
    ];
    for (what, deployment, scope) in elsewhere {
        assert_eq!(open(&MASTER, deployment, &scope, &sealed), Err(SealError::Forged), "{what}");
    }
    assert_eq!(open(&MASTER, DEPLOYMENT, &place(), &sealed).unwrap().as_slice(), b"secret");
}

#[test]
fn parts_of_a_place_never_run_together() {
    let split = |record: &'static str, kind| Scope { record: record.as_bytes(), kind, ..place() };
    let sealed = seal(&MASTER, DEPLOYMENT, &split("ab", "c"), b"secret").unwrap();
    assert_eq!(open(&MASTER, DEPLOYMENT, &split("a", "bc"), &sealed), Err(SealError::Forged));
    assert_eq!(open(&MASTER, DEPLOYMENT, &split("abc", ""), &sealed), Err(SealError::Forged));
}

#[test]
fn another_key_is_named_and_unknown_formats_are_refused() {
    let sealed = sealed(b"secret");
    let other = MasterKey::parse(&"a5".repeat(32)).unwrap();
    let refused = open(&other, DEPLOYMENT, &place(), &sealed).unwrap_err();
    assert_eq!(refused, SealError::OtherKey { needed: MASTER.id(), present: other.id() });
    for (byte, error) in [(0, SealError::UnknownFormat(7)), (1, SealError::UnknownAlgorithm(7))] {
        let mut changed = sealed.clone();
        changed[byte] = 7;
        assert_eq!(open(&MASTER, DEPLOYMENT, &place(), &changed), Err(error));
    }
    assert_eq!(open(&MASTER, DEPLOYMENT, &place(), &[]), Err(SealError::Truncated));
}

#[test]
fn nonces_never_repeat() {
    let nonces: HashSet<_> = (0..100_000).map(|_| nonce().unwrap()).collect();
    assert_eq!(nonces.len(), 100_000);
    let sealed: HashSet<_> =
        (0..100).map(|_| sealed(b"the same")[HEADER_LENGTH..][..NONCE_LENGTH].to_vec()).collect();
    assert_eq!(sealed.len(), 100, "each seal takes a new one");
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

proptest! {
    #[test]
    fn what_was_sealed_opens_again_for_the_same_place(
        plaintext in any::<Vec<u8>>(),
        user in any::<u128>(),
        record in any::<u128>(),
        kind in "[a-z0-9-]{0,63}",
        version in any::<i64>(),
    ) {
        let record = Uuid::from_u128(record);
        let scope = Scope::credential(Uuid::from_u128(user), &record, &kind, version);
        let sealed = seal(&MASTER, DEPLOYMENT, &scope, &plaintext).unwrap();
        let opened = open(&MASTER, DEPLOYMENT, &scope, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
        prop_assert!(open(&MASTER, DEPLOYMENT, &place(), &bytes).is_err());
    }
}
