use proptest::prelude::*;

use super::*;

/// Keeps every field.
#[derive(Default)]
struct All(Vec<(String, String)>);

impl Sink for All {
    fn wants(&self, _: &[u8]) -> bool {
        true
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.0.push((text(name), text(value)));
        Ok(())
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn fields(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let mut all = All::default();
    decoder.decode(block, &mut all).unwrap().unwrap();
    let line = |(name, value): &(String, String)| format!("{name}: {value}");
    all.0.iter().map(line).collect()
}

/// RFC 7541, C.6: three answers on one connection, Huffman-coded, the table holding 256 bytes.
#[test]
fn the_examples_of_the_rfc_come_out_as_printed_there() {
    let mut decoder = Decoder::default();
    let resized = [&[0x3f, 0xe1, 0x01][..], &bytes(
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    )]
    .concat();
    let first = fields(&mut decoder, &resized);
    assert_eq!(
        first,
        [
            ":status: 302",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com"
        ]
    );
    let second = fields(&mut decoder, &bytes("4883 640e ffc1 c0bf"));
    assert_eq!(second[0], ":status: 307");
    assert_eq!(second[1..], first[1..]);
    let third = fields(
        &mut decoder,
        &bytes(
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ),
    );
    assert_eq!(
        third,
        [
            ":status: 200",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com",
            "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
        ]
    );
}

#[test]
fn every_byte_survives_the_huffman_code() {
    let text: Vec<u8> = (0..=255).rev().chain(0..=255).collect();
    let mut back = vec![];
    huffman::decode(&huffman::encode(&text), &mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn what_we_write_we_read() {
    let mut block = vec![];
    let long = "x".repeat(70_000 / 2);
    put_indexed(&mut block, 2);
    put_literal(&mut block, 4, b"", b"/a?b=c", false);
    put_literal(
        &mut block,
        name_index(b"User-Agent"),
        b"User-Agent",
        b"me",
        false,
    );
    put_literal(&mut block, name_index(b"cookie"), b"cookie", b"a=b", true);
    put_literal(
        &mut block,
        name_index(b"X-Own"),
        b"X-Own",
        long.as_bytes(),
        false,
    );
    assert_eq!(
        fields(&mut Decoder::default(), &block),
        [
            ":method: GET".to_string(),
            ":path: /a?b=c".into(),
            "user-agent: me".into(),
            "cookie: a=b".into(),
            format!("x-own: {long}")
        ]
    );
}

#[test]
fn blocks_that_are_none_are_refused_with_a_reason() {
    // A name and a value that fill the table, then told again and again.
    let mut bomb = vec![0x40];
    for text in ["name".to_string(), "v".repeat(3996)] {
        put_integer(&mut bomb, 0, 7, text.len());
        bomb.extend_from_slice(text.as_bytes());
    }
    bomb.extend_from_slice(&[0xbe; 20]);
    let cases: [(&[u8], &str); 9] = [
        (&[0x80], "no table holds"),
        (&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], "too large"),
        (&[0xbe], "no table holds"),
        (&[0x40, 0x05, b'a'], "ends inside"),
        (&[0x3f, 0xe2, 0x1f], "above 4096"),
        (&[0x88, 0x20], "inside a header block"),
        // Padding of a whole byte, of zeros, and the code that ends a string.
        (&[0x08, 0x82, 0x1f, 0xff], "not coded"),
        (&[0x08, 0x81, 0x10], "not coded"),
        (&bomb, "above 64 KiB"),
    ];
    for (block, wanted) in cases {
        let got = Decoder::default().decode(block, &mut All::default());
        let got = got.unwrap_err();
        assert!(got.contains(wanted), "wanted {wanted:?}, got {got:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// One table over several blocks: its size stays within what was agreed on, whatever they hold.
    #[test]
    fn arbitrary_blocks_are_survived(
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8),
    ) {
        let mut decoder = Decoder::default();
        for block in blocks {
            let _ = decoder.decode(&block, &mut All::default());
        }
    }

    #[test]
    fn huffman_gives_back_what_it_took(text in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut back = vec![];
        huffman::decode(&huffman::encode(&text), &mut back).unwrap();
        prop_assert_eq!(back, text);
    }

    /// Fields that enter the table, told by literals and indexes in turn, come back as they were.
    #[test]
    fn the_table_follows_what_was_entered(
        lengths in proptest::collection::vec((1usize..30, 0usize..900), 1..40),
    ) {
        let mut decoder = Decoder::default();
        for (at, (name, value)) in lengths.into_iter().enumerate() {
            let letter = |at: usize| (b'a' + (at % 26) as u8) as char;
            let name: String = (at..at + name).map(letter).collect();
            let value: String = (at..at + value).map(letter).collect();
            let mut block = vec![0x40];
            let coded = huffman::encode(name.as_bytes());
            put_integer(&mut block, 0x80, 7, coded.len());
            block.extend_from_slice(&coded);
            put_integer(&mut block, 0, 7, value.len());
            block.extend_from_slice(value.as_bytes());
            // The newest entry is the first behind the fixed ones.
            block.push(0x80 | 62);
            let line = format!("{name}: {value}");
            prop_assert_eq!(fields(&mut decoder, &block), [line.clone(), line]);
        }
    }
}
