//! Numbers as LEB128: seven bits a byte, the lowest first, and the highest bit of all bytes but the last.

/// How many bytes a number takes.
#[inline]
pub(super) fn length(number: u32) -> usize {
    1 + [7, 14, 21, 28].into_iter().filter(|bits| number >> bits > 0).count()
}

/// Writes a number to the front and returns how many bytes it takes.
#[inline]
pub(super) fn write(mut number: u32, to: &mut [u8]) -> usize {
    let mut last = 0;
    while number >= 0x80 {
        to[last] = number as u8 | 0x80;
        number >>= 7;
        last += 1;
    }
    to[last] = number as u8;
    last + 1
}

/// Writes a number behind what is there.
#[inline]
pub(super) fn push(mut number: u32, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Takes a number from the front; `None` if there is none, or one of more than 32 bits.
#[inline]
pub(super) fn take(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u64;
    for (place, &byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            *bytes = &bytes[place + 1..];
            return u32::try_from(number).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_taken(numbers in prop::collection::vec(any::<u32>().prop_flat_map(|any| (0..32_u32).prop_map(move |bits| any >> bits)), 0..20)) {
            let mut bytes = Vec::new();
            for &number in &numbers {
                let begin = bytes.len();
                push(number, &mut bytes);
                prop_assert_eq!(bytes.len() - begin, length(number));
                let mut written = [0; 5];
                let length = write(number, &mut written);
                prop_assert_eq!(&written[..length], &bytes[begin..]);
            }
            let mut rest = bytes.as_slice();
            for number in numbers {
                prop_assert_eq!(take(&mut rest), Some(number));
            }
            prop_assert_eq!(take(&mut rest), None);
        }
    }

    #[test]
    fn what_is_no_number_is_told() {
        for bytes in [&[0x80][..], &[0xff, 0xff, 0xff, 0xff, 0x10], &[0x80; 20]] {
            assert_eq!(take(&mut { bytes }), None);
        }
    }
}
