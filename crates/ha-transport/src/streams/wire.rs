//! Messages of a stream, over any pair of async halves.
//!
//! Every read is bounded in time (silence) and size; a body is allocated as it arrives, not as it is claimed.

use crate::hello::Hello;
use ha_codec::{DecodeError, FRAME_HEADER_LEN, FRAME_MAX, FrameError, decode, encode, frame, parse_header};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Longest message before both ends have said hello: names and ids.
pub(crate) const HELLO_MAX: usize = 4 << 10;
/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

const HELLO: u8 = 1;
const START: u8 = 2;
const PING: u8 = 3;
const DATA: u8 = 4;
const BYE: u8 = 5;

/// What ends say to each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Who I am; the first message of each end.
    Hello(Hello),
    /// The dialler accepts the other's hello; the stream is up.
    Start,
    /// I am still here.
    Ping,
    /// For the core.
    Data(Vec<u8>),
    /// I close this stream on purpose; my daemon lives.
    Bye,
}

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("nothing heard for {}", ha_model::length(*.0))]
    Silent(Duration),
    #[error("closed by the peer's host")]
    Ended,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("hello: {0}")]
    Hello(#[from] DecodeError),
    #[error("unknown message kind {0}")]
    Kind(u8),
}

/// The frame of a message.
pub(crate) fn bytes_of(message: &Message) -> Result<Vec<u8>, FrameError> {
    match message {
        Message::Hello(hello) => frame(HELLO, &encode(hello)),
        Message::Start => frame(START, &[]),
        Message::Ping => frame(PING, &[]),
        Message::Data(bytes) => frame(DATA, bytes),
        Message::Bye => frame(BYE, &[]),
    }
}

pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), message: &Message) -> io::Result<()> {
    let bytes = bytes_of(message).map_err(io::Error::other)?;
    to.write_all(&bytes).await?;
    to.flush().await
}

/// The next message of at most `max` bytes; fails when nothing at all arrives for `silence`.
pub(crate) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    max: usize,
    silence: Duration,
) -> Result<Message, ReadError> {
    let mut header = [0; FRAME_HEADER_LEN];
    fill(from, &mut header, silence).await?;
    let header = parse_header(&header, max.min(FRAME_MAX))?;
    let mut body = Vec::new();
    while body.len() < header.len {
        let at = body.len();
        body.resize(header.len.min(at + CHUNK), 0);
        fill(from, &mut body[at..], silence).await?;
    }
    match header.kind {
        HELLO => Ok(Message::Hello(decode(&body, HELLO_MAX)?)),
        START => Ok(Message::Start),
        PING => Ok(Message::Ping),
        DATA => Ok(Message::Data(body)),
        BYE => Ok(Message::Bye),
        kind => Err(ReadError::Kind(kind)),
    }
}

async fn fill(
    from: &mut (impl AsyncRead + Unpin),
    mut buffer: &mut [u8],
    silence: Duration,
) -> Result<(), ReadError> {
    while !buffer.is_empty() {
        match timeout(silence, from.read(buffer)).await {
            Err(_) => return Err(ReadError::Silent(silence)),
            Ok(Ok(0)) => return Err(ReadError::Ended),
            Ok(Ok(n)) => buffer = &mut buffer[n..],
            Ok(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(ReadError::Ended),
            Ok(Err(e)) => return Err(e.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ha_codec::FRAME_VERSION;

    const SILENCE: Duration = Duration::from_millis(50);

    fn read_bytes(bytes: &[u8], max: usize) -> Result<Message, ReadError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut near, mut far) = tokio::io::duplex(1 << 20);
            far.write_all(bytes).await.unwrap();
            // The far end stays open: what is missing never comes.
            let message = read(&mut near, max, SILENCE).await;
            drop(far);
            message
        })
    }

    #[test]
    fn messages_come_back_as_they_were_sent() {
        for message in [Message::Start, Message::Ping, Message::Bye, Message::Data(vec![7; 200_000])] {
            assert_eq!(read_bytes(&bytes_of(&message).unwrap(), FRAME_MAX).unwrap(), message);
        }
    }

    #[test]
    fn the_bytes_of_a_hello_are_as_recorded() {
        let hello = Hello {
            version: crate::hello::PROTOCOL_VERSION,
            cluster: "shop".into(),
            node: "alpha".into(),
            incarnation: ha_model::Incarnation(1),
            session: ha_model::SessionId(2),
            store: ha_model::StoreId(300),
            config_sha256: [9; 32],
        };
        let bytes = bytes_of(&Message::Hello(hello.clone())).unwrap();
        let golden = [&[49, 0, 0, 0, 1, 1, 3, 4][..], b"shop", &[5], b"alpha", &[1, 2, 251, 44, 1], &[9; 32]];
        assert_eq!(bytes, golden.concat());
        assert_eq!(read_bytes(&bytes, HELLO_MAX).unwrap(), Message::Hello(hello));
    }

    #[test]
    fn before_the_hello_only_little_is_taken() {
        let long = bytes_of(&Message::Data(vec![0; HELLO_MAX + 1])).unwrap();
        // The header alone decides, before any of the body has come.
        let refused = read_bytes(&long[..FRAME_HEADER_LEN], HELLO_MAX);
        assert!(matches!(refused, Err(ReadError::Frame(FrameError::TooLong { .. }))), "{refused:?}");
        assert!(read_bytes(&long, FRAME_MAX).is_ok());
    }

    #[test]
    fn another_version_an_unknown_kind_and_half_a_message_are_refused() {
        let mut old = bytes_of(&Message::Ping).unwrap();
        old[4] = FRAME_VERSION - 1;
        assert!(matches!(read_bytes(&old, 10), Err(ReadError::Frame(FrameError::Version { .. }))));
        assert!(matches!(read_bytes(&frame(99, b"").unwrap(), 10), Err(ReadError::Kind(99))));
        assert!(matches!(read_bytes(&frame(HELLO, b"no").unwrap(), 10), Err(ReadError::Hello(_))));
        let half = bytes_of(&Message::Data(vec![0; 100])).unwrap();
        assert!(matches!(read_bytes(&half[..50], FRAME_MAX), Err(ReadError::Silent(_))));
    }
}
