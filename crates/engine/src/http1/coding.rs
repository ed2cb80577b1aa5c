//! Content codings, undone only where somebody looks at the body.
use std::io::Read;

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    #[default]
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    /// One that is not known, or several.
    Other,
}

/// Why a body could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    TooLarge,
    Wrong(String),
}

impl Coding {
    pub fn named(value: &[u8]) -> Self {
        match value.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Self::Identity,
            b"gzip" | b"x-gzip" => Self::Gzip,
            b"deflate" => Self::Deflate,
            b"br" => Self::Brotli,
            b"zstd" => Self::Zstd,
            _ => Self::Other,
        }
    }
}

/// The body as it was before it was coded; at most `bytes_max`.
pub fn decode(coding: Coding, body: &[u8], bytes_max: usize) -> Result<Vec<u8>, DecodeError> {
    match coding {
        Coding::Identity => Ok(body.to_vec()),
        Coding::Gzip => read(flate2::read::MultiGzDecoder::new(body), bytes_max),
        // "deflate" means zlib (RFC 9110, 8.4.1.2), but some send it bare. A zlib header is a multiple of 31.
        Coding::Deflate if matches!(body, [a, b, ..] if a & 15 == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0) => {
            read(flate2::read::ZlibDecoder::new(body), bytes_max)
        }
        Coding::Deflate => read(flate2::read::DeflateDecoder::new(body), bytes_max),
        Coding::Brotli => read(
            brotli_decompressor::Decompressor::new(body, 16 * 1024),
            bytes_max,
        ),
        Coding::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(body);
            read(
                decoder.map_err(|error| DecodeError::Wrong(error.to_string()))?,
                bytes_max,
            )
        }
        Coding::Other => Err(DecodeError::Wrong(
            "a content-encoding other than gzip, deflate, br, zstd".into(),
        )),
    }
}

fn read(decoder: impl Read, bytes_max: usize) -> Result<Vec<u8>, DecodeError> {
    let mut out = vec![];
    let limit = bytes_max as u64;
    match decoder.take(limit.saturating_add(1)).read_to_end(&mut out) {
        Ok(_) if out.len() as u64 > limit => Err(DecodeError::TooLarge),
        Ok(_) => Ok(out),
        Err(error) => Err(DecodeError::Wrong(error.to_string())),
    }
}
