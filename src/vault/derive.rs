//! Keys for single purposes out of the master key.
//!
//! HKDF-Expand (RFC 5869, section 2.3) with SHA-256. The extract step is left out, as section 3.3 allows,
//! because the master key is uniformly random; 32 bytes are one block, so one HMAC is all there is to it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a derived key.
pub(super) const KEY_LENGTH: usize = 32;

/// The key for the purpose that `info` names: parts of fixed length or with their length before them, so that
/// two purposes never read alike.
pub(super) fn key(master: &[u8; KEY_LENGTH], info: &[&[u8]]) -> Zeroizing<[u8; KEY_LENGTH]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(master).expect("HMAC takes a key of any length");
    for part in info {
        mac.update(part);
    }
    mac.update(&[1]);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::key;

    /// RFC 5869, appendix A.1, the first block of its output.
    #[test]
    fn expands_as_in_rfc_5869() {
        let pseudorandom_key = [
            0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f, 0x0d, 0xc4, 0x7b, 0xba, 0x63,
            0x90, 0xb6, 0xc7, 0x3b, 0xb5, 0x0f, 0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a, 0xd7, 0xc2, 0xb3, 0xe5,
        ];
        let output = [
            0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a,
            0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf,
        ];
        let info: [u8; 10] = std::array::from_fn(|n| 0xf0 + n as u8);
        assert_eq!(*key(&pseudorandom_key, &[&info[..4], &info[4..]]), output);
    }
}
