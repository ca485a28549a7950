//! Tokens: what a caller shows to be let in.
//!
//! ```text
//! mmcp_api_<43 characters><6 characters>     mmcp_inst_<43 characters><6 characters>
//! ```
//! The 43 characters are 256 random bits in base 62, the 6 a checksum over all before them, by which scanners
//! know a leaked token from a likeness and a mistyped one is refused without a look at the store. Kept is only
//! the HMAC-SHA-256 under a pepper that is not in the store, so a stolen store lets nobody in.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::SealError;
use super::keyring::DataKey;

/// What is kept of a token.
pub type TokenHash = [u8; 32];

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The smallest number of digits that holds 256 bits.
const SECRET_LENGTH: usize = 43;
/// The smallest number of digits that holds 32 bits.
const CHECKSUM_LENGTH: usize = 6;
const HINT_LENGTH: usize = 4;

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// The API, as its user.
    Api,
    /// The gateway of one instance.
    Instance,
}

impl TokenKind {
    /// What its tokens begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Api => "mmcp_api_",
            Self::Instance => "mmcp_inst_",
        }
    }
}

/// A well-formed token, which need not be a valid one. Shows its kind only.
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    text: SecretString,
}

/// A token that was just made.
#[derive(Debug)]
pub struct Minted {
    /// The token, to be shown once.
    pub token: Token,
    /// What to keep of it.
    pub hash: TokenHash,
    /// Its last four characters, to tell one from another in a list.
    pub hint: String,
}

/// A text that is no token. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is malformed or mistyped")]
pub struct NotAToken;

impl Token {
    /// A new one from the operating system.
    pub(super) fn random(kind: TokenKind) -> Result<Self, SealError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(SealError::NoRandomness)?;
        let mut text = String::with_capacity(kind.prefix().len() + SECRET_LENGTH + CHECKSUM_LENGTH);
        text.push_str(kind.prefix());
        push_base62(&mut text, &mut *secret, SECRET_LENGTH);
        let checksum = crc32(text.as_bytes());
        push_base62(&mut text, &mut checksum.to_be_bytes(), CHECKSUM_LENGTH);
        Ok(Self { kind, text: text.into() })
    }

    /// From the text a caller shows.
    ///
    /// # Errors
    /// [`NotAToken`] if it cannot be one, whatever the store holds.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let kinds = [TokenKind::Api, TokenKind::Instance];
        let kind = kinds.into_iter().find(|kind| text.starts_with(kind.prefix())).ok_or(NotAToken)?;
        let digits = &text[kind.prefix().len()..];
        if digits.len() != SECRET_LENGTH + CHECKSUM_LENGTH
            || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric())
        {
            return Err(NotAToken);
        }
        let (body, shown) = text.split_at(text.len() - CHECKSUM_LENGTH);
        let mut checksum = String::with_capacity(CHECKSUM_LENGTH);
        push_base62(&mut checksum, &mut crc32(body.as_bytes()).to_be_bytes(), CHECKSUM_LENGTH);
        if shown != checksum {
            return Err(NotAToken);
        }
        Ok(Self { kind, text: text.to_owned().into() })
    }

    /// What it opens.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The token itself, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The last four characters, which belong to the checksum and so tell nothing of the secret itself.
    pub(super) fn hint(&self) -> String {
        let text = self.expose();
        text[text.len() - HINT_LENGTH..].to_owned()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}...)", self.kind.prefix())
    }
}

/// The key that tokens are hashed under.
pub(super) struct Pepper(DataKey);

impl Pepper {
    pub(super) fn of(key: DataKey) -> Self {
        Self(key)
    }

    pub(super) fn hash(&self, token: &Token) -> TokenHash {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes a key of any length");
        mac.update(token.expose().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Appends `number`, a big-endian one, in `length` digits of base 62. Uses `number` up.
fn push_base62(text: &mut String, number: &mut [u8], length: usize) {
    let mut digits = Zeroizing::new(vec![0; length]);
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in number.iter_mut() {
            let value = remainder << 8 | u32::from(*byte);
            // A remainder is below 62, so the quotient is below 62 * 256 / 62 + 5 and fits.
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    text.extend(digits.iter().map(|digit| char::from(*digit)));
}

/// What each byte does to a CRC-32. Every request through the gateway has its token checked.
const CRC_OF_BYTE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// CRC-32 as in zip and PNG (ISO 3309): the polynomial 0x04C11DB7, reflected.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (crc >> 8) ^ CRC_OF_BYTE[((crc ^ u32::from(*byte)) & 0xFF) as usize])
}

#[cfg(test)]
mod tests {
    use super::{Pepper, Token, TokenKind, crc32, push_base62};
    use crate::vault::keyring::DataKey;
    use std::collections::HashSet;

    const KINDS: [TokenKind; 2] = [TokenKind::Api, TokenKind::Instance];

    #[test]
    fn a_minted_token_has_its_shape_and_reads_back() {
        for kind in KINDS {
            let token = Token::random(kind).unwrap();
            let digits = token.expose().strip_prefix(kind.prefix()).unwrap();
            assert_eq!(digits.len(), 49);
            assert!(digits.bytes().all(|digit| digit.is_ascii_alphanumeric()));
            assert_eq!(Token::parse(token.expose()).unwrap().kind(), kind);
        }
    }

    #[test]
    fn tokens_do_not_repeat() {
        let tokens: HashSet<String> =
            (0..10_000).map(|_| Token::random(TokenKind::Api).unwrap().expose().to_owned()).collect();
        assert_eq!(tokens.len(), 10_000);
    }

    #[test]
    fn a_mistyped_token_is_refused_wherever_the_mistake_is() {
        let token = Token::random(TokenKind::Instance).unwrap();
        let text = token.expose();
        for place in 0..text.len() {
            for wrong in ["x", "7", "_", "é"] {
                let mut mistyped = text.to_owned();
                mistyped.replace_range(place..=place, wrong);
                assert_eq!(Token::parse(&mistyped).is_ok(), mistyped == text, "{mistyped}");
            }
        }
        let other_kind = text.replace("inst", "api");
        for text in
            ["", "mmcp_api_", &text[..text.len() - 1], &format!("{text}0"), &format!(" {text}"), &other_kind]
        {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_depends_on_the_key_and_on_every_character() {
        let (one, other_key) = (DataKey::random().unwrap(), DataKey::random().unwrap());
        let (one, other_key) = (Pepper::of(one), Pepper::of(other_key));
        let (token, other) = (Token::random(TokenKind::Api).unwrap(), Token::random(TokenKind::Api).unwrap());
        assert_eq!(one.hash(&token), one.hash(&token));
        assert_ne!(one.hash(&token), other_key.hash(&token));
        assert_ne!(one.hash(&token), one.hash(&other));
    }

    #[test]
    fn debug_shows_the_kind_only() {
        let token = Token::random(TokenKind::Api).unwrap();
        assert_eq!(format!("{token:?}"), "Token(mmcp_api_...)");
    }

    #[test]
    fn base_62_fills_with_zeros_and_holds_the_largest_number() {
        let digits = |number: &mut [u8], length| {
            let mut text = String::new();
            push_base62(&mut text, number, length);
            text
        };
        assert_eq!(digits(&mut [0; 32], 43), "0".repeat(43));
        assert_eq!(digits(&mut [61], 2), "0z");
        assert_eq!(digits(&mut [62], 2), "10");
        assert_eq!(digits(&mut [0xff; 4], 6), "4gfFC3");
        let mut largest = [0xff; 32];
        assert_ne!(&digits(&mut largest, 43)[..1], "0", "43 digits are not one too many");
        assert_eq!(largest, [0; 32], "43 digits are enough");
    }

    /// The check value of the CRC catalogue for CRC-32/ISO-HDLC.
    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
