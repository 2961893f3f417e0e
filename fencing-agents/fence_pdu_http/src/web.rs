//! HTTP requests with login, bounded answers and errors that say what failed.
//!
//! Must not know: power switches.
//!
//! Invariants: redirects are not followed (a login page is no reading) and proxies are not used; an answer is read
//! up to [`MAX_ANSWER`]; a secret is sent only in the header where it belongs.

use std::path::Path;

use digest_auth::{AuthContext, HttpMethod, WwwAuthenticateHeader};
use ha_fence_agent::{DeviceError, Log, Secret, Settings};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::tls::{self, Trust};

/// Most bytes of an answer: far more than a power switch's state takes.
const MAX_ANSWER: usize = 1 << 20;

/// How we log in.
enum Login {
    None,
    Basic { user: String, password: Secret },
    Digest { user: String, password: Secret, challenge: Option<Box<WwwAuthenticateHeader>> },
}

/// A request's body.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) content_type: String,
    pub(crate) text: String,
}

/// An answer: any status that is not about being let in.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Answer {
    /// The text of a successful answer.
    pub(crate) fn success(self, what: &str) -> Result<String, DeviceError> {
        if self.status.is_success() {
            return Ok(self.text);
        }
        let (what, detail) = (what.to_owned(), format!("HTTP status {}", self.status));
        // RFC 9110 §15.5: the request itself is wrong, but for the few that speak of the moment.
        let passes = matches!(
            self.status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::LOCKED
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
        );
        if self.status.is_client_error() && !passes {
            return Err(DeviceError::Refused { what, detail });
        }
        Err(DeviceError::Failed { what, detail })
    }
}

/// A client for one device.
pub(crate) struct Web {
    client: Client,
    base: Option<Url>,
    login: Login,
    headers: HeaderMap,
    log: Log,
}

impl Web {
    /// Makes the client from the options; nothing is sent yet. `login` is used where option `auth` is not set.
    pub(crate) fn new(settings: &Settings, login: &str) -> Result<Self, DeviceError> {
        let config = |detail: String| DeviceError::Config(detail);
        let ca_file = settings.get("ca_file").map(Path::new);
        let trust = match (ca_file, settings.flag("ssl_insecure")) {
            (Some(_), true) => {
                let why = "options 'ca_file' and 'ssl_insecure' contradict each other: take one away";
                return Err(config(why.into()));
            }
            (None, true) => Trust::Anybody,
            (Some(path), false) => Trust::File(path),
            (None, false) if settings.flag("ssl") || settings.flag("ssl_secure") => Trust::System,
            (None, false) => Trust::Plain,
        };
        let tls = trust != Trust::Plain;
        let base = settings
            .get("ip")
            .map(|host| {
                let host = if host.contains(':') && !host.starts_with('[') {
                    format!("[{host}]")
                } else {
                    host.into()
                };
                let port = settings.port_or(if tls { 443 } else { 80 });
                let url = format!("{}://{host}:{port}/", if tls { "https" } else { "http" });
                Url::parse(&url).map_err(|error| config(format!("option 'ip': '{host}': {error}")))
            })
            .transpose()?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls::config(&trust)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(settings.timing().login_timeout)
            .build()
            .map_err(|error| config(root_cause(&error)))?;
        let login = read_login(settings, settings.get("auth").unwrap_or(login))?;
        Ok(Self { client, base, login, headers: read_headers(settings)?, log: settings.log().clone() })
    }

    /// Sends a request to a path of the device, or to a whole URL.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        target: &str,
        extra: &[(&'static str, &'static str)],
        body: Option<Body>,
    ) -> Result<Answer, DeviceError> {
        let url = self.url(target)?;
        // The query may hold a token: people see the path alone.
        let what = format!("{method} {}", url.path());
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| DeviceError::Config(format!("'{method}' is no HTTP method")))?;
        let mut response = self.once(&method, &url, extra, body.as_ref(), &what).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.take_challenge(&response) {
            response = self.once(&method, &url, extra, body.as_ref(), &what).await?;
        }
        self.log.debug(|| format!("{what}: HTTP status {}", response.status()));
        match response.status() {
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(DeviceError::Refused { what, detail: format!("HTTP status {status} (login or rights)") })
            }
            status => Ok(Answer { status, text: read_text(response, &what).await? }),
        }
    }

    fn url(&self, target: &str) -> Result<Url, DeviceError> {
        let url = match &self.base {
            _ if target.starts_with("http://") || target.starts_with("https://") => Url::parse(target),
            Some(base) => base.join(target),
            None => {
                return Err(DeviceError::Config(
                    "option 'ip' is missing: the address of the power switch".into(),
                ));
            }
        };
        url.map_err(|error| DeviceError::Config(format!("'{target}' is no path or URL: {error}")))
    }

    async fn once(
        &mut self,
        method: &Method,
        url: &Url,
        extra: &[(&'static str, &'static str)],
        body: Option<&Body>,
        what: &str,
    ) -> Result<Response, DeviceError> {
        let mut request = self.client.request(method.clone(), url.clone()).headers(self.headers.clone());
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, &body.content_type).body(body.text.clone());
        }
        match &mut self.login {
            Login::None | Login::Digest { challenge: None, .. } => {}
            Login::Basic { user, password } => request = request.basic_auth(user, Some(password.expose())),
            Login::Digest { user, password, challenge: Some(challenge) } => {
                let uri = url
                    .query()
                    .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
                let mut context = AuthContext::new(user.as_str(), password.expose(), uri);
                context.method = HttpMethod(method.as_str().to_owned().into());
                context.body = Some(body.map_or(&[][..], |body| body.text.as_bytes()).into());
                let answer = challenge.respond(&context).map_err(|error| DeviceError::Failed {
                    what: what.to_owned(),
                    detail: format!("digest challenge: {error}"),
                })?;
                request = request.header(AUTHORIZATION, sensitive(&answer.to_header_string())?);
            }
        }
        request.send().await.map_err(|error| {
            let what = what.to_owned();
            match distrust(&error) {
                // Asking again would meet the same certificate.
                Some(detail) => DeviceError::Refused { what, detail },
                None => DeviceError::Unreachable { what, detail: root_cause(&error.without_url()) },
            }
        })
    }

    /// Takes a digest challenge; false when there is none, or the answer to this very one was refused.
    fn take_challenge(&mut self, response: &Response) -> bool {
        let Login::Digest { challenge, .. } = &mut self.login else { return false };
        let offered =
            response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let Some(fresh) = offered
            .filter(|value| value.starts_with("Digest"))
            .find_map(|value| WwwAuthenticateHeader::parse(value).ok())
        else {
            return false;
        };
        if challenge.as_ref().is_some_and(|known| known.nonce == fresh.nonce && !fresh.stale) {
            return false;
        }
        *challenge = Some(Box::new(fresh));
        true
    }
}

fn read_login(settings: &Settings, kind: &str) -> Result<Login, DeviceError> {
    if kind == "none" {
        return Ok(Login::None);
    }
    let user = settings.required("username", &format!("{kind} login needs it"))?.to_owned();
    let password = settings.secret("password")?.ok_or_else(|| {
        DeviceError::Config(format!("option 'password' (or password_file) is missing: {kind} login needs it"))
    })?;
    Ok(if kind == "digest" {
        Login::Digest { user, password, challenge: None }
    } else {
        Login::Basic { user, password }
    })
}

fn read_headers(settings: &Settings) -> Result<HeaderMap, DeviceError> {
    let mut headers = HeaderMap::new();
    let Some(lines) = settings.secret("headers")? else { return Ok(headers) };
    for line in lines.expose().split(['|', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        // The line itself may be a secret.
        let wrong = || DeviceError::Config("option 'headers': a line is not 'Name: value'".into());
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        settings.log().hide(value.trim());
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        headers.append(name, sensitive(value.trim())?);
    }
    Ok(headers)
}

fn sensitive(text: &str) -> Result<HeaderValue, DeviceError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| DeviceError::Config("a header value has characters that HTTP does not allow".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read_text(mut response: Response, what: &str) -> Result<String, DeviceError> {
    let fail = |detail: String| DeviceError::Failed { what: what.to_owned(), detail };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fail(root_cause(&error.without_url())))? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(fail(format!("the answer is longer than {MAX_ANSWER} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| fail("the answer is not UTF-8".into()))
}

/// Why the device's certificate was not accepted, if that is what went wrong.
fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused @ rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return Some(refused.to_string());
        }
        // An I/O error gives the source of what it wraps, not the wrapped error itself.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map_or_else(|| error.source(), |wrapped| Some(wrapped));
    }
    None
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
