//! Sealing and opening a record of 1 KiB, beside the cipher alone with the key at hand.

use std::hint::black_box;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use chrono::Utc;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use minimcp::vault::{MasterKey, Scope, Vault};
use uuid::Uuid;

const RECORD: [u8; 1024] = [0xA5; 1024];

fn records(c: &mut Criterion) {
    let (vault, _) = Vault::found(MasterKey::random().expect("randomness")).expect("a vault");
    let (user, id) = (Uuid::now_v7(), Uuid::now_v7());
    vault.hold(vault.new_user_key(user, Utc::now()).expect("a key"));
    let scope = Scope::credential(user, &id, "github", 1);
    let sealed = vault.seal(&scope, &RECORD).expect("sealed");

    let cipher = Aes256GcmSiv::new(&[0x5A; 32].into());
    let nonce = Nonce::from([7; 12]);
    // As long as what the vault binds a record to.
    let aad = [0x11; 130];
    let bare = cipher.encrypt(&nonce, Payload { msg: &RECORD, aad: &aad }).expect("encrypted");

    let mut group = c.benchmark_group("1 KiB");
    group.throughput(Throughput::Bytes(1024));
    group.bench_function("encrypt, the cipher alone", |bench| {
        bench.iter(|| cipher.encrypt(&nonce, Payload { msg: black_box(&RECORD), aad: &aad }));
    });
    group.bench_function("seal", |bench| bench.iter(|| vault.seal(&scope, black_box(&RECORD))));
    group.bench_function("decrypt, the cipher alone", |bench| {
        bench.iter(|| cipher.decrypt(&nonce, Payload { msg: black_box(&bare), aad: &aad }));
    });
    group.bench_function("open", |bench| bench.iter(|| vault.open(&scope, black_box(&sealed))));
    group.finish();
}

criterion_group!(benches, records);
criterion_main!(benches);
