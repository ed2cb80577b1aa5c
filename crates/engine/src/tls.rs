//! TLS by rustls: which certificates are trusted, and one connection's handshake and records.
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

use crate::plan::{Plan, Problems, Scheme, Tls as Spec, TlsVersion, Version};

/// HTTP/2's name in the handshake (RFC 9113, 3.1).
const HTTP2: &[u8] = b"h2";

/// Servers whose sessions a thread remembers.
const SESSIONS: usize = 64;

/// What every TLS connection of one thread shares; sessions are resumed within it.
#[derive(Debug, Clone)]
pub struct TlsSetup {
    config: Arc<ClientConfig>,
    reuses: bool,
}

/// The name that a server's certificate must bear.
///
/// # Errors
/// A host that no certificate can name.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_string())
        .map_err(|_| format!("{host:?} cannot be in a certificate"))
}

impl TlsSetup {
    /// None for a plan without origins that have TLS.
    ///
    /// # Errors
    /// A certificate authority that cannot be read, or a host that no certificate can name.
    pub fn of(plan: &Plan) -> Result<Option<Self>, Problems> {
        let mut named = plan
            .all_origins()
            .filter(|origin| origin.scheme == Scheme::Https)
            .peekable();
        if named.peek().is_none() {
            return Ok(None);
        }
        let problem = |text: String| Problems(vec![text]);
        for origin in named {
            server_name(&origin.host).map_err(|text| problem(format!("host: {text}")))?;
        }
        if let Some(name) = &plan.tls.server_name {
            server_name(name).map_err(|text| problem(format!("tls.server_name: {text}")))?;
        }
        Self::new(&plan.tls, plan.http.version)
            .map(Some)
            .map_err(problem)
    }

    /// TLS as a plan has it.
    ///
    /// # Errors
    /// A certificate or a key that cannot be read.
    pub fn new(tls: &Spec, version: Version) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let versions: &[&SupportedProtocolVersion] = match tls.min_version {
            Some(TlsVersion::Tls13) => &[&TLS13],
            Some(TlsVersion::Tls12) | None => &[&TLS13, &TLS12],
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| format!("tls: {error}"))?;
        let builder = if tls.insecure {
            let verifier = Arc::new(AcceptAll(provider));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        } else {
            let roots =
                roots(tls.ca_pem.as_deref()).map_err(|text| format!("tls.ca_pem: {text}"))?;
            builder.with_root_certificates(roots)
        };
        let mut config = match (&tls.certificate_pem, &tls.key_pem) {
            (Some(certificate), Some(key)) => {
                let (chain, key) =
                    identity(certificate, key).map_err(|text| format!("tls: {text}"))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("tls: certificate and key: {error}"))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.resumption = if tls.session_reuse {
            Resumption::in_memory_sessions(SESSIONS)
        } else {
            Resumption::disabled()
        };
        let protocols: &[&[u8]] = match version {
            Version::Http1 | Version::PriorKnowledge => &[],
            Version::Http2 => &[HTTP2],
            Version::Auto => &[HTTP2, b"http/1.1"],
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Self {
            config: Arc::new(config),
            reuses: tls.session_reuse,
        })
    }

    /// The same trust with sessions of its own, so that threads share nothing.
    pub fn for_thread(&self) -> Self {
        let mut config = (*self.config).clone();
        if self.reuses {
            config.resumption = Resumption::in_memory_sessions(SESSIONS);
        }
        Self {
            config: Arc::new(config),
            reuses: self.reuses,
        }
    }

    pub fn connect(&self, name: ServerName<'static>) -> Result<Tls, rustls::Error> {
        let mut connection = ClientConnection::new(self.config.clone(), name)?;
        // What is sent leaves at once, or waits in the connection's own buffer.
        connection.set_buffer_limit(None);
        Ok(Tls(connection))
    }
}

fn roots(ca_pem: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = ca_pem else {
        // What the system trusts, such as an authority of the company's own; the web's authorities where it has none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        return Ok(roots);
    };
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("not a PEM certificate: {error}"))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        Err("holds no certificate".into())
    } else {
        Ok(roots)
    }
}

/// Who we are: the chain of our certificate, and its key.
fn identity(
    certificate: &str,
    key: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain =
        chain.map_err(|error| format!("certificate_pem: not a PEM certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| format!("key_pem: not a PEM private key: {error}"))?;
    Ok((chain, key))
}

/// One connection's TLS state. Bytes of the network go in and out by slices; there is no socket here.
#[derive(Debug)]
pub struct Tls(ClientConnection);

impl Tls {
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Has the server chosen HTTP/2?
    pub fn chose_http2(&self) -> bool {
        self.0.alpn_protocol() == Some(HTTP2)
    }

    /// Take bytes that the network delivered; decrypted ones are appended to `plain`.
    /// True when the peer has said that no more will come.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<bool, rustls::Error> {
        let mut closed = false;
        while !bytes.is_empty() {
            if !matches!(self.0.read_tls(&mut bytes), Ok(1..)) {
                break;
            }
            let state = self.0.process_new_packets()?;
            closed |= state.peer_has_closed();
            let start = plain.len();
            plain.resize(start + state.plaintext_bytes_to_read(), 0);
            // Exactly what is there to read, so neither WouldBlock nor an early end can come.
            let read = self.0.reader().read(&mut plain[start..]).unwrap_or(0);
            plain.truncate(start + read);
        }
        Ok(closed)
    }

    /// Has it something to say by itself: a part of the handshake, or why it refuses?
    pub fn wants_to_send(&self) -> bool {
        self.0.wants_write()
    }

    /// Encrypt `plain`, and append all that the network shall carry to `out`.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.0.writer().write_all(plain)?;
        while self.0.wants_write() {
            self.0.write_tls(out)?;
        }
        Ok(())
    }
}

/// Trusts whoever answers: only for `insecure`, which is never implied.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
