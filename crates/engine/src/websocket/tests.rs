//! The codec against another implementation's, on whatever a random source thinks of.
use proptest::prelude::*;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use super::frame::mask;
use super::{Event, Opcode, Reader, put_frame};

/// What came out of the reader, owned.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Control,
}

fn heard(pieces: &[&[u8]]) -> Result<Vec<Heard>, super::Violation> {
    let (mut reader, mut all) = (Reader::default(), vec![]);
    for piece in pieces {
        reader.feed(piece, 1 << 20, |event| {
            all.push(match event {
                Event::Text(text) => Heard::Text(text.into()),
                Event::Binary(bytes) => Heard::Binary(bytes.into()),
                _ => Heard::Control,
            });
        })?;
    }
    Ok(all)
}

/// A server's frames for these messages, each cut into parts of `part` bytes.
fn frames(messages: &[Heard], part: usize) -> Vec<u8> {
    let mut out = vec![];
    for message in messages {
        let (kind, bytes) = match message {
            Heard::Text(text) => (1, text.as_bytes()),
            Heard::Binary(bytes) => (2, bytes.as_slice()),
            Heard::Control => {
                out.extend_from_slice(b"\x89\x01p");
                continue;
            }
        };
        let parts: Vec<&[u8]> = if bytes.is_empty() {
            vec![b""]
        } else {
            bytes.chunks(part).collect()
        };
        for (at, piece) in parts.iter().enumerate() {
            let last = if at + 1 == parts.len() { 0x80 } else { 0 };
            out.push(last | if at == 0 { kind } else { 0 });
            if piece.len() < 126 {
                out.push(piece.len() as u8);
            } else {
                out.push(126);
                out.extend_from_slice(&(piece.len() as u16).to_be_bytes());
            }
            out.extend_from_slice(piece);
        }
    }
    out
}

fn messages() -> impl Strategy<Value = Vec<Heard>> {
    let one = prop_oneof![
        ".{0,80}".prop_map(Heard::Text),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Heard::Binary),
        Just(Heard::Control),
    ];
    prop::collection::vec(one, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn messages_come_out_whole_however_they_are_framed_and_cut(
        wanted in messages(), part in 1usize..300, cut in 1usize..50,
    ) {
        let bytes = frames(&wanted, part);
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        prop_assert_eq!(heard(&pieces).unwrap(), wanted);
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_the_same_in_pieces(
        bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1usize..20,
    ) {
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        prop_assert_eq!(heard(&pieces), heard(&[&bytes]));
    }

    #[test]
    fn another_implementation_reads_what_we_write(
        payload in prop::collection::vec(any::<u8>(), 0..70_000), key in any::<u32>(),
    ) {
        let mut bytes = vec![];
        put_frame(Opcode::Binary, &payload, key, &mut bytes);
        let stream = std::io::Cursor::new(bytes);
        let mut server = WebSocket::from_raw_socket(stream, Role::Server, None);
        prop_assert_eq!(server.read().unwrap(), Message::binary(payload));
    }

    #[test]
    fn masking_twice_is_not_masking(payload in prop::collection::vec(any::<u8>(), 0..100), key in any::<[u8; 4]>()) {
        let mut bytes = payload.clone();
        mask(&mut bytes, key);
        let by_byte: Vec<u8> = payload.iter().enumerate().map(|(at, b)| b ^ key[at % 4]).collect();
        prop_assert_eq!(&bytes, &by_byte);
        mask(&mut bytes, key);
        prop_assert_eq!(bytes, payload);
    }
}
