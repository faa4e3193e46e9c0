//! The two files of a node.

use std::sync::Arc;

use conclave_core::apply::apply;
use conclave_core::codec;
use conclave_core::records::Records;
use conclave_raft::types::Payload;
use conclave_storage::{LogFile, StateFile};

use super::machine::{Switches, expect_done};
use super::subject::Subject;
use super::{Meter, World};
use crate::{FatalLog, ManualClock};

/// A command applied in a transaction of the state file, which is committed and not synced.
pub(super) fn switch(subject: &Subject, world: World, meter: &mut impl Meter) {
    let clock = Arc::new(ManualClock::default());
    let state = StateFile::open(world.disk, clock, FatalLog::default().hook());
    let state = state.expect("an empty disk");
    let mut machine = subject.machine();
    let mut fill = state.begin();
    for (table, key, value) in machine.records.iter() {
        fill.put(table, key, value.to_vec());
    }
    fill.commit(&[]);
    let mut switches = Switches::new(subject);
    meter.meter(
        || switches.next(),
        |entry| {
            machine.index += 1;
            let mut transaction = state.begin();
            let (applied, _) = apply(&mut transaction, &mut machine.digest, machine.index, &entry);
            expect_done(&applied);
            transaction.commit(&[("applied", machine.index.to_le_bytes().to_vec())]);
        },
    );
}

/// An entry's bytes, as the log keeps them.
pub(super) fn encode(subject: &Subject, meter: &mut impl Meter) {
    let mut switches = Switches::new(subject);
    let prepare = || Payload::Command(Arc::new(switches.next()));
    meter.meter(prepare, |payload| codec::encode(&payload));
}

/// One entry into the log, synced.
pub(super) fn append(subject: &Subject, world: &World, meter: &mut impl Meter) {
    let World { disk, spawner } = world;
    let mut switches = Switches::new(subject);
    let mut next = 0;
    let mut prepare = || {
        next += 1;
        let payload = Payload::Command(Arc::new(switches.next()));
        vec![(next, Arc::<[u8]>::from(codec::encode(&payload)))]
    };
    let log = subject
        .runtime
        .block_on(async { LogFile::open(disk.clone(), &**spawner, FatalLog::default().hook()) });
    let log = log.expect("an empty disk");
    meter.meter(&mut prepare, |entries| {
        subject.runtime.block_on(log.append_synced(entries)).expect("the disk is sound");
    });
    subject.runtime.block_on(log.close()).expect("the disk is sound");
}
