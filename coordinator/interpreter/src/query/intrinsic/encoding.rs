//! Base64 and hashes. Their arguments fit their signatures.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::Md5;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::call::Failure;
use crate::limits::INTRINSIC_INPUT_CHARACTERS_MAX;

/// RFC 4648's basic alphabet; padding is written, but not asked for.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn base64_encode(text: &Value) -> Result<Value, Failure> {
    Ok(Value::String(
        BASE64.encode(input("States.Base64Encode", text)?),
    ))
}

pub(super) fn base64_decode(text: &Value) -> Result<Value, Failure> {
    let bytes = BASE64
        .decode(input("States.Base64Decode", text)?)
        .map_err(|error| {
            Failure::Refused(format!(
                "the argument of States.Base64Decode is not Base64: {error}"
            ))
        })?;
    Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The hash in hexadecimal, in lower case.
pub(super) fn hash(text: &Value, algorithm: &Value) -> Result<Value, Failure> {
    let text = input("States.Hash", text)?;
    let algorithm = algorithm.as_str().unwrap_or_default();
    let hash = hash_hex(text, algorithm);
    hash.map(Value::String).ok_or_else(|| {
        Failure::Refused(format!("States.Hash knows {ALGORITHMS}, not '{algorithm}'"))
    })
}

/// The algorithms that [`hash_hex`] knows, for a sentence.
pub(in crate::query) const ALGORITHMS: &str = "MD5, SHA-1, SHA-256, SHA-384 and SHA-512";

/// The hash of a text in hexadecimal, in lower case; `None` for an algorithm that is not known.
pub(in crate::query) fn hash_hex(text: &str, algorithm: &str) -> Option<String> {
    let bytes = text.as_bytes();
    Some(match algorithm {
        "MD5" => hexadecimal(&Md5::digest(bytes)),
        "SHA-1" => hexadecimal(&Sha1::digest(bytes)),
        "SHA-256" => hexadecimal(&Sha256::digest(bytes)),
        "SHA-384" => hexadecimal(&Sha384::digest(bytes)),
        "SHA-512" => hexadecimal(&Sha512::digest(bytes)),
        _ => return None,
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn input<'v>(function: &str, text: &'v Value) -> Result<&'v str, Failure> {
    let text = text.as_str().unwrap_or_default();
    let characters = text.chars().count();
    if characters > INTRINSIC_INPUT_CHARACTERS_MAX {
        return Err(Failure::Refused(format!(
            "the input of {function} has {INTRINSIC_INPUT_CHARACTERS_MAX} characters at most, not {characters}"
        )));
    }
    Ok(text)
}
