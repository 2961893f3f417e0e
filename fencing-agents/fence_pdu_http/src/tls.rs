//! Whom we trust on TLS.
//!
//! Must not know: HTTP.
//!
//! Invariants: certificates are checked unless `ssl_insecure` was typed; without TLS no certificate is read.

use std::path::Path;
use std::sync::Arc;

use ha_fence_agent::DeviceError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Where distributions keep the certificates that the system trusts: Debian, Red Hat, SUSE.
const SYSTEM_CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// How a connection is secured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trust<'a> {
    /// No TLS.
    Plain,
    /// TLS, certificates of the system.
    System,
    /// TLS, certificates of a file.
    File(&'a Path),
    /// TLS with whomever.
    Anybody,
}

/// The TLS side of a client; for [`Trust::Plain`] one that trusts nobody.
pub(crate) fn config(trust: &Trust<'_>) -> Result<ClientConfig, DeviceError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Plain | Trust::Anybody => {}
        Trust::File(path) => read(path, &mut roots)?,
        Trust::System => {
            let path =
                SYSTEM_CERTIFICATES.iter().map(Path::new).find(|path| path.exists()).ok_or_else(|| {
                    DeviceError::Config(format!(
                        "no system certificates ({}): install ca-certificates or set option 'ca_file'",
                        SYSTEM_CERTIFICATES.join(", ")
                    ))
                })?;
            read(path, &mut roots)?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| DeviceError::Config(error.to_string()))?;
    Ok(match trust {
        Trust::Anybody => {
            let schemes = provider.signature_verification_algorithms.supported_schemes();
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(schemes)))
                .with_no_client_auth()
        }
        _ => builder.with_root_certificates(roots).with_no_client_auth(),
    })
}

fn read(path: &Path, roots: &mut RootCertStore) -> Result<(), DeviceError> {
    let fail = |detail: String| DeviceError::Config(format!("certificates in {}: {detail}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))?;
    let mut added = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        // One odd certificate in a system's bundle is no reason to trust none.
        added += usize::from(roots.add(certificate).is_ok());
    }
    if added == 0 {
        return Err(fail("none that can be used".into()));
    }
    Ok(())
}

/// Checks nothing: for `ssl_insecure`.
#[derive(Debug)]
struct Anybody(Vec<SignatureScheme>);

impl ServerCertVerifier for Anybody {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
