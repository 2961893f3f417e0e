//! Who may speak: by chain and name, by membership, never by date.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ha_transport::streams::StreamEvent;
use ha_transport::{ClusterCa, NodeIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::os::unix::fs::PermissionsExt;

fn refused(log: &Log) -> Option<String> {
    log.all().into_iter().find_map(|e| match e {
        StreamEvent::Refused { why, .. } => Some(why),
        _ => None,
    })
}

/// Starts alpha, differing by `change`, and an ordinary beta that has to turn it away; returns beta's reason.
fn turned_away(change: impl FnOnce(&mut Setup)) -> String {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let beta = Setup::new("beta", &ca, &all).start();
    let mut setup = Setup::new("alpha", &ca, &all);
    change(&mut setup);
    let alpha = setup.start();
    wait_for("alpha is refused", || refused(&beta.log).is_some());
    // It goes on trying; none of it may get through.
    wait_for("alpha was refused again", || beta.log.count(|e| matches!(e, StreamEvent::Refused { .. })) >= 3);
    let up = |e: &StreamEvent| matches!(e, StreamEvent::PeerUp { .. });
    assert_eq!((alpha.log.count(up), beta.log.count(up)), (0, 0));
    refused(&beta.log).unwrap()
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let other = ClusterCa::create("shop").unwrap();
    // It trusts our authority, so that only its own certificate can be what is wrong.
    turned_away(|alpha| {
        let forged = other.issue(&alpha.name).unwrap();
        alpha.identity = NodeIdentity { ca_pem: alpha.identity.ca_pem.clone(), ..forged };
    });
}

#[test]
fn a_node_does_not_trust_a_server_of_another_authority() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let alpha = Setup::new("alpha", &ca, &all).start();
    let mut setup = Setup::new("beta", &ca, &all);
    let forged = ClusterCa::create("shop").unwrap().issue(&setup.name).unwrap();
    setup.identity = NodeIdentity { ca_pem: setup.identity.ca_pem.clone(), ..forged };
    let beta = setup.start();
    alpha.log.wait("beta refused", |events| events.iter().any(|e| matches!(e, StreamEvent::Refused { .. })));
    assert_eq!(beta.log.count(|e| matches!(e, StreamEvent::PeerUp { .. })), 0);
}

#[test]
fn a_certificate_for_a_stranger_is_refused() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let beta = Setup::new("beta", &ca, &all).start();
    let mut setup = Setup::new("alpha", &ca, &all);
    setup.identity = ca.issue(&node("mallory")).unwrap();
    let _alpha = setup.start();
    wait_for("a stranger is refused", || refused(&beta.log).is_some());
    assert_eq!(beta.log.count(|e| matches!(e, StreamEvent::PeerUp { .. })), 0);
}

#[test]
fn a_member_cannot_take_another_members_name() {
    let why = turned_away(|alpha| alpha.claimed = Some(node("gamma")));
    assert!(why.contains("calls itself gamma, its certificate says alpha"), "{why}");
}

#[test]
fn a_member_of_another_cluster_is_refused() {
    let why = turned_away(|alpha| alpha.cluster = "store".into());
    assert!(why.contains("belongs to cluster \"store\""), "{why}");
}

/// A certificate for `name` as ours issues them, but valid only in the given years.
fn dated(name: &str, years: (i32, i32)) -> (NodeIdentity, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "dated");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let ca_pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    (issue_dated(&issuer, &ca_pem, name, years), issuer)
}

fn issue_dated(issuer: &Issuer<'_, KeyPair>, ca_pem: &str, name: &str, years: (i32, i32)) -> NodeIdentity {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let cert_pem = params.signed_by(&key, issuer).unwrap().pem();
    NodeIdentity { ca_pem: ca_pem.to_owned(), cert_pem, key_pem: key.serialize_pem() }
}

#[test]
fn expired_and_future_certificates_are_accepted() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let (expired, issuer) = dated("alpha", (2001, 2002));
    let future = issue_dated(&issuer, &expired.ca_pem, "beta", (2090, 2091));
    let mut alpha = Setup::new("alpha", &ca, &all);
    alpha.identity = expired;
    let mut beta = Setup::new("beta", &ca, &all);
    beta.identity = future;
    let (alpha, beta) = (alpha.start(), beta.start());
    alpha.log.wait_up("beta", 1);
    beta.log.wait_up("alpha", 1);
}

#[test]
fn an_expired_certificate_of_another_authority_is_refused() {
    turned_away(|alpha| {
        let (expired, _) = dated("alpha", (2001, 2002));
        alpha.identity = NodeIdentity { ca_pem: alpha.identity.ca_pem.clone(), ..expired };
    });
}

#[test]
fn identities_are_written_privately_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ClusterCa::create("shop").unwrap();
    ca.write_to(dir.path()).unwrap();
    ca.issue(&node("alpha")).unwrap().write_to(dir.path()).unwrap();
    for file in ["ca.pem", "ca.key", "node.pem", "node.key"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // The authority read back issues certificates that the first one's members accept.
    let all = addresses(&["alpha", "beta"], 1);
    let mut alpha = Setup::new("alpha", &ca, &all);
    alpha.identity = NodeIdentity::read_from(dir.path()).unwrap();
    let again = ClusterCa::read_from(dir.path(), "shop").unwrap();
    let (alpha, _beta) = (alpha.start(), Setup::new("beta", &again, &all).start());
    alpha.log.wait_up("beta", 1);
    assert!(ca.issue(&node("no such name!")).is_err());
    assert!(ca.issue(&node("10.0.0.1")).is_err(), "an address is not a name");
}
