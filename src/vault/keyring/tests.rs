use super::{Purpose, key_check, make, passes, rewrap, unwrap};
use crate::vault::{MasterKey, SealError};
use chrono::Utc;
use minimcp_entities::keyring::Model;
use uuid::Uuid;

const DEPLOYMENT: Uuid = Uuid::from_u128(0xD0);
const USER: Uuid = Uuid::from_u128(0x05);

fn master(digit: &str) -> MasterKey {
    MasterKey::parse(&digit.repeat(64)).unwrap()
}

fn user_key(master: &MasterKey) -> Model {
    make(master, DEPLOYMENT, Purpose::User, Some(USER), Utc::now()).unwrap()
}

#[test]
fn a_wrapped_key_opens_in_its_own_row_only() {
    let master = master("1");
    let row = user_key(&master);
    let key = unwrap(&master, DEPLOYMENT, &row).unwrap();
    let other = Uuid::from_u128(1);
    for (what, deployment, changed) in [
        ("deployment", other, row.clone()),
        ("id", DEPLOYMENT, Model { id: other.simple().to_string(), ..row.clone() }),
        ("purpose", DEPLOYMENT, Model { purpose: "pepper".into(), ..row.clone() }),
        ("user", DEPLOYMENT, Model { user_id: Some(other), ..row.clone() }),
        ("no user", DEPLOYMENT, Model { user_id: None, ..row.clone() }),
    ] {
        assert_eq!(unwrap(&master, deployment, &changed).err(), Some(SealError::Forged), "{what}");
    }
    for bit in 0..row.wrapped.len() * 8 {
        let mut flipped = row.clone();
        flipped.wrapped[bit / 8] ^= 1 << (bit % 8);
        assert!(unwrap(&master, DEPLOYMENT, &flipped).is_err(), "bit {bit}");
    }
    assert_eq!(unwrap(&master, DEPLOYMENT, &row).unwrap().expose(), key.expose());
}

#[test]
fn a_key_stays_the_same_under_another_master_key() {
    let (old, new) = (master("1"), master("2"));
    let row = user_key(&old);
    let moved = rewrap(&old, &new, DEPLOYMENT, row.clone()).unwrap();
    assert_eq!(moved.kek_id, new.id().to_string());
    assert_eq!((&moved.id, moved.user_id, moved.created_at), (&row.id, row.user_id, row.created_at));
    let before = unwrap(&old, DEPLOYMENT, &row).unwrap();
    assert_eq!(unwrap(&new, DEPLOYMENT, &moved).unwrap().expose(), before.expose());
    let refused = unwrap(&old, DEPLOYMENT, &moved).err();
    assert_eq!(refused, Some(SealError::OtherKey { needed: new.id(), present: old.id() }));
}

#[test]
fn new_keys_are_random_and_not_in_their_rows() {
    let master = master("1");
    let (one, other) = (user_key(&master), user_key(&master));
    let key = unwrap(&master, DEPLOYMENT, &one).unwrap();
    assert_ne!(key.expose(), unwrap(&master, DEPLOYMENT, &other).unwrap().expose());
    assert_ne!(one.id, other.id);
    assert!(!one.wrapped.windows(32).any(|window| window == key.expose()));
}

#[test]
fn the_key_check_passes_under_its_own_master_key_and_deployment_only() {
    let (right, wrong) = (master("1"), master("2"));
    let check = key_check(&right, DEPLOYMENT).unwrap();
    assert!(passes(&right, DEPLOYMENT, &check).is_ok());
    assert!(passes(&wrong, DEPLOYMENT, &check).is_err());
    assert!(passes(&right, Uuid::nil(), &check).is_err());
}
