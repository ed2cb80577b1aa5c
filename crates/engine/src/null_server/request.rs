//! A request as the null server reads it.

const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A request that is there completely.
pub struct Request {
    pub path: String,
    /// Bytes of head and body.
    pub length: usize,
    pub close: bool,
    pub head_only: bool,
    /// Asks for a WebSocket with this key.
    pub socket_key: Option<String>,
}

impl Request {
    /// The first complete request in `bytes`, if it is all there; the error is for what is no request.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ()> {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        let head = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES_MAX => {
                return Ok(None);
            }
            _ => return Err(()),
        };
        let value = |name: &str| {
            let found = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| {
                String::from_utf8_lossy(header.value)
                    .trim()
                    .to_ascii_lowercase()
            })
        };
        let body: usize =
            value("content-length").map_or(Ok(0), |text| text.parse().map_err(|_| ()))?;
        let length = head.checked_add(body).ok_or(())?;
        if bytes.len() < length {
            return Ok(None);
        }
        Ok(Some(Self {
            path: request.path.unwrap_or("").to_string(),
            length,
            close: value("connection").is_some_and(|value| value == "close"),
            head_only: request.method == Some("HEAD"),
            socket_key: request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"))
                .map(|header| String::from_utf8_lossy(header.value).into_owned()),
        }))
    }
}
