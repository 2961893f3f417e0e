//! A device made of a script.
#![allow(dead_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use ha_fence_agent::{
    AgentDescription, Device, DeviceError, Environment, Kind, OptionSpec, Outlet, Power, Reading, Report,
    Settings, run_with,
};
use tokio::time::{Instant, sleep};

/// What the device does next.
#[derive(Clone)]
pub enum Step {
    Read(Reading),
    ReadFails(DeviceError),
    Accept,
    /// The command is accepted, and the outlet read as this just before.
    AcceptAfter(Reading),
    SetFails(DeviceError),
    Hang,
}

#[derive(Default)]
pub struct World {
    steps: VecDeque<Step>,
    /// What was asked, in order, and when (ms since the start).
    pub asked: Vec<(String, u128)>,
}

#[derive(Clone)]
pub struct Scripted {
    pub world: Rc<RefCell<World>>,
    pub start: Instant,
}

impl Scripted {
    pub fn new(steps: &[Step]) -> Self {
        let world = World { steps: steps.iter().cloned().collect(), asked: Vec::new() };
        Self { world: Rc::new(RefCell::new(world)), start: Instant::now() }
    }

    async fn next(&self, asked: String) -> Step {
        self.world.borrow_mut().asked.push((asked, self.start.elapsed().as_millis()));
        // The last step repeats for ever.
        let step = {
            let mut world = self.world.borrow_mut();
            if world.steps.len() > 1 { world.steps.pop_front() } else { world.steps.front().cloned() }
        };
        let step = step.expect("a script has a step");
        if matches!(step, Step::Hang) {
            sleep(Duration::from_secs(100_000)).await;
        }
        step
    }

    pub fn asked(&self) -> Vec<String> {
        self.world.borrow().asked.iter().map(|(asked, _)| asked.clone()).collect()
    }
}

impl Device for Scripted {
    async fn status(&mut self, plug: &str) -> Result<Reading, DeviceError> {
        match self.next(format!("read {plug}")).await {
            Step::Read(reading) => Ok(reading),
            Step::ReadFails(error) => Err(error),
            _ => panic!("the script expects no reading here: {:?}", self.asked()),
        }
    }

    async fn set(&mut self, plug: &str, power: Power) -> Result<Option<Reading>, DeviceError> {
        match self.next(format!("{power:?} {plug}")).await {
            Step::Accept => Ok(None),
            Step::AcceptAfter(reading) => Ok(Some(reading)),
            Step::SetFails(error) => Err(error),
            _ => panic!("the script expects no command here: {:?}", self.asked()),
        }
    }

    async fn list(&mut self) -> Result<Vec<Outlet>, DeviceError> {
        let outlet = |plug: &str, name: &str| Outlet { plug: plug.into(), name: name.into() };
        Ok(vec![outlet("1", "db"), outlet("2", "web"), outlet("3", "web")])
    }

    async fn monitor(&mut self, _: &[String]) -> Result<(), DeviceError> {
        match self.next("monitor".into()).await {
            Step::Accept => Ok(()),
            Step::SetFails(error) => Err(error),
            _ => panic!("the script expects no monitor here"),
        }
    }
}

pub fn description() -> AgentDescription {
    AgentDescription::new("fence_scripted", "Scripted", "A device made of a script.")
        .option(OptionSpec::new("community", Kind::String, "A secret").shorts("c").secret())
}

pub async fn run(device: &Scripted, stdin: &str) -> Report {
    let environment = Environment { stdin: stdin.into(), ..Default::default() };
    run_with(description(), environment, async |_: &Settings| Ok(device.clone())).await
}

pub fn unreachable() -> DeviceError {
    DeviceError::Unreachable { what: "request".into(), detail: "no answer".into() }
}

pub fn refused() -> DeviceError {
    DeviceError::Refused { what: "request".into(), detail: "login".into() }
}

pub fn failed() -> DeviceError {
    DeviceError::Failed { what: "request".into(), detail: "HTTP status 500".into() }
}

pub fn unknown() -> Step {
    Step::Read(Reading::Unknown("state 4".into()))
}

pub fn changing() -> Step {
    Step::Read(Reading::Changing("pending".into()))
}
