//! The tables inside the state file.

use conclave_core::records::Table;
use redb::{
    Database, Durability, ReadableDatabase, TableDefinition, TableHandle, WriteTransaction,
};

/// A table of the state machine: key -> check, value.
pub(super) type RecordTable = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Name of the table that says what was applied.
pub(super) const APPLIED_NAME: &str = "applied";

/// Name -> check, bytes of the caller (applied log id, membership, digest).
pub(super) const APPLIED: TableDefinition<&str, &[u8]> = TableDefinition::new(APPLIED_NAME);

/// The redb table of a table of the state machine.
pub(super) fn records(table: Table) -> RecordTable {
    TableDefinition::new(table.name())
}

/// Creates every table, so that readers always find it.
pub(super) fn create_all(write: &WriteTransaction) -> Result<(), redb::Error> {
    write.open_table(APPLIED)?;
    for table in Table::ALL {
        write.open_table(records(table))?;
    }
    Ok(())
}

/// Creates the tables that a file of an earlier release lacks.
pub(super) fn create_missing(database: &Database) -> Result<(), redb::Error> {
    let present: Vec<String> =
        database.begin_read()?.list_tables()?.map(|table| table.name().to_owned()).collect();
    let complete = Table::ALL.iter().all(|table| present.iter().any(|name| name == table.name()));
    if complete && present.iter().any(|name| name == APPLIED_NAME) {
        return Ok(());
    }
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_two_phase_commit(true);
    create_all(&write)?;
    Ok(write.commit()?)
}
