//! `conclave key disable|delete|delete-now|purge`: what is asked before it is done.

use clap::Args;
use conclave_client::{Client, Error, Reason, v1};

use super::question;
use crate::confirm::Question;
use crate::failure::Failure;
use crate::globals::Globals;

/// A key, and whether to ask.
#[derive(Debug, Args)]
pub struct SureArgs {
    /// Key id (UUID) or alias
    key: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Arguments of `key delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    sure: SureArgs,
    /// Delete it though resources are registered; those that prevent deletion still do
    #[arg(long)]
    force: bool,
}

type Done = Result<v1::KeyAnswer, Failure>;

pub(super) async fn disable(args: SureArgs, globals: &Globals, client: &Client) -> Done {
    args.ask("key disable", client, question::disable).await?;
    Ok(client.disable_key(args.request(globals)).await?)
}

pub(super) async fn delete(args: DeleteArgs, globals: &Globals, client: &Client) -> Done {
    let DeleteArgs { sure, force } = args;
    sure.ask("key delete", client, |key, impact| question::delete(key, impact, force)).await?;
    let v1::KeyRequest { request_id, key } = sure.request(globals);
    Ok(client.delete_key(v1::DeleteKeyRequest { request_id, key, force }).await?)
}

pub(super) async fn delete_now(args: SureArgs, globals: &Globals, client: &Client) -> Done {
    args.ask("key delete-now", client, question::delete_now).await?;
    Ok(client.delete_now(args.request(globals)).await?)
}

pub(super) async fn purge(args: SureArgs, globals: &Globals, client: &Client) -> Done {
    args.ask("key purge", client, question::purge).await?;
    Ok(client.purge_key(args.request(globals)).await?)
}

impl SureArgs {
    /// Asks on the terminal, with the key and its impact in view, unless `--yes` was given.
    async fn ask(
        &self,
        command: &str,
        client: &Client,
        text: impl Fn(&v1::Key, &v1::ImpactAnswer) -> String,
    ) -> Result<(), Failure> {
        let question = Question { yes: self.yes, command };
        question.must_be_answerable()?;
        if self.yes {
            return Ok(());
        }
        let shown = match self.look(client).await {
            Ok((key, impact)) => text(&key, &impact),
            // Who may purge need not be allowed to read.
            Err(error) if error.reason == Reason::PermissionDenied => {
                question::unseen(command, &self.key, &error)
            }
            Err(error) => return Err(error.into()),
        };
        question.ask(&shown).await
    }

    async fn look(&self, client: &Client) -> Result<(v1::Key, v1::ImpactAnswer), Error> {
        let key = client.get_key(&self.key).await?.key.unwrap_or_default();
        Ok((key, client.get_impact(&self.key).await?))
    }

    fn request(self, globals: &Globals) -> v1::KeyRequest {
        v1::KeyRequest { request_id: globals.request_id(), key: self.key }
    }
}
