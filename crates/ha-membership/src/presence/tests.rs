//! What heartbeats prove, one at a time.

use super::*;
use ha_model::Profile;

fn timing() -> Timing {
    Timing::derive(Profile::Default)
}

fn beat(at_ms: u64) -> Beat {
    Beat {
        from: "beta".into(),
        link: 0,
        received_at: BootNs::from_ms(at_ms),
        sent_at: BootNs::from_ms(at_ms + 5_000_000),
        echo: Some(BootNs::from_ms(at_ms.saturating_sub(100))),
        ages: Ages::default(),
        incarnation: Incarnation(1),
        session: SessionId(1),
        hears: Some(Hears { present: 0b101, any: 0b111, over: 0b1000, lately: 0b10 }),
    }
}

fn presence_after(beats: &[Beat], now_ms: u64) -> Presence {
    let mut m = Membership::new(timing());
    for b in beats {
        m.beat(b);
    }
    m.presence(&"beta".into(), BootNs::from_ms(now_ms))
}

#[test]
fn lost_exactly_at_t_lost() {
    assert_eq!(presence_after(&[], 1), Presence::NeverHeard);
    assert_eq!(presence_after(&[beat(1000)], 1999), Presence::Present);
    assert_eq!(presence_after(&[beat(1000)], 2000), Presence::Silent { for_: Duration::from_millis(1000) });
}

#[test]
fn a_beat_without_recent_echo_does_not_count() {
    let deaf = Beat { echo: Some(BootNs::from_ms(3000)), ..beat(4500) };
    let never = Beat { echo: None, ..beat(4500) };
    let of_an_earlier_boot = Beat { echo: Some(BootNs::from_ms(9_000_000)), ..beat(4500) };
    for b in [deaf, never, of_an_earlier_boot] {
        let mut m = Membership::new(timing());
        assert_eq!(m.beat(&b), Judgement::OneWay);
        assert_eq!(m.presence(&"beta".into(), BootNs::from_ms(4500)), Presence::NeverHeard);
    }
}

#[test]
fn a_node_that_turns_deaf_is_one_way_not_silent() {
    let deaf = Beat { echo: Some(BootNs::from_ms(900)), ..beat(2500) };
    assert_eq!(
        presence_after(&[beat(1000), deaf], 2500),
        Presence::OneWay { for_: Duration::from_millis(1500) }
    );
}

#[test]
fn a_node_that_is_deaf_or_stalled_still_speaks() {
    let (beta, at) = ("beta".into(), BootNs::from_ms);
    let deaf = Beat { echo: None, ..beat(1000) };
    let stalled = Beat { ages: Ages { core: timing().core_age_max, ..Ages::default() }, ..beat(1000) };
    for b in [deaf, stalled] {
        let mut m = Membership::new(timing());
        assert!(!m.is_speaking(&beta, at(1000)));
        m.beat(&b);
        assert!(!m.is_present(&beta, at(1000)));
        assert!(m.is_speaking(&beta, at(1999)) && !m.is_speaking(&beta, at(2000)));
    }
}

#[test]
fn a_replayed_beat_is_stale() {
    let mut m = Membership::new(timing());
    assert_eq!(m.beat(&beat(1000)), Judgement::Counts);
    let replay = Beat { received_at: BootNs::from_ms(1900), echo: Some(BootNs::from_ms(1800)), ..beat(1000) };
    assert_eq!(m.beat(&replay), Judgement::Stale);
    assert_eq!(m.silence(&"beta".into(), BootNs::from_ms(1900)), Some(Duration::from_millis(900)));
}

#[test]
fn each_age_has_its_bound() {
    let t = timing();
    let cases = [
        (Ages { core: t.core_age_max, ..Ages::default() }, Stalled::Core),
        (Ages { write: t.write_age_max, ..Ages::default() }, Stalled::Disk),
        (Ages { spawn: t.spawn_age_max, ..Ages::default() }, Stalled::Spawn),
    ];
    for (ages, what) in cases {
        let p = presence_after(&[Beat { ages, ..beat(1000) }], 1000);
        assert!(matches!(p, Presence::Stalled { what: w, .. } if w == what), "{what:?}: {p:?}");
    }
    let below = Ages { core: t.core_age_max - Duration::from_millis(1), ..Ages::default() };
    assert_eq!(presence_after(&[Beat { ages: below, ..beat(1000) }], 1000), Presence::Present);
}

#[test]
fn two_links_keep_a_node_present_and_one_shows_down() {
    let mut m = Membership::new(timing());
    m.beat(&beat(1000));
    m.beat(&Beat { link: 1, ..beat(1000) });
    m.beat(&Beat { link: 1, ..beat(2500) });
    let (beta, now) = ("beta".into(), BootNs::from_ms(2600));
    assert!(m.is_present(&beta, now));
    assert!(!m.is_link_up(&beta, 0, now));
    assert!(m.is_link_up(&beta, 1, now));
}

#[test]
fn a_session_that_cannot_have_heard_us_yet_is_arriving_for_t_lost() {
    let mut m = Membership::new(timing());
    m.beat(&beat(1000));
    let (beta, at) = ("beta".into(), BootNs::from_ms);
    assert!(!m.is_arriving(&beta, at(1000)), "it is here");
    let first = Beat { session: SessionId(2), echo: None, ..beat(5000) };
    assert_eq!(m.beat(&first), Judgement::OneWay);
    assert_eq!(m.presence(&beta, at(5000)), Presence::NeverHeard);
    assert!(m.is_arriving(&beta, at(5999)));
    assert_eq!(m.next_deadline(at(5000)), Some(at(6000)));
    m.beat(&Beat { session: SessionId(2), echo: None, ..beat(5900) });
    assert!(!m.is_arriving(&beta, at(6000)), "it still does not hear us");
}

#[test]
fn a_new_session_starts_from_nothing() {
    let mut m = Membership::new(timing());
    m.beat(&beat(1000));
    let reborn = Beat { session: SessionId(2), sent_at: BootNs::from_ms(1), ..beat(1500) };
    assert_eq!(m.beat(&reborn), Judgement::Counts, "its clock may be younger");
    assert_eq!(m.life(&"beta".into()), Some((Incarnation(1), SessionId(2))));
}

#[test]
fn what_it_heard_of_us_proves_until_when_it_lived() {
    let mut m = Membership::new(timing());
    let (beta, at) = ("beta".into(), BootNs::from_ms);
    assert_eq!(m.lived_after(&beta), None);
    m.beat(&beat(1000));
    assert_eq!(
        m.lived_after(&beta),
        Some(at(900)),
        "not when it arrived: it may have been under way for long"
    );
    let late = Beat { sent_at: at(5_001_050), echo: Some(at(850)), link: 1, ..beat(1050) };
    m.beat(&late);
    assert_eq!(m.lived_after(&beta), Some(at(900)));
    m.beat(&Beat { session: SessionId(2), echo: None, ..beat(1100) });
    assert_eq!(m.lived_after(&beta), None, "another life");
}

#[test]
fn hearsay_counts_only_while_the_witness_is_present() {
    let mut m = Membership::new(timing());
    m.beat(&beat(1000));
    let beta = "beta".into();
    assert!(m.is_heard_by(&beta, 2, BootNs::from_ms(1100)));
    assert!(!m.is_heard_by(&beta, 1, BootNs::from_ms(1100)));
    assert!(!m.is_heard_by(&beta, 2, BootNs::from_ms(2100)));
    assert!(m.is_noticed_by(&beta, 1, BootNs::from_ms(1100)), "what it hears one way is not off");
    assert!(m.is_heard_over_by(&beta, 3, BootNs::from_ms(1100)));
    assert!(m.is_lately_noticed_by(&beta, 1, BootNs::from_ms(1100)));
    let core = timing().beat * 3;
    m.beat(&Beat { ages: Ages { core, ..Ages::default() }, ..beat(1050) });
    assert!(m.is_noticed_by(&beta, 1, BootNs::from_ms(1100)));
    assert!(!m.is_lately_noticed_by(&beta, 1, BootNs::from_ms(1100)), "its core has not said it lately");
}
