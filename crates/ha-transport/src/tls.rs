//! TLS 1.3 with both ends authenticated, by chain, signature and name, never by date.
//!
//! The checks are rustls' own (webpki). Where one fails for the date alone it is repeated at a date at which the
//! certificate is valid; every other check is then made at that date. Certificates are issued by the authority
//! itself, so a chain with something in between is refused.

use crate::allowed::{Allowed, server_name};
use crate::pki::{NodeIdentity, PkiError};
use ha_model::NodeId;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme, version::TLS13,
};
use std::sync::Arc;

/// Both roles of one node.
#[derive(Clone)]
pub(crate) struct Tls {
    pub client: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
}

fn unusable<E: ToString>(what: &'static str) -> impl FnOnce(E) -> PkiError {
    move |e| PkiError::Unusable { what, why: e.to_string() }
}

impl Tls {
    pub fn new(identity: &NodeIdentity, allowed: &Allowed) -> Result<Tls, PkiError> {
        const CA: &str = "the cluster's certificate";
        const CERT: &str = "the node's certificate";
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(identity.ca_pem.as_bytes()).map_err(unusable(CA))?;
        roots.add(ca).map_err(unusable(CA))?;
        let roots = Arc::new(roots);
        let cert = CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).map_err(unusable(CERT))?;
        let key =
            || PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(unusable("the node's key"));

        let server_verifier = Arc::new(OfServers {
            webpki: WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(unusable(CA))?,
            allowed: allowed.clone(),
        });
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable("TLS 1.3"))?
            .dangerous()
            .with_custom_certificate_verifier(server_verifier)
            .with_client_auth_cert(vec![cert.clone()], key()?)
            .map_err(unusable(CERT))?;
        // A resumed session would skip the look at the certificate.
        client.resumption = rustls::client::Resumption::disabled();

        let client_verifier = Arc::new(OfClients {
            webpki: WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(unusable(CA))?,
            allowed: allowed.clone(),
        });
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable("TLS 1.3"))?
            .with_client_cert_verifier(client_verifier)
            .with_single_cert(vec![cert], key()?)
            .map_err(unusable(CERT))?;
        server.send_tls13_tickets = 0;
        Ok(Tls { client: Arc::new(client), server: Arc::new(server) })
    }
}

/// The name to ask for when dialling a node.
pub(crate) fn name_of(node: &NodeId) -> Result<ServerName<'static>, PkiError> {
    server_name(node).ok_or_else(|| PkiError::Name { node: node.to_string() })
}

/// Runs a check at `now`, and where only the date was wrong once more at a date that suits the certificate.
fn whatever_the_date<T>(
    now: UnixTime,
    intermediates: &[CertificateDer<'_>],
    check: impl Fn(UnixTime) -> Result<T, Error>,
) -> Result<T, Error> {
    if !intermediates.is_empty() {
        return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
    }
    match check(now) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            check(not_after)
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            check(not_before)
        }
        other => other,
    }
}

fn not_a_member() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

#[derive(Debug)]
struct OfServers {
    webpki: Arc<WebPkiServerVerifier>,
    allowed: Allowed,
}

impl ServerCertVerifier for OfServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = whatever_the_date(now, intermediates, |at| {
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp, at)
        })?;
        self.allowed.named_by(end_entity).map(|_| verified).ok_or_else(not_a_member)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct OfClients {
    webpki: Arc<dyn ClientCertVerifier>,
    allowed: Allowed,
}

impl ClientCertVerifier for OfClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = whatever_the_date(now, intermediates, |at| {
            self.webpki.verify_client_cert(end_entity, intermediates, at)
        })?;
        self.allowed.named_by(end_entity).map(|_| verified).ok_or_else(not_a_member)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
