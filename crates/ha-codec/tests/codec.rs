//! Golden bytes (a change of format must be seen), and hostile input. Guards S13.

use ha_codec::*;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Counts the largest single allocation of each thread.
struct Counting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes every call on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|l| l.set(l.get().max(layout.size())));
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|l| l.set(l.get().max(layout.size())));
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Sample {
    Empty,
    Pair { left: u64, right: i32 },
    Many(Vec<String>),
    Map(BTreeMap<String, Vec<u8>>),
    Wide(Option<u128>),
}

fn samples() -> Vec<Sample> {
    vec![
        Sample::Empty,
        Sample::Pair { left: 300, right: -2 },
        Sample::Many(vec!["alpha".into(), String::new()]),
        Sample::Map(BTreeMap::from([("k".into(), vec![1, 2, 3])])),
        Sample::Wide(Some(7)),
    ]
}

#[test]
fn the_bytes_of_values_are_as_recorded() {
    let golden: [&[u8]; 5] = [
        &[0],
        &[1, 251, 44, 1, 3],
        &[2, 2, 5, b'a', b'l', b'p', b'h', b'a', 0],
        &[3, 1, 1, b'k', 3, 1, 2, 3],
        &[4, 1, 7],
    ];
    for (sample, golden) in samples().into_iter().zip(golden) {
        assert_eq!(encode(&sample), golden, "{sample:?}");
        assert_eq!(decode::<Sample>(golden, 64), Ok(sample));
    }
}

#[test]
fn every_cut_and_every_extra_byte_is_refused() {
    for sample in samples() {
        let bytes = encode(&sample);
        for cut in 0..bytes.len() {
            assert!(decode::<Sample>(&bytes[..cut], 64).is_err(), "{sample:?} cut to {cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        let expected = DecodeError::Trailing { used: bytes.len(), len: longer.len() };
        assert_eq!(decode::<Sample>(&longer, 64), Err(expected));
    }
}

#[test]
fn the_callers_limit_holds_to_the_byte() {
    let bytes = encode(&"0123456789");
    assert_eq!(decode::<String>(&bytes, bytes.len()), Ok("0123456789".to_owned()));
    assert!(matches!(decode::<String>(&bytes, bytes.len() - 1), Err(DecodeError::TooLong { .. })));
}

#[test]
fn a_length_that_is_not_there_is_not_allocated() {
    // A string of 2^40 bytes, claimed by a ten-byte message.
    let claim = [253, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    LARGEST.set(0);
    assert!(decode::<String>(&claim, 1 << 20).is_err());
    assert!(LARGEST.get() <= 16 << 10, "allocated {}", LARGEST.get());
}

#[test]
fn large_values_pass_through_every_step_of_the_limit() {
    for len in [1000, 20_000, 300_000, 5_000_000, FRAME_MAX - 8] {
        let bytes = encode(&vec![200u8; len]);
        assert_eq!(decode::<Vec<u8>>(&bytes, FRAME_MAX).map(|v| v.len()), Ok(len));
    }
    let wide = vec![1u128; 100_000];
    assert_eq!(decode::<Vec<u128>>(&encode(&wide), FRAME_MAX), Ok(wide));
}

#[test]
fn the_bytes_of_a_frame_are_as_recorded() {
    let bytes = frame(9, b"body").unwrap();
    assert_eq!(bytes, [4, 0, 0, 0, 1, 9, b'b', b'o', b'd', b'y']);
    let header: [u8; FRAME_HEADER_LEN] = bytes[..FRAME_HEADER_LEN].try_into().unwrap();
    assert_eq!(parse_header(&header, 4), Ok(FrameHeader { kind: 9, len: 4 }));
    assert_eq!(parse_header(&header, 3), Err(FrameError::TooLong { len: 4, max: 3 }));
    let mut other = header;
    other[4] = 2;
    assert_eq!(parse_header(&other, 4), Err(FrameError::Version { theirs: 2 }));
    assert!(matches!(frame(0, &vec![0; FRAME_MAX + 1]), Err(FrameError::TooLong { .. })));
}

#[test]
fn the_bytes_of_a_sealed_message_are_as_recorded() {
    let key = SealKey::new(&[7; KEY_LEN]);
    let mut message = b"headbody".to_vec();
    key.seal(258, &mut message, 4).unwrap();
    assert_eq!(message, GOLDEN_SEALED);
    assert_eq!(key.open(258, &mut message, 4), Ok(b"body".as_slice()));
}

const GOLDEN_SEALED: [u8; 24] = [
    104, 101, 97, 100, 80, 14, 98, 209, 105, 83, 102, 251, 106, 226, 43, 4, 118, 224, 12, 3, 99, 77, 232, 66,
];

#[test]
fn a_sealed_message_opens_only_as_it_was_sealed() {
    let key = SealKey::new(&[7; KEY_LEN]);
    let mut sealed = b"headbody".to_vec();
    key.seal(5, &mut sealed, 4).unwrap();
    for byte in 0..sealed.len() {
        let mut forged = sealed.clone();
        forged[byte] ^= 1;
        assert_eq!(key.open(5, &mut forged, 4), Err(SealError::NotAuthentic), "byte {byte}");
    }
    assert!(key.open(6, &mut sealed.clone(), 4).is_err(), "another number");
    assert!(SealKey::new(&[8; KEY_LEN]).open(5, &mut sealed.clone(), 4).is_err(), "another key");
    assert!(key.open(5, &mut sealed[..3].to_vec(), 4).is_err(), "shorter than its header");
}

#[test]
fn a_record_is_bound_to_its_key() {
    let record = seal_record(b"log/7", b"entry");
    assert_eq!(&record[..4], GOLDEN_RECORD);
    assert_eq!(record.len(), RECORD_OVERHEAD + 5);
    assert_eq!(open_record(b"log/7", &record), Ok(b"entry".as_slice()));
    assert_eq!(open_record(b"log/8", &record), Err(RecordError::Checksum));
    for byte in 0..record.len() {
        let mut damaged = record.clone();
        damaged[byte] ^= 0x80;
        assert!(open_record(b"log/7", &damaged).is_err(), "byte {byte}");
    }
    for cut in 0..record.len() {
        assert!(open_record(b"log/7", &record[..cut]).is_err(), "cut to {cut}");
    }
}

const GOLDEN_RECORD: &[u8] = &[1, 112, 232, 195];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_nor_allocate_beyond_the_limit(
        bytes in proptest::collection::vec(any::<u8>(), 0..2048),
    ) {
        LARGEST.set(0);
        let _ = decode::<Sample>(&bytes, 1024);
        let _ = decode::<Vec<Sample>>(&bytes, 4096);
        // serde reserves at most 1 MiB for a sequence whatever length it claims.
        prop_assert!(LARGEST.get() <= 1 << 20, "allocated {}", LARGEST.get());
        let mut sealed = bytes.clone();
        let _ = SealKey::new(&[1; KEY_LEN]).open(1, &mut sealed, 18);
        let _ = open_record(b"k", &bytes);
    }

    #[test]
    fn what_is_encoded_decodes_to_itself(left in any::<u64>(), right in any::<i32>(), names in
        proptest::collection::vec(".{0,40}", 0..20), wide in any::<Option<u128>>()) {
        for sample in [Sample::Pair { left, right }, Sample::Many(names.clone()), Sample::Wide(wide)] {
            prop_assert_eq!(decode::<Sample>(&encode(&sample), 1 << 20), Ok(sample));
        }
    }
}
