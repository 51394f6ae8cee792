//! The task token: who holds it may complete one attempt of one task, whenever and over whichever protocol.
//!
//! A token is sealed, not stored: it carries the execution and the sequence of the record that dispatched the task, under a keyed
//! hash. So the same task always has the same token, a forged one does not open, and a coordinator that lost nothing but its
//! memory can still read every token that is out there. It is a bearer secret: nothing in this crate prints one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// A task token as text. Printing it shows `Token(…)`; [`Token::as_str`] is the one way to the secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// Takes any text for a token; only [`TokenKey::open`] tells whether it is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for a `correlation_id` or a response body, never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// The secret that seals and opens tokens. All coordinators of one installation share it.
#[derive(Clone)]
pub struct TokenKey(Hmac<Sha256>);

impl TokenKey {
    /// A key from a secret of any length; 32 random bytes are a good one.
    pub fn new(secret: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self(mac)
    }

    /// The token of the task that the record `sequence` of `execution` dispatched: at most 200 ASCII characters, always the same.
    pub fn seal(&self, execution: Uuid, sequence: u64) -> Token {
        let mut sealed = Vec::with_capacity(SEALED_BYTES);
        sealed.push(VERSION);
        sealed.extend_from_slice(execution.as_bytes());
        sealed.extend_from_slice(&sequence.to_be_bytes());
        let tag = self.0.clone().chain_update(&sealed).finalize().into_bytes();
        sealed.extend_from_slice(&tag[..TAG_BYTES]);
        Token(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What [`TokenKey::seal`] was given, or `None` for whatever this key did not seal. The tag is compared in constant time.
    pub fn open(&self, text: &str) -> Option<(Uuid, u64)> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        if sealed.len() != SEALED_BYTES || sealed[0] != VERSION {
            return None;
        }
        let (claim, tag) = sealed.split_at(CLAIM_BYTES);
        let mac = self.0.clone().chain_update(claim);
        mac.verify_truncated_left(tag).ok()?;
        let execution = Uuid::from_slice(&claim[1..17]).ok()?;
        let sequence = u64::from_be_bytes(claim[17..].try_into().ok()?);
        Some((execution, sequence))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenKey(…)")
    }
}

/// The layout of the sealed bytes; another layout takes another number, and this one stays readable.
const VERSION: u8 = 1;
/// Version, execution, sequence.
const CLAIM_BYTES: usize = 1 + 16 + 8;
/// How much of the HMAC-SHA256 is kept: 128 bits leave nothing to guess.
const TAG_BYTES: usize = 16;
const SEALED_BYTES: usize = CLAIM_BYTES + TAG_BYTES;
/// Longer text is no token of any version, and is not even decoded.
const TEXT_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> TokenKey {
        TokenKey::new(b"a secret of the tests")
    }

    #[test]
    fn printing_a_token_does_not_reveal_it() {
        let token = key().seal(Uuid::from_u128(7), 3);
        assert_eq!(format!("{token} {token:?}"), "Token(…) Token(…)");
    }

    #[test]
    fn a_token_stays_readable_for_ever() {
        assert_eq!(key().seal(Uuid::from_u128(7), 3).as_str(), GOLDEN);
        assert_eq!(key().open(GOLDEN), Some((Uuid::from_u128(7), 3)));
    }

    #[test]
    fn another_key_does_not_open_it() {
        let token = key().seal(Uuid::from_u128(7), 3);
        assert_eq!(TokenKey::new(b"another").open(token.as_str()), None);
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(execution: u128, sequence: u64, secret: Vec<u8>) {
            let key = TokenKey::new(&secret);
            let token = key.seal(Uuid::from_u128(execution), sequence);
            prop_assert!(token.as_str().is_ascii() && token.as_str().len() <= TEXT_BYTES_MAX);
            prop_assert_eq!(key.open(token.as_str()), Some((Uuid::from_u128(execution), sequence)));
        }

        #[test]
        fn junk_does_not_open(text: String, bytes: Vec<u8>) {
            prop_assert_eq!(key().open(&text), None);
            prop_assert_eq!(key().open(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn a_changed_token_does_not_open(place in 0..SEALED_BYTES, mask in 1..=255_u8) {
            let token = key().seal(Uuid::from_u128(7), 3);
            let mut sealed = URL_SAFE_NO_PAD.decode(token.as_str()).unwrap();
            sealed[place] ^= mask;
            prop_assert_eq!(key().open(&URL_SAFE_NO_PAD.encode(sealed)), None);
        }
    }

    /// Computed by another implementation of the layout.
    const GOLDEN: &str = "AQAAAAAAAAAAAAAAAAAAAAcAAAAAAAAAAzX_FbyryAScHj8dyvBkNaY";
}
