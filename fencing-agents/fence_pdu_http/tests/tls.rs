//! TLS: whom the agent trusts.

#![allow(clippy::unwrap_used)]

mod common;

use std::net::Ipv4Addr;
use std::sync::Arc;

use common::{Lab, SHORT, agent};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Ends TLS in front of the simulated switch; gives its port and its certificate as PEM.
async fn tls_in_front(lab: &Lab) -> (u16, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned(), "pdu.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = lab.server.addr();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(plain).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    (port, cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_unless_the_user_typed_otherwise() {
    let lab = Lab::new().await;
    let (port, pem) = tls_in_front(&lab).await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let run = async |more: String| {
        agent(format!("{}ipport={port}\naction=off\nplug=2\n{more}\n", lab.options("dli"))).await
    };

    // Nobody that the system knows signed it.
    let verdict = run("ssl=1".into()).await;
    assert_eq!(verdict.code, 1, "{verdict:?}");
    assert!(verdict.stderr.contains("refused: invalid peer certificate"), "{verdict:?}");
    assert!(!verdict.stderr.contains("trying again"), "{verdict:?}");
    // TLS spoken in the clear, or the other way round, is no success either.
    assert_eq!(run(format!("{SHORT}ssl=0")).await.code, 1);
    let other = tls_in_front(&lab).await.1;
    let other_ca = dir.path().join("other.pem");
    std::fs::write(&other_ca, other).unwrap();
    assert_eq!(run(format!("ca_file={}", other_ca.display())).await.code, 1);
    assert!(lab.relay_is_on(2), "a switch that was not trusted was commanded");

    assert_eq!(run(format!("ca_file={}", ca.display())).await.code, 0);
    assert!(!lab.relay_is_on(2));
    assert_eq!(run("ssl_insecure=1".into()).await.code, 0);
    let verdict = run(format!("ssl_insecure=1\nca_file={}", ca.display())).await;
    assert!(verdict.stderr.contains("contradict"), "{verdict:?}");
    let verdict = run("ca_file=/nonexistent.pem".into()).await;
    assert!(verdict.stderr.contains("/nonexistent.pem"), "{verdict:?}");
}
