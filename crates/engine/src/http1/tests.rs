use super::*;

/// Feed `bytes` in the pieces that `cuts` make; the body, and how many bytes belonged to the answer.
fn read(
    bytes: &[u8],
    cut: usize,
    to_head: bool,
) -> Result<(Head, Vec<u8>, Option<usize>), &'static str> {
    let mut seen = bytes[..cut].to_vec();
    let mut rest = &bytes[cut..];
    let head = loop {
        match parse_head(&seen, to_head)? {
            Some(head) => break head,
            None if rest.is_empty() => return Err("no head"),
            None => {
                seen.push(rest[0]);
                rest = &rest[1..];
            }
        }
    };
    let mut body = head.body;
    let mut out = vec![];
    let mut at = head.length;
    for piece in [&seen[head.length..], rest] {
        let progress = body.feed(piece, |part| {
            out.extend_from_slice(part);
            Ok::<(), &'static str>(())
        })?;
        at += progress.used;
        if progress.done {
            return Ok((head, out, Some(at)));
        }
    }
    Ok((head, out, None))
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    5;ext=\"a\"\r\nhello\r\n00A\r\n, world...\r\n0\r\nX-Trailer: 1\r\n\r\nNEXT";
const SIZED: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nserver: x\r\n\r\nhelloNEXT";

/// Wherever the network cuts the bytes, the same answer comes out.
#[test]
fn every_framing_survives_every_cut() {
    type Case<'a> = (&'a [u8], bool, &'a [u8], Option<usize>, bool);
    let cases: [Case<'_>; 9] = [
        (
            CHUNKED,
            false,
            b"hello, world...",
            Some(CHUNKED.len() - 4),
            true,
        ),
        (SIZED, false, b"hello", Some(SIZED.len() - 4), true),
        (
            b"HTTP/1.1 200 OK\r\n\r\nall of it",
            false,
            b"all of it",
            None,
            false,
        ),
        (
            b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            false,
            b"ok",
            Some(40),
            false,
        ),
        (
            b"HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
            false,
            b"ok",
            Some(64),
            true,
        ),
        (
            b"HTTP/1.1 204 No Content\r\n\r\n",
            false,
            b"",
            Some(27),
            true,
        ),
        (
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n",
            false,
            b"",
            Some(49),
            true,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
            true,
            b"",
            Some(39),
            true,
        ),
        (
            b"HTTP/1.1 200 OK\r\nconnection: foo, CLOSE\r\ncontent-length: 0\r\n\r\n",
            false,
            b"",
            Some(62),
            false,
        ),
    ];
    for (bytes, to_head, body, end, keep_alive) in cases {
        for cut in 0..=bytes.len() {
            let (head, got, got_end) = read(bytes, cut, to_head).unwrap();
            let what = String::from_utf8_lossy(bytes);
            assert_eq!(
                (got.as_slice(), got_end, head.keep_alive),
                (body, end, keep_alive),
                "cut {cut} of {what}"
            );
        }
    }
}

#[test]
fn garbage_is_refused_with_a_reason() {
    let long = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'a'; 70_000]].concat();
    let many = [
        b"HTTP/1.1 200 OK\r\n".as_slice(),
        &b"a: b\r\n".repeat(101),
        b"\r\n",
    ]
    .concat();
    let cases: [(&[u8], &str); 9] = [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not an HTTP/1 answer"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\n",
            "not a number",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "not a number",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "two different",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
            "without a size",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef",
            "not framed",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            "beyond 64 bits",
        ),
        (&long, "longer than 64 KiB"),
        (&many, "more than 100"),
    ];
    for (bytes, wanted) in cases {
        let got = read(bytes, bytes.len(), false).map(|_| ()).unwrap_err();
        assert!(got.contains(wanted), "wanted {wanted:?}, got {got:?}");
    }
}

#[test]
fn chunks_beside_a_length_are_read_and_the_connection_given_up() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let (head, body, _) = read(bytes, bytes.len(), false).unwrap();
    assert_eq!((body.as_slice(), head.keep_alive), (b"a".as_slice(), false));
}

#[test]
fn a_header_is_found_by_name_in_any_case() {
    let head = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nETag: \"x\"\r\n\r\n";
    let answer = Answer {
        status: 302,
        head,
        body: b"",
    };
    assert_eq!(answer.header("location"), Some(b"/next".as_slice()));
    assert_eq!(answer.header("etag"), Some(b"\"x\"".as_slice()));
    assert_eq!(answer.header("server"), None);
}

#[test]
fn every_coding_is_undone_and_a_bomb_is_not() {
    use std::io::Write;
    let text = b"scaleworthy ".repeat(100);
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
    zlib.write_all(&text).unwrap();
    let mut bare = flate2::write::DeflateEncoder::new(vec![], flate2::Compression::fast());
    bare.write_all(&text).unwrap();
    let zstd = zstd::stream::encode_all(text.as_slice(), 1).unwrap();
    // "hello" as one uncompressed brotli meta-block (RFC 7932, 9.2): no encoder is among the dependencies.
    let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
    let gzip = gzip.finish().unwrap();
    for (name, coded) in [
        ("gzip", &gzip),
        ("deflate", &zlib.finish().unwrap()),
        ("deflate", &bare.finish().unwrap()),
        ("zstd", &zstd),
    ] {
        assert_eq!(
            decode(Coding::named(name.as_bytes()), coded, 1200).unwrap(),
            text,
            "{name}"
        );
        assert_eq!(
            decode(Coding::named(name.as_bytes()), coded, 1199),
            Err(DecodeError::TooLarge),
            "{name}"
        );
    }
    assert_eq!(decode(Coding::Brotli, &brotli, 5).unwrap(), b"hello");
    assert!(matches!(
        decode(Coding::Gzip, &gzip[..20], 5000),
        Err(DecodeError::Wrong(_))
    ));
    assert!(matches!(
        decode(Coding::named(b"compress"), b"", 1),
        Err(DecodeError::Wrong(_))
    ));
}
