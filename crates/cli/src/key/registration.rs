//! `conclave key register|unregister`, and registrations in results.

use clap::Args;
use conclave_client::v1;
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::table;
use crate::values::{counted, text_json, time_json, time_text, yes_no};

/// Arguments of `key register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// Key id (UUID) or alias
    key: String,
    /// A URI, ARN, CRN or the like; 1 to 512 bytes
    resource: String,
    /// What the resource is
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// While it stands nothing deletes the key, --force neither; only you can lift it
    #[arg(long)]
    prevent_deletion: bool,
}

/// Arguments of `key unregister`.
#[derive(Debug, Args)]
pub struct UnregisterArgs {
    /// Key id (UUID) or alias
    key: String,
    /// The resource, as it was registered
    resource: String,
}

impl RegisterArgs {
    pub(super) fn request(self, globals: &Globals) -> v1::RegisterResourceRequest {
        v1::RegisterResourceRequest {
            request_id: globals.request_id(),
            key: self.key,
            resource: self.resource,
            description: self.description,
            prevent_deletion: self.prevent_deletion,
        }
    }
}

impl UnregisterArgs {
    pub(super) fn request(self, globals: &Globals) -> v1::UnregisterResourceRequest {
        let UnregisterArgs { key, resource } = self;
        v1::UnregisterResourceRequest { request_id: globals.request_id(), key, resource }
    }
}

pub(super) fn registrations_json(registrations: &[v1::Registration]) -> Vec<Value> {
    let registration = |registration: &v1::Registration| {
        json!({
            "resource": registration.resource,
            "prevent_deletion": registration.prevent_deletion,
            "version": registration.version,
            "registered_at": time_json(registration.registered_at.as_ref()),
            "registered_by": text_json(&registration.registered_by),
            "description": registration.description,
        })
    };
    registrations.iter().map(registration).collect()
}

pub(super) fn registrations_text(registrations: &[v1::Registration]) -> String {
    let rows = registrations.iter().map(|registration| {
        [
            registration.resource.clone(),
            yes_no(registration.prevent_deletion).to_owned(),
            registration.version.to_string(),
            registration.registered_by.clone(),
            time_text(registration.registered_at.as_ref()).unwrap_or_default(),
            registration.description.clone(),
        ]
    });
    let header = ["RESOURCE", "PREVENTS DELETION", "VERSION", "REGISTERED BY", "AT", "DESCRIPTION"];
    table::table(header, rows)
}

/// `2 registrations, 1 of them prevents deletion`; empty: there are none.
pub(super) fn registrations_count(registrations: &[v1::Registration]) -> String {
    let preventing = registrations.iter().filter(|it| it.prevent_deletion).count();
    let all = counted(registrations.len() as u64, "registration");
    match (registrations.len(), preventing) {
        (0, _) => String::new(),
        (1, 1) => format!("{all}, it prevents deletion"),
        (_, 0) => all,
        (_, 1) => format!("{all}, 1 of them prevents deletion"),
        (_, preventing) => format!("{all}, {preventing} of them prevent deletion"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::example::registrations;

    #[test]
    fn a_registration_has_the_promised_fields() {
        assert_eq!(
            registrations_json(&registrations()),
            [
                json!({"resource": "arn:disk/1", "prevent_deletion": true, "version": 1,
                    "registered_at": "2026-11-21T10:00:00Z", "registered_by": "app",
                    "description": "the disk"}),
                json!({"resource": "arn:disk/2", "prevent_deletion": false, "version": 2,
                    "registered_at": "2026-11-21T10:00:00Z", "registered_by": "app",
                    "description": ""}),
            ]
        );
    }

    #[test]
    fn registrations_for_people() {
        assert_eq!(
            registrations_text(&registrations()),
            "RESOURCE    PREVENTS DELETION  VERSION  REGISTERED BY  AT                    DESCRIPTION\n\
             arn:disk/1  yes                1        app            2026-11-21T10:00:00Z  the disk\n\
             arn:disk/2  no                 2        app            2026-11-21T10:00:00Z\n"
        );
    }

    #[test]
    fn registrations_are_counted() {
        let [preventing, harmless] = <[_; 2]>::try_from(registrations()).unwrap();
        for (registrations, text) in [
            (vec![], ""),
            (vec![harmless.clone()], "1 registration"),
            (vec![preventing.clone()], "1 registration, it prevents deletion"),
            (vec![harmless.clone(), harmless.clone()], "2 registrations"),
            (vec![harmless, preventing.clone()], "2 registrations, 1 of them prevents deletion"),
            (vec![preventing.clone(), preventing], "2 registrations, 2 of them prevent deletion"),
        ] {
            assert_eq!(registrations_count(&registrations), text);
        }
    }
}
