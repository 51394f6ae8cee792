//! What a seed determines. Source: SplitMix64, Steele, Lea and Flood, 2014.

use serde_json::{Value, json};

/// Choices that a seed repeats.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// Once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these, if there is one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() {
            None
        } else {
            of.get(self.below(of.len() as u64) as usize)
        }
    }

    /// What a service may send.
    pub fn payload(&mut self) -> Value {
        match self.below(8) {
            0 => json!("\u{0} and \\u0000"),
            1 => json!({ "\u{0}": ["ä€😀", "\"\\\n\t\u{7f}\u{2028}"] }),
            2 => json!(self.bits()),
            3 => json!(self.bits().cast_signed()),
            // Every bit of a float counts, far from what decimal digits say in short.
            4 => json!(f64::from_bits(self.bits())),
            5 => json!(
                (0..20)
                    .map(|_| self.bits() as f64 / 3.0e7)
                    .collect::<Vec<f64>>()
            ),
            6 => json!({ "text": "x".repeat(self.below(20_000) as usize), "z": null, "a": true }),
            _ => json!({}),
        }
    }
}
