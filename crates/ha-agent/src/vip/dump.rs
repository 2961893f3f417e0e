//! Whole answers to questions for everything the kernel has of a kind.
//!
//! Must not know: what is asked for. Invariants (S7: what was not read is not absent): an answer that ended early is an
//! error; one that changed while it was read (then it may lack what never changed) is asked for anew.

use futures_util::{Stream, StreamExt};
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use std::pin::pin;
use std::time::Duration;

/// Changes in a row that are sat out, and the pause before each further try: containers come and go in bursts.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// Asks until one answer is whole. The connection of `handle` must forward the end of an answer.
pub(super) async fn dump(
    handle: &rtnetlink::Handle,
    question: &RouteNetlinkMessage,
) -> Result<Vec<RouteNetlinkMessage>, String> {
    for _ in 0..TRIES {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question.clone()));
        let answers = handle.clone().request(message).map_err(|e| e.to_string())?;
        if let Some(whole) = whole(answers).await? {
            return Ok(whole);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(format!("it changed {TRIES} times while it was read"))
}

/// One answer; `None` when it changed while it was read.
async fn whole(
    answers: impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>>,
) -> Result<Option<Vec<RouteNetlinkMessage>>, String> {
    let mut answers = pin!(answers);
    let (mut all, mut has_changed) = (vec![], false);
    // A connection that breaks ends the stream as if all had been said.
    while let Some(answer) = answers.next().await {
        has_changed |= answer.header.flags & NLM_F_DUMP_INTR != 0;
        match answer.payload {
            NetlinkPayload::InnerMessage(message) => all.push(message),
            NetlinkPayload::Done(done) if done.code == 0 => return Ok((!has_changed).then_some(all)),
            NetlinkPayload::Done(done) => {
                return Err(std::io::Error::from_raw_os_error(done.code.saturating_abs()).to_string());
            }
            NetlinkPayload::Error(error) => return Err(error.to_io().to_string()),
            other => return Err(format!("unexpected answer {other:?}")),
        }
    }
    Err("the kernel's answer was cut short".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_core::DoneMessage;
    use rtnetlink::packet_route::address::AddressMessage;

    type Answer = NetlinkMessage<RouteNetlinkMessage>;

    fn answer(flags: u16, payload: NetlinkPayload<RouteNetlinkMessage>) -> Answer {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        NetlinkMessage::new(header, payload)
    }

    fn address(flags: u16) -> Answer {
        let message = RouteNetlinkMessage::NewAddress(AddressMessage::default());
        answer(flags, NetlinkPayload::InnerMessage(message))
    }

    fn done(flags: u16, code: i32) -> Answer {
        let mut done = DoneMessage::default();
        done.code = code;
        answer(flags, NetlinkPayload::Done(done))
    }

    async fn read(answers: Vec<Answer>) -> Result<Option<usize>, String> {
        Ok(whole(futures_util::stream::iter(answers)).await?.map(|all| all.len()))
    }

    #[tokio::test]
    async fn only_a_whole_answer_counts() {
        assert_eq!(read(vec![address(0), address(0), done(0, 0)]).await, Ok(Some(2)));
        assert_eq!(read(vec![done(0, 0)]).await, Ok(Some(0)));
        assert_eq!(read(vec![address(0), address(NLM_F_DUMP_INTR), done(0, 0)]).await, Ok(None));
        assert_eq!(read(vec![address(0), done(NLM_F_DUMP_INTR, 0)]).await, Ok(None));
        for short in [vec![], vec![address(0)]] {
            assert!(read(short).await.is_err_and(|why| why.contains("cut short")));
        }
        assert!(read(vec![address(0), done(0, -libc::ENOMEM)]).await.is_err());
    }
}
