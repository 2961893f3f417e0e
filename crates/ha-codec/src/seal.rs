//! Authenticated encryption of small messages: AES-256-GCM (ring), the nonce a counter, the clear header bound
//! as associated data.
//!
//! Invariant the caller keeps: one key never seals two messages with one number. Keys are therefore for one
//! direction of one session, and their counter lives and dies with them.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Length of a key in bytes.
pub const KEY_LEN: usize = 32;
/// Bytes that sealing adds.
pub const TAG_LEN: usize = 16;

/// Sealing and opening failed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// Forged, damaged, under another key, or with another header or number. Which of them cannot be known.
    #[error("message is not authentic under this key; it was dropped")]
    NotAuthentic,
    /// Longer than the cipher takes (64 GiB): a bug in the caller.
    #[error("message too long to seal")]
    TooLong,
}

/// A key for one direction of one session.
pub struct SealKey(LessSafeKey);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

impl SealKey {
    /// From 32 bytes of key material.
    #[must_use]
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes keys of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    fn nonce(number: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals what `message` holds from `header_len` on, in place, and appends the tag; the bytes before stay
    /// clear and are authenticated.
    pub fn seal(&self, number: u64, message: &mut Vec<u8>, header_len: usize) -> Result<(), SealError> {
        let (header, body) = message.split_at_mut(header_len);
        let tag = self
            .0
            .seal_in_place_separate_tag(Self::nonce(number), Aad::from(&*header), body)
            .map_err(|_| SealError::TooLong)?;
        message.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// The clear body of a message sealed by [`SealKey::seal`], opened in place.
    pub fn open<'a>(
        &self,
        number: u64,
        message: &'a mut [u8],
        header_len: usize,
    ) -> Result<&'a [u8], SealError> {
        let (header, body) = message.split_at_mut_checked(header_len).ok_or(SealError::NotAuthentic)?;
        self.0
            .open_in_place(Self::nonce(number), Aad::from(&*header), body)
            .map(|clear| &*clear)
            .map_err(|_| SealError::NotAuthentic)
    }
}
