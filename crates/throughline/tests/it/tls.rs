//! `https`, with an authority of one's own: the certificates are made here, and trusted or not.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use throughline::transport::{Http, Otlp, Transport};
use throughline::{Report, Telemetry, emit};

use crate::TIMEOUT;
use crate::server::{Answer, Server, ok};

/// An authority's certificate, one for `name` that comes from it, and the key to that; all in PEM.
pub(crate) fn certificates(name: &str) -> [String; 3] {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    [root, certificate.pem(), key.serialize_pem()]
}

/// A server whose certificate for `name` comes from an authority of its own, and that authority's certificate.
fn server(name: &str, answers: impl IntoIterator<Item = Answer>) -> (Server, String) {
    let [root, certificate, key] = certificates(name);
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let wrap =
        move |stream: TcpStream| StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
    (Server::speaking("https", answers, wrap), root)
}

fn send_one(transport: impl Transport, deadline: Duration) -> Report {
    let delivery = transport.delivery().backoff(Duration::from_millis(20));
    let builder = Telemetry::builder("shop").environment("test").transport_with(transport, delivery);
    let telemetry = builder.build().unwrap();
    emit!(telemetry, "order.shipped");
    telemetry.shutdown(deadline)
}

#[test]
fn an_authority_of_one_s_own_is_trusted_when_told_to() {
    let (server, root) = server("127.0.0.1", [Answer::Disconnect, Answer::Status(503, "", Vec::new()), ok()]);
    let otlp = Otlp::new(&server.url).root_certificates(root.as_bytes()).unwrap().timeout(TIMEOUT);
    assert_eq!(send_one(otlp, TIMEOUT).lost(), 0);
    assert_eq!(server.requests().len(), 3);
    let http = Http::new(&server.url).root_certificates(root.as_bytes()).unwrap();
    assert_eq!(send_one(http, TIMEOUT).lost(), 0);
    assert_eq!(server.requests()[3].json()[0]["name"], "order.shipped");
}

#[test]
fn opentelemetry_s_variable_names_its_certificate() {
    let (server, root) = server("127.0.0.1", []);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, root).unwrap();
    let (url, path) = (server.url.clone(), file.path().display().to_string());
    let variables = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.clone()),
        "OTEL_EXPORTER_OTLP_CERTIFICATE" => Some(path.clone()),
        _ => None,
    };
    assert_eq!(send_one(Otlp::from_variables(variables).unwrap(), TIMEOUT).lost(), 0);
    drop(file);
    let missing = Otlp::from_variables(variables).unwrap_err().to_string();
    assert!(missing.starts_with("OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read"), "{missing}");
}

#[test]
fn a_stranger_gets_nothing() {
    let (ours, root) = server("127.0.0.1", []);
    let (other, other_root) = server("other.example", []);
    let attempts = [
        Otlp::new(&ours.url),
        Otlp::new(&ours.url).root_certificates(other_root.as_bytes()).unwrap(),
        // The right authority, but the certificate is somebody else's.
        Otlp::new(&other.url).root_certificates(other_root.as_bytes()).unwrap(),
        Otlp::new(ours.url.replace("https", "http")),
        // The last one said is the one that counts.
        Otlp::new(&ours.url)
            .root_certificates(root.as_bytes())
            .unwrap()
            .root_certificates(other_root.as_bytes())
            .unwrap(),
    ];
    for otlp in attempts {
        let shown = format!("{otlp:?}");
        let report = send_one(otlp, Duration::from_millis(300));
        assert_eq!(report.lost(), 1, "{shown}: {report:?}");
    }
    assert!(ours.requests().is_empty() && other.requests().is_empty());
}

#[test]
fn certificates_that_are_none_are_an_error() {
    for bad in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
        let error = Http::new("https://localhost").root_certificates(bad.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "TELEMETRY_CONFIGURATION_INVALID", "{bad:?}");
    }
}
