use super::keyring::DataKey;
use super::{KeySource, MasterKey, Minted, Scope, SealError, Token, TokenKind, Vault, envelope, key_of};
use crate::catalog::credentials::Credentials;
use chrono::Utc;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::collections::HashSet;
use std::sync::LazyLock;
use uuid::Uuid;

const USER: Uuid = Uuid::from_u128(0x05);
const OTHER: Uuid = Uuid::from_u128(0x0E);
const RECORD: Uuid = Uuid::from_u128(0xC0);

/// A vault that has the keys of two users.
static VAULT: LazyLock<Vault> = LazyLock::new(vault);

fn vault() -> Vault {
    let (vault, _) = Vault::found(MasterKey::random().unwrap()).unwrap();
    for user in [USER, OTHER] {
        vault.hold(vault.new_user_key(user, Utc::now()).unwrap());
    }
    vault
}

fn place() -> Scope<'static> {
    Scope::credential(USER, &RECORD, "github", 1)
}

/// Compiles only while none of the types has the trait: with it, there would be two candidates.
macro_rules! assert_none_has {
    ($trait:path: $($type:ty),+) => {{
        trait Plain<Witness> {
            fn holds() -> bool {
                true
            }
        }
        struct Has;
        impl<T> Plain<()> for T {}
        impl<T: $trait> Plain<Has> for T {}
        $(assert!(<$type as Plain<_>>::holds());)+
    }};
}

#[test]
fn no_secret_can_be_serialised_and_no_data_key_shown() {
    assert_none_has!(serde::Serialize: MasterKey, DataKey, Vault, Token, Minted, KeySource, Credentials);
    assert_none_has!(std::fmt::Debug: DataKey, super::tokens::Pepper, super::keyring::Slot);
}

#[test]
fn a_record_opens_at_its_own_place_only() {
    let sealed = VAULT.seal(&place(), b"secret").unwrap();
    for (what, scope) in [
        ("user", Scope::credential(OTHER, &RECORD, "github", 1)),
        ("record", Scope::credential(USER, &OTHER, "github", 1)),
        ("type", Scope::credential(USER, &RECORD, "gmail", 1)),
        ("version", Scope::credential(USER, &RECORD, "github", 2)),
        ("purpose", Scope::answer(USER, "github")),
    ] {
        assert_eq!(VAULT.open(&scope, &sealed), Err(SealError::Forged), "{what}");
    }
    assert_eq!(VAULT.open(&place(), &sealed).unwrap().as_slice(), b"secret");
}

#[test]
fn parts_of_a_place_never_run_together() {
    let sealed = VAULT.seal(&Scope::answer(USER, "ab"), b"secret").unwrap();
    assert_eq!(VAULT.open(&Scope::answer(USER, "abc"), &sealed), Err(SealError::Forged));
    assert_ne!(envelope::parts(&[b"ab", b"c"]), envelope::parts(&[b"a", b"bc"]));
    assert_ne!(envelope::parts(&[b"abc", b""]), envelope::parts(&[b"abc"]));
}

#[test]
fn a_key_that_is_not_there_is_named_and_unknown_formats_are_refused() {
    let sealed = VAULT.seal(&place(), b"secret").unwrap();
    let needed = Uuid::from_slice(&sealed[2..18]).unwrap();
    assert_eq!(key_of(&sealed), Some(needed.simple().to_string()));
    let refused = vault().open(&place(), &sealed).unwrap_err();
    assert_eq!(refused, SealError::MissingKey(needed));
    assert!(refused.to_string().contains(&needed.simple().to_string()));
    for (byte, error) in [(0, SealError::UnknownFormat(7)), (1, SealError::UnknownAlgorithm(7))] {
        let mut changed = sealed.clone();
        changed[byte] = 7;
        assert_eq!(VAULT.open(&place(), &changed), Err(error));
        assert_eq!(VAULT.lacks_key_of(&changed), Some(error));
    }
    assert_eq!(VAULT.open(&place(), &[]), Err(SealError::Truncated));
}

#[test]
fn nothing_is_sealed_for_a_user_without_a_key_and_nothing_opens_once_it_is_gone() {
    let vault = vault();
    let nobody = Uuid::from_u128(9);
    let scope = Scope::credential(nobody, &RECORD, "github", 1);
    assert_eq!(vault.seal(&scope, b"x"), Err(SealError::NoUserKey(nobody)));
    let sealed = vault.seal(&place(), b"secret").unwrap();
    vault.forget_user(USER);
    assert!(matches!(vault.open(&place(), &sealed), Err(SealError::MissingKey(_))));
    assert_eq!(vault.seal(&place(), b"x"), Err(SealError::NoUserKey(USER)));
    assert!(vault.seal(&Scope::answer(OTHER, "k"), b"x").is_ok());
}

#[test]
fn the_same_text_sealed_a_hundred_thousand_times_never_gives_the_same_bytes() {
    let blobs: HashSet<Vec<u8>> =
        (0..100_000).map(|_| VAULT.seal(&place(), b"the same").unwrap().split_off(18)).collect();
    assert_eq!(blobs.len(), 100_000);
}

#[test]
fn a_key_that_has_sealed_its_fill_seals_no_more_and_still_opens() {
    let vault = vault();
    let sealed = vault.seal(&place(), b"secret").unwrap();
    let used = |seals: u64| {
        let mut row = vault.new_user_key(USER, Utc::now()).unwrap();
        row.seals = i64::try_from(seals).unwrap();
        vault.hold(row);
    };
    used(super::MAX_SEALS - 1);
    let last = vault.seal(&place(), b"last").unwrap();
    assert!(matches!(vault.seal(&place(), b"x"), Err(SealError::UsedUp(_))));
    assert_eq!(vault.open(&place(), &last).unwrap().as_slice(), b"last");
    assert_eq!(vault.open(&place(), &sealed).unwrap().as_slice(), b"secret");
}

#[test]
fn a_token_matches_what_was_kept_of_it_in_the_same_deployment_only() {
    let (one, other) = (vault(), vault());
    let minted = one.mint(TokenKind::Instance).unwrap();
    assert!(one.matches(&minted.token, &minted.hash));
    assert!(!other.matches(&minted.token, &minted.hash));
    assert!(!one.matches(&minted.token, &minted.hash[..31]));
    let another = one.mint(TokenKind::Instance).unwrap();
    assert!(!one.matches(&another.token, &minted.hash));
    assert!(minted.token.expose().ends_with(&minted.hint));
}

#[test]
fn each_purpose_has_a_key_of_its_own() {
    let vault = vault();
    let keys = [*vault.audit_key(), *vault.0.rows.expose()];
    assert_ne!(keys[0], keys[1]);
    assert_ne!(*VAULT.audit_key(), keys[0]);
    assert_ne!(vault.row_mac(b"a"), vault.row_mac(b"b"));
}

#[test]
fn a_vault_shows_the_id_of_its_key_only() {
    let vault = vault();
    assert_eq!(format!("{vault:?}"), format!("Vault {{ key_id: {}, .. }}", vault.key_id()));
}

proptest! {
    #[test]
    fn what_was_sealed_opens_again_for_the_same_place(
        plaintext in any::<Vec<u8>>(),
        record in any::<u128>(),
        kind in "[a-z0-9-]{0,63}",
        version in any::<i64>(),
    ) {
        let record = Uuid::from_u128(record);
        let scope = Scope::credential(USER, &record, &kind, version);
        let sealed = VAULT.seal(&scope, &plaintext).unwrap();
        let opened = VAULT.open(&scope, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in any::<Vec<u8>>()) {
        prop_assert!(VAULT.open(&place(), &bytes).is_err());
    }
}
