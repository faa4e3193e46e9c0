//! `conclave instance …`.

mod show;

use clap::{Args, Subcommand};
use conclave_client::{Client, v1};
use serde_json::{Value, json};

use crate::confirm::Question;
use crate::globals::Globals;
use crate::output::{Answer, Outcome};
use crate::policy::{DeletionPolicyArgs, POLICY_FLAGS, WINDOW_FLAGS};
use crate::values::{parse_seconds, seconds_text};

/// Verbs of `instance`. An instance is given by name or id.
#[derive(Debug, Subcommand)]
pub enum InstanceVerb {
    /// Create an instance; the flags change the preset `layered`
    Create(CreateArgs),
    /// List the instances in which you have a role
    List,
    /// Show an instance with its policy and its keys in each state
    Show(NameArg),
    /// Change the policy that new keys copy; keys that are there keep theirs
    Policy(PolicyArgs),
    /// Delete an instance in which no key is left
    Delete(DeleteArgs),
    /// Show or set the least time from a request to delete a key until its material is out of
    /// reach, for every policy of the cluster that is set from then on
    Floor(FloorArgs),
}

/// Arguments of `instance create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// 2 to 64 characters of a-z 0-9 -, not a UUID
    name: String,
    #[command(flatten)]
    policy: DeletionPolicyArgs,
}

/// The instance that a verb is about.
#[derive(Debug, Args)]
pub struct NameArg {
    /// Name or id
    name: String,
}

/// Arguments of `instance policy`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(POLICY_FLAGS).args(WINDOW_FLAGS))]
pub struct PolicyArgs {
    /// Name or id
    name: String,
    #[command(flatten)]
    policy: DeletionPolicyArgs,
}

/// Arguments of `instance delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Name or id
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Arguments of `instance floor`.
#[derive(Debug, Args)]
pub struct FloorArgs {
    /// The floor to set: 30s 15m 72h 30d; 0s: none
    #[arg(value_parser = parse_seconds)]
    duration: Option<u64>,
}

pub(crate) async fn run(verb: InstanceVerb, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let request_id = globals.request_id();
    let answer = match verb {
        InstanceVerb::List => return list(&client).await,
        InstanceVerb::Delete(args) => return delete(args, globals, &client).await,
        InstanceVerb::Floor(args) => return floor(args, globals, &client).await,
        InstanceVerb::Create(CreateArgs { name, policy }) => {
            let policy = policy.change();
            client.create_instance(v1::CreateInstanceRequest { request_id, name, policy }).await?
        }
        InstanceVerb::Show(args) => client.get_instance(&args.name).await?,
        InstanceVerb::Policy(PolicyArgs { name, policy }) => {
            let (instance, policy) = (name, policy.change());
            client
                .set_instance_policy(v1::SetInstancePolicyRequest { request_id, instance, policy })
                .await?
        }
    };
    let instance = answer.instance.unwrap_or_default();
    let json = json!({
        "instance": show::json(&instance),
        "log_index": answer.log_index,
        "replayed": answer.replayed,
    });
    Ok(Answer::new(json, show::text(&instance)))
}

/// What the deletion of an instance or a key ring ends with.
pub(crate) fn deleted_answer(what: &str, answer: &v1::DeletedAnswer) -> Answer {
    let json = json!({
        "deleted": {"id": answer.id},
        "log_index": answer.log_index,
        "replayed": answer.replayed,
    });
    Answer::new(json, format!("{what} {} is deleted", answer.id))
}

async fn list(client: &Client) -> Outcome {
    let answer = client.list_instances().await?;
    let instances: Vec<Value> = answer.instances.iter().map(show::json).collect();
    let json = json!({"instances": instances, "log_index": answer.log_index});
    Ok(Answer::new(json, show::list(&answer.instances)))
}

async fn delete(args: DeleteArgs, globals: &Globals, client: &Client) -> Outcome {
    let question = Question { yes: args.yes, command: "instance delete" };
    question.must_be_answerable()?;
    if !args.yes {
        let instance = client.get_instance(&args.name).await?.instance.unwrap_or_default();
        question.ask(&show::delete_impact(&instance)).await?;
    }
    let request = v1::InstanceRequest { request_id: globals.request_id(), instance: args.name };
    Ok(deleted_answer("instance", &client.delete_instance(request).await?))
}

async fn floor(args: FloorArgs, globals: &Globals, client: &Client) -> Outcome {
    let answer = match args.duration {
        None => client.get_deletion_floor().await?,
        Some(floor_s) => {
            let request_id = globals.request_id();
            client.set_deletion_floor(v1::SetDeletionFloorRequest { request_id, floor_s }).await?
        }
    };
    let json = json!({
        "floor_s": answer.floor_s,
        "log_index": answer.log_index,
        "replayed": answer.replayed,
    });
    Ok(Answer::new(json, seconds_text(answer.floor_s)))
}
