//! Login: Basic and Digest (RFC 7616, MD5, as the real devices use).
//!
//! Must not know: what is asked for.
//!
//! Invariant: without the right answer to our own challenge nothing behind it runs.

use std::io;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use digest_auth::{AuthContext, AuthorizationHeader, HttpMethod};

use super::{Face, HttpOptions};

const REALM: &str = "power switch";

/// The one user, and the challenge of this start.
pub(crate) struct Access {
    options: HttpOptions,
    nonce: String,
}

impl Access {
    pub(crate) fn new(options: HttpOptions) -> io::Result<Self> {
        let mut random = [0; 16];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
            .map_err(|_| io::Error::other("no random numbers"))?;
        let nonce = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { options, nonce })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.options.password.is_empty()
    }

    fn basic(&self, request: &Request) -> bool {
        let wanted = base64(format!("{}:{}", self.options.user, self.options.password).as_bytes());
        authorization(request).and_then(|value| value.strip_prefix("Basic ")) == Some(wanted.as_str())
    }

    fn digest(&self, request: &Request) -> bool {
        let Some(given) = authorization(request).filter(|value| value.starts_with("Digest ")) else {
            return false;
        };
        let Ok(given) = AuthorizationHeader::parse(given) else { return false };
        let uri = request.uri().path_and_query().map_or("/", |uri| uri.as_str());
        if given.nonce != self.nonce || given.realm != REALM || given.uri != uri || given.qop.is_none() {
            return false;
        }
        let mut context = AuthContext::new(self.options.user.as_str(), self.options.password.as_str(), uri);
        context.method = HttpMethod(request.method().as_str().to_owned().into());
        let mut wanted = given.clone();
        wanted.digest(&context);
        given.username == wanted.username && given.response == wanted.response
    }
}

/// Lets in who knows the password, by Basic.
pub(crate) async fn require_basic(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    if face.access.basic(&request) {
        return next.run(request).await;
    }
    let challenge = format!("Basic realm=\"{REALM}\"");
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

/// The same, or everybody when no password is set.
pub(crate) async fn require_basic_if_set(state: State<Arc<Face>>, request: Request, next: Next) -> Response {
    if state.access.is_open() { next.run(request).await } else { require_basic(state, request, next).await }
}

/// Lets in who knows the password, by Digest.
pub(crate) async fn require_digest(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    if face.access.digest(&request) {
        return next.run(request).await;
    }
    let challenge =
        format!("Digest realm=\"{REALM}\", nonce=\"{}\", qop=\"auth\", algorithm=MD5", face.access.nonce);
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

fn authorization(request: &Request) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()
}

/// RFC 4648 base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_as_in_rfc_4648() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
