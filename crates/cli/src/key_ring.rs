//! `conclave key-ring …`. Key rings are those of the instance that `--instance` names.

use clap::{Args, Subcommand};
use conclave_client::v1;
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::instance::deleted_answer;
use crate::output::{Answer, Outcome};
use crate::table;
use crate::values::{text_json, time_json, time_text};

/// Verbs of `key-ring`.
#[derive(Debug, Subcommand)]
pub enum KeyRingVerb {
    /// Create a key ring
    Create(CreateArgs),
    /// List the key rings
    List,
    /// Delete a key ring in which no live key is
    Delete(DeleteArgs),
}

/// Arguments of `key-ring create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// 2 to 64 characters of a-z 0-9 -, not a UUID
    name: String,
}

/// Arguments of `key-ring delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Name or id
    name: String,
    /// Move destroyed keys that are in it to the key ring `default`
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(verb: KeyRingVerb, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let request_id = globals.request_id();
    match verb {
        KeyRingVerb::Create(args) => {
            let request = v1::KeyRingRequest { request_id, name: args.name };
            Ok(ring_answer(&client.create_key_ring(request).await?))
        }
        KeyRingVerb::List => {
            let answer = client.list_key_rings().await?;
            let rings: Vec<Value> = answer.rings.iter().map(ring_json).collect();
            let json = json!({"rings": rings, "log_index": answer.log_index});
            Ok(Answer::new(json, list_text(&answer.rings)))
        }
        KeyRingVerb::Delete(DeleteArgs { name, force }) => {
            let request = v1::DeleteKeyRingRequest { request_id, ring: name, force };
            Ok(deleted_answer("key ring", &client.delete_key_ring(request).await?))
        }
    }
}

fn ring_answer(answer: &v1::KeyRingAnswer) -> Answer {
    let ring = answer.ring.clone().unwrap_or_default();
    let json = json!({
        "ring": ring_json(&ring),
        "log_index": answer.log_index,
        "replayed": answer.replayed,
    });
    Answer::new(json, ring_text(&ring))
}

fn ring_json(ring: &v1::KeyRing) -> Value {
    json!({
        "id": ring.id,
        "name": ring.name,
        "instance": text_json(&ring.instance),
        "keys": ring.keys,
        "created_at": time_json(ring.created_at.as_ref()),
        "created_by": text_json(&ring.created_by),
    })
}

fn ring_text(ring: &v1::KeyRing) -> String {
    table::fields(&[
        ("name", ring.name.clone()),
        ("id", ring.id.clone()),
        ("instance", ring.instance.clone()),
        ("keys", ring.keys.to_string()),
        ("created", time_text(ring.created_at.as_ref()).unwrap_or_default()),
        ("created by", ring.created_by.clone()),
    ])
}

fn list_text(rings: &[v1::KeyRing]) -> String {
    let rows = rings.iter().map(|ring| {
        let created = time_text(ring.created_at.as_ref()).unwrap_or_default();
        [ring.name.clone(), ring.id.clone(), ring.keys.to_string(), created]
    });
    table::table(["NAME", "ID", "KEYS", "CREATED"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> v1::KeyRing {
        v1::KeyRing {
            id: "7c".to_owned(),
            name: "billing".to_owned(),
            instance: "prod".to_owned(),
            keys: 3,
            created_at: Some(prost_types::Timestamp { seconds: 1_795_255_200, nanos: 0 }),
            created_by: "admin".to_owned(),
        }
    }

    #[test]
    fn a_ring_has_the_promised_fields() {
        assert_eq!(
            ring_json(&example()),
            json!({"id": "7c", "name": "billing", "instance": "prod", "keys": 3,
                "created_at": "2026-11-21T10:00:00Z", "created_by": "admin"})
        );
    }

    #[test]
    fn rings_for_people() {
        assert_eq!(
            ring_text(&example()),
            "name        billing\n\
             id          7c\n\
             instance    prod\n\
             keys        3\n\
             created     2026-11-21T10:00:00Z\n\
             created by  admin\n"
        );
        assert_eq!(
            list_text(&[example()]),
            "NAME     ID  KEYS  CREATED\n\
             billing  7c  3     2026-11-21T10:00:00Z\n"
        );
    }
}
